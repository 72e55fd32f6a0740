"""Tiny HunyuanOCR."""

from __future__ import annotations

from typing import Any

from devtools.tiny_models.shared import chat_template, small_decoder, tokenizer, transformers_class

START, PICTURE, END = "<hy_image_start>", "<hy_image>", "<hy_image_end>"


def hunyuan_vl() -> tuple[Any, Any]:
    import transformers

    net_class = transformers_class("HunYuanVLForConditionalGeneration")
    marks = {"image_token": PICTURE, "image_start_token": START, "image_end_token": END}
    words = tokenizer(
        ["<hy_begin>", "<hy_user>", *marks.values()], pad="<hy_pad>", eos="<hy_assistant>", marks=marks
    )
    ids = words.convert_tokens_to_ids
    config = transformers.HunYuanVLConfig(
        text_config=small_decoder(
            words,
            head_dim=32,
            tie_word_embeddings=True,
            bos_token_id=ids("<hy_begin>"),
            rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 4, 4, 4]},
        ),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "out_hidden_size": 64,
            "text_hidden_size": 64,
            "patch_size": 16,
            "max_image_size": 512,
        },
        image_token_id=ids(PICTURE),
        image_start_token_id=ids(START),
        image_end_token_id=ids(END),
        im_start_id=ids(START),
        im_end_id=ids(END),
        tie_word_embeddings=True,
    )
    template = chat_template("", f"{START}{PICTURE}{END}", "<hy_user>", "")
    template = template.replace("{% for m", "<hy_begin>{% for m", 1)
    pictures = transformers.HunYuanVLImageProcessor(
        size={"shortest_edge": 65536, "longest_edge": 2048 * 2048}
    )
    return net_class(config), transformers.HunYuanVLProcessor(pictures, words, chat_template=template)
