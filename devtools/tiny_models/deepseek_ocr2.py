"""Tiny DeepSeek-OCR-2: a SAM encoder, a Qwen2 over its patches, a decoder with experts."""

from __future__ import annotations

from typing import Any

from devtools.tiny_models.shared import tokenizer, transformers_class


def deepseek_ocr2(side: int = 1024, tile: int = 768) -> tuple[Any, Any]:
    """(net, processor). ``side`` and ``tile`` are pixels of the whole picture and of a tile of it: the class
    has queries for these two alone.
    """
    import transformers

    net_class = transformers_class("DeepseekOcr2ForConditionalGeneration")
    marks = ["<|grounding|>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>"]
    words = tokenizer(["<image>", *marks], pad="<pad>", eos="<eos>", marks={"image_token": "<image>"})
    text = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(words),
        "max_position_embeddings": 8192,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
        "mlp_layer_types": ["dense", "sparse"],
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    encoder = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 64,
    }
    sam = {
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": side,
        "global_attn_indexes": [0],
        "output_channels": 32,
        "downsample_channels": [32, 64],
    }
    config = transformers.DeepseekOcr2Config(
        text_config=text,
        vision_config={"sam_config": sam, "encoder_config": encoder},
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    pictures = transformers.DeepseekOcr2ImageProcessor(size={"height": side, "width": side}, tile_size=tile)
    return net_class(config), transformers.DeepseekOcr2Processor(pictures, words)
