"""Tiny checkpoints of the families that only transformers 5 has, and of Idefics3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devtools.tiny_models.shared import chat_template, rope, small_decoder, tokenizer, transformers_class


def glm_ocr() -> tuple[Any, Any]:
    import transformers

    net_class = transformers_class("GlmOcrForConditionalGeneration")
    specials = ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"]
    specials += ["<|begin_of_image|>", "<|image|>", "<|end_of_image|>"]
    specials += ["<|begin_of_video|>", "<|video|>", "<|end_of_video|>"]
    words = tokenizer(specials, eos="<|endoftext|>")
    ids = words.convert_tokens_to_ids
    config = transformers.GlmOcrConfig(
        text_config=small_decoder(
            words,
            head_dim=32,
            eos_token_id=[words.pad_token_id, ids("<|user|>")],
            **rope(10000.0, mrope_section=[4, 6, 6], partial_rotary_factor=1.0),
        ),
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "num_heads": 2,
            "intermediate_size": 128,
            "out_hidden_size": 64,
            "patch_size": 14,
        },
        image_token_id=ids("<|image|>"),
        video_token_id=ids("<|video|>"),
        image_start_token_id=ids("<|begin_of_image|>"),
        image_end_token_id=ids("<|end_of_image|>"),
        video_start_token_id=ids("<|begin_of_video|>"),
        video_end_token_id=ids("<|end_of_video|>"),
    )
    template = "[gMASK]<sop>" + chat_template(
        "<|{{ m['role'] }}|>\n", "<|begin_of_image|><|image|><|end_of_image|>", "", "<|assistant|>\n"
    )
    pictures = transformers.Glm46VImageProcessor(size={"shortest_edge": 12544, "longest_edge": 9633792})
    video = transformers.Glm46VVideoProcessor()
    return net_class(config), transformers.Glm46VProcessor(pictures, words, video, chat_template=template)


def paddleocr_vl() -> tuple[Any, Any]:
    import transformers

    net_class = transformers_class("PaddleOCRVLForConditionalGeneration")
    marks = {"image_token": "<|IMAGE_PLACEHOLDER|>"}
    specials = ["<s>", "<|IMAGE_START|>", "<|IMAGE_END|>", "<|IMAGE_PLACEHOLDER|>", "<|video_pad|>"]
    words = tokenizer(specials, pad="<unk>", eos="</s>", marks=marks)
    ids = words.convert_tokens_to_ids
    config = transformers.PaddleOCRVLConfig(
        text_config=small_decoder(
            words,
            head_dim=32,
            bos_token_id=ids("<s>"),
            **rope(10000.0, mrope_section=[4, 6, 6]),
        ),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 112,
            "patch_size": 14,
        },
        image_token_id=ids("<|IMAGE_PLACEHOLDER|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|IMAGE_START|>"),
        vision_end_token_id=ids("<|IMAGE_END|>"),
    )
    template = chat_template(
        "{{ 'User: ' if m['role'] == 'user' else 'Assistant: ' }}",
        "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>",
        "\n",
        "Assistant: ",
    )
    pictures = transformers.PaddleOCRVLImageProcessor(
        size={"shortest_edge": 28 * 28 * 16, "longest_edge": 28 * 28 * 2048}
    )
    return net_class(config), transformers.PaddleOCRVLProcessor(pictures, words, chat_template=template)


def lighton_ocr() -> tuple[Any, Any]:
    import transformers

    net_class = transformers_class("LightOnOcrForConditionalGeneration")
    marks = {
        "image_token": "<|image_pad|>",
        "image_break_token": "<|vision_pad|>",
        "image_end_token": "<|vision_end|>",
    }
    words = tokenizer(["<|im_start|>", *marks.values()], marks=marks)
    config = transformers.LightOnOcrConfig(
        text_config=small_decoder(
            words,
            model_type="qwen3",
            head_dim=32,
            tie_word_embeddings=True,
            bos_token_id=None,
        ),
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "head_dim": 32,
            "image_size": 1540,
            "patch_size": 14,
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
    )
    template = chat_template(
        "<|im_start|>{{ m['role'] }}\n", "<|image_pad|>", "<|im_end|>\n", "<|im_start|>assistant\n"
    )
    pictures = transformers.PixtralImageProcessor(
        size={"longest_edge": 1540}, patch_size={"height": 28, "width": 28}
    )
    processor = transformers.LightOnOcrProcessor(
        pictures, words, patch_size=14, spatial_merge_size=2, chat_template=template
    )
    return net_class(config), processor


DOCLING_TEMPLATE = chat_template(
    "<|start_of_role|>{{ m['role'] }}<|end_of_role|>",
    "<image>",
    "<|end_of_text|>\n",
    "<|start_of_role|>assistant<|end_of_role|>",
)


def _docling_words(tags: Sequence[str]) -> Any:
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    specials = [
        "<|start_of_role|>",
        "<|end_of_role|>",
        "<fake_token_around_image>",
        "<image>",
        "<global-img>",
    ]
    specials += ["<end_of_utterance>", *tiles, *tags]
    return tokenizer(specials, pad="<|pad|>", eos="<|end_of_text|>", marks={"image_token": "<image>"})


def idefics3() -> tuple[Any, Any]:
    """The shape of granite-docling-258M and SmolDocling: pictures in tiles, answers in DocTags."""
    import transformers

    tags = ("doctag", "text", "otsl", "loc_0", "loc_500", "fcel", "nl")
    words = _docling_words([f"<{tag}>" for tag in tags] + [f"</{tag}>" for tag in tags[:3]])
    config = transformers.Idefics3Config(
        text_config=small_decoder(
            words,
            model_type="llama",
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            bos_token_id=None,
        ),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
        },
        scale_factor=4,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    pictures = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 512}, max_image_size={"longest_edge": 128}, do_image_splitting=True
    )
    processor = transformers.Idefics3Processor(
        pictures, words, image_seq_len=4, chat_template=DOCLING_TEMPLATE
    )
    return transformers.Idefics3ForConditionalGeneration(config), processor


def granite_docling() -> tuple[Any, Any]:
    """The shape of granite-for-docling-500m: pictures in tiles, answers in DocLang."""
    import transformers

    net_class = transformers_class("GraniteDoclingForConditionalGeneration")
    words = _docling_words(["<doclang>", "</doclang>", "<text>", "</text>"])
    config = transformers.GraniteDoclingConfig(
        text_config=small_decoder(
            words,
            num_hidden_layers=3,
            max_position_embeddings=8192,
            bos_token_id=None,
        ),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
            "out_hidden_size": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
    )
    pictures = transformers.GraniteDoclingImageProcessor(size={"height": 128, "width": 128}, max_patches=4)
    processor = transformers.GraniteDoclingProcessor(
        pictures, words, image_seq_len=4, chat_template=DOCLING_TEMPLATE
    )
    return net_class(config), processor
