"""Tiny Qwen2-VL to Qwen3.5."""

from __future__ import annotations

from typing import Any

from devtools.tiny_models.shared import is_5, rope, small_decoder, tokenizer, transformers_class

QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# The picture after the words: then a prompt of any length leaves the way from picture to answer the same.
QWEN_TEMPLATE_PICTURE_LAST = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

QWEN_SPECIALS = (
    "<|im_start|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def _token_ids(words: Any) -> dict[str, int]:
    ids = words.convert_tokens_to_ids
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def _image_processor(least: int, most: int, patch: int, mean: float | None) -> Any:
    """The Qwen image processor with pixel limits ``least`` to ``most`` in the spelling of either version."""
    import transformers

    limits: dict[str, Any] = {"size": {"shortest_edge": least, "longest_edge": most}}
    if not is_5():
        limits = {"min_pixels": least, "max_pixels": most, **limits}
    colours = {} if mean is None else {"image_mean": [mean] * 3, "image_std": [mean] * 3}
    return transformers.Qwen2VLImageProcessor(
        patch_size=patch, temporal_patch_size=2, merge_size=2, **limits, **colours
    )


def _qwen2_text(words: Any) -> dict[str, Any]:
    return small_decoder(
        words,
        tie_word_embeddings=True,
        bos_token_id=None,
        **rope(10000.0, mrope_section=[4, 6, 6]),
    )


def _qwen2_parts(words: Any) -> dict[str, Any]:
    """Of a processor of Qwen2-VL or Qwen2.5-VL."""
    import transformers

    return {
        "image_processor": _image_processor(56 * 56, 28 * 28 * 1280, 14, None),
        "tokenizer": words,
        "video_processor": transformers.Qwen2VLVideoProcessor(),
        "chat_template": QWEN_TEMPLATE,
    }


def qwen2_vl(words: Any = None) -> tuple[Any, Any]:
    import transformers

    words = words or tokenizer(QWEN_SPECIALS)
    config = transformers.Qwen2VLConfig(
        text_config=_qwen2_text(words),
        vision_config={
            "depth": 2,
            "embed_dim": 64,
            "hidden_size": 64,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        tie_word_embeddings=True,
        **_token_ids(words),
    )
    processor = transformers.Qwen2VLProcessor(**_qwen2_parts(words))
    return transformers.Qwen2VLForConditionalGeneration(config), processor


def qwen2_5_vl(words: Any = None) -> tuple[Any, Any]:
    import transformers

    words = words or tokenizer(QWEN_SPECIALS)
    config = transformers.Qwen2_5_VLConfig(
        text_config=_qwen2_text(words),
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 64,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": [1],
        },
        tie_word_embeddings=True,
        **_token_ids(words),
    )
    processor = transformers.Qwen2_5_VLProcessor(**_qwen2_parts(words))
    return transformers.Qwen2_5_VLForConditionalGeneration(config), processor


# The end of Qwen3.5's published template: it thinks unless it is told not to.
QWEN35_TEMPLATE = QWEN_TEMPLATE.replace(
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif %}",
)


def qwen3_5(words: Any = None) -> tuple[Any, Any]:
    import transformers

    words = words or tokenizer((*QWEN_SPECIALS, "<think>", "</think>"))
    config = transformers_class("Qwen3_5Config")(
        text_config=small_decoder(
            words,
            num_hidden_layers=4,
            head_dim=64,
            full_attention_interval=4,
            linear_num_key_heads=16,
            linear_num_value_heads=32,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            linear_conv_kernel_dim=4,
            tie_word_embeddings=True,
            bos_token_id=None,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
                "mrope_interleaved": True,
                "partial_rotary_factor": 0.25,
            },
        ),
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
        },
        tie_word_embeddings=True,
        **_token_ids(words),
    )
    processor = transformers.Qwen3VLProcessor(
        image_processor=_image_processor(65536, 16777216, 16, 0.5),
        tokenizer=words,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=QWEN35_TEMPLATE,
    )
    return transformers_class("Qwen3_5ForConditionalGeneration")(config), processor


def qwen3_vl(
    hidden: int = 64,
    wide: int = 128,
    layers: int = 3,
    depth: int = 2,
    positions: int = 64,
    least: int = 65536,
    template: str = QWEN_TEMPLATE,
    words: Any = None,
) -> tuple[Any, Any]:
    """(net, processor). ``hidden`` and ``wide`` are the widths of both towers, ``layers`` of the language
    model, ``depth`` of the vision tower; ``positions`` its position embeddings; ``least`` the fewest pixels
    of a picture; ``words`` a tokenizer in place of the tiny one.
    """
    import transformers

    words = words or tokenizer(QWEN_SPECIALS)
    head = hidden // 2
    rest = head // 2
    sections = [rest - 2 * (rest // 3), rest // 3, rest // 3]
    config = transformers.Qwen3VLConfig(
        text_config={
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": head,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            **rope(10000.0, mrope_section=sections, mrope_interleaved=True),
        },
        vision_config={
            "depth": depth,
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_heads": 2,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": hidden,
            "num_position_embeddings": positions,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
        **_token_ids(words),
    )
    processor = transformers.Qwen3VLProcessor(
        image_processor=_image_processor(least, 16777216, 16, 0.5),
        tokenizer=words,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=template,
    )
    return transformers.Qwen3VLForConditionalGeneration(config), processor
