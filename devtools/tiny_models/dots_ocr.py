"""A tiny dots.ocr."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devtools.tiny_models.shared import tokenizer

DOTS_SPECIALS = (
    "<|img|>",
    "<|imgpad|>",
    "<|endofimg|>",
    "<|system|>",
    "<|endofsystem|>",
    "<|user|>",
    "<|endofuser|>",
    "<|assistant|>",
    "<|endofassistant|>",
)

# Small numbers under the published names.
VISION = {
    "embed_dim": 64,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_channels": 3,
    "patch_size": 14,
    "post_norm": True,
    "rms_norm_eps": 1e-05,
    "spatial_merge_size": 2,
    "temporal_patch_size": 1,
    "use_bias": False,
    "attn_implementation": "flash_attention_2",
    "init_merger_std": 0.02,
    "initializer_range": 0.02,
    "is_causal": False,
    "gradient_checkpointing": False,
}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 131072,
    "max_window_layers": 28,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": 131072,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
    "attention_bias": True,
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "use_cache": True,
}
PICTURES = {
    "min_pixels": 3136,
    "max_pixels": 11289600,
    "patch_size": 14,
    "temporal_patch_size": 1,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "DotsVLProcessor",
}


def dots_shapes(text: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published checkpoint's tensors, for the numbers of its config.json."""
    width, wide, words = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    keys = width // text["num_attention_heads"] * text["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "lm_head.weight": (words, width),
        "model.embed_tokens.weight": (words, width),
        "model.norm.weight": (width,),
    }
    for layer in range(text["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (width,),
            f"{at}.post_attention_layernorm.weight": (width,),
            f"{at}.mlp.gate_proj.weight": (wide, width),
            f"{at}.mlp.up_proj.weight": (wide, width),
            f"{at}.mlp.down_proj.weight": (width, wide),
            f"{at}.self_attn.o_proj.weight": (width, width),
        }
        for name, out in (("q", width), ("k", keys), ("v", keys)):
            shapes |= {
                f"{at}.self_attn.{name}_proj.weight": (out, width),
                f"{at}.self_attn.{name}_proj.bias": (out,),
            }
    sight, high, side = vision["embed_dim"], vision["intermediate_size"], vision["patch_size"]
    merged, tower = sight * vision["spatial_merge_size"] ** 2, "vision_tower"
    shapes |= {
        f"{tower}.patch_embed.patchifier.proj.weight": (sight, vision["num_channels"], side, side),
        f"{tower}.patch_embed.patchifier.proj.bias": (sight,),
        f"{tower}.patch_embed.patchifier.norm.weight": (sight,),
        f"{tower}.post_trunk_norm.weight": (sight,),
        f"{tower}.merger.ln_q.weight": (sight,),
        f"{tower}.merger.ln_q.bias": (sight,),
        f"{tower}.merger.mlp.0.weight": (merged, merged),
        f"{tower}.merger.mlp.0.bias": (merged,),
        f"{tower}.merger.mlp.2.weight": (vision["hidden_size"], merged),
        f"{tower}.merger.mlp.2.bias": (vision["hidden_size"],),
    }
    for block in range(vision["num_hidden_layers"]):
        at = f"{tower}.blocks.{block}"
        shapes |= {
            f"{at}.norm1.weight": (sight,),
            f"{at}.norm2.weight": (sight,),
            f"{at}.attn.qkv.weight": (3 * sight, sight),
            f"{at}.attn.proj.weight": (sight, sight),
            f"{at}.mlp.fc1.weight": (high, sight),
            f"{at}.mlp.fc2.weight": (sight, high),
            f"{at}.mlp.fc3.weight": (high, sight),
        }
    return shapes


def dots_ocr(folder: Path) -> None:
    """Written file by file, after the published folder and without the class that is to read it: a class that
    misspelt a key would agree with its own misspelt fixture.
    """
    import torch
    from safetensors.torch import save_file

    words = tokenizer(DOTS_SPECIALS, eos="<|endofassistant|>")
    words.save_pretrained(folder)
    text = {**TEXT, "vocab_size": len(words)}
    config = {
        "architectures": ["DotsOCRForCausalLM"],
        "model_type": "dots_ocr",
        "auto_map": {
            "AutoConfig": "configuration_dots.DotsOCRConfig",
            "AutoModelForCausalLM": "modeling_dots_ocr.DotsOCRForCausalLM",
        },
        **text,
        "image_token_id": words.convert_tokens_to_ids("<|imgpad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|imgpad|>"),
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "vision_config": VISION,
    }
    ends = {"eos_token_id": [words.pad_token_id, words.eos_token_id], "pad_token_id": words.pad_token_id}
    for name, facts in (
        ("config", config),
        ("preprocessor_config", PICTURES),
        ("generation_config", {**ends, "transformers_version": "4.51.0"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    chance = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in dots_shapes(text, VISION).items():
        norm = name.endswith(
            ("norm.weight", "norm1.weight", "norm2.weight", "layernorm.weight", "ln_q.weight")
        )
        tensors[name] = torch.ones(shape) if norm else torch.randn(shape, generator=chance) * 0.02
        tensors[name] = tensors[name].to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
