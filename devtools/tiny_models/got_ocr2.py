"""A tiny GOT-OCR 2.0."""

from __future__ import annotations

from typing import Any

from devtools.tiny_models.shared import tokenizer


def got_ocr2(
    hidden: int = 64,
    wide: int = 128,
    layers: int = 2,
    side: int = 128,
    sight: int = 64,
    depth: int = 2,
    heads: int = 2,
    channels: int = 32,
    everywhere: bool = False,
) -> tuple[Any, Any]:
    """(net, processor). ``hidden`` and ``wide`` are the widths of the language model, ``sight`` and
    ``heads`` of the vision tower, ``channels`` of its neck. Pictures are ``side`` x ``side`` pixels and (side
    / 64) squared image tokens; ``everywhere``: every vision layer attends to the whole picture, instead of
    the last alone.

    The published processor counts 256 image tokens for its 1024-pixel picture and stores that nowhere: who
    calls another size passes ``num_image_tokens``.
    """
    import transformers

    words = tokenizer(["<|im_start|>", "<img>", "</img>", "<imgpad>"])
    config = transformers.GotOcr2Config(
        vision_config={
            "hidden_size": sight,
            "output_channels": channels,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "image_size": side,
            "patch_size": 16,
            "mlp_dim": 2 * sight,
            "window_size": 4,
            "global_attn_indexes": list(range(depth)) if everywhere else [depth - 1],
            # the class's 1e-10 is for loaded weights: from it nothing can be learnt
            "initializer_range": 0.02,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(words),
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        image_token_index=words.convert_tokens_to_ids("<imgpad>"),
        image_seq_length=(side // 64) ** 2,
        tie_word_embeddings=True,
    )
    pictures = transformers.GotOcr2ImageProcessor(size={"height": side, "width": side})
    return transformers.GotOcr2ForConditionalGeneration(config), transformers.GotOcr2Processor(
        pictures, words
    )
