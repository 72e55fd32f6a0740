"""Trains tests/fixtures/trained/got_ocr2: a GOT-OCR of 1.3 million parameters that reads printed strings.

    python training/tiny_got.py            trains on the CPU; resumes from .comfy/train/tiny_got_ocr2.pt
    python training/tiny_got.py export     writes the fixture (with transformers 4.57)
    python training/tiny_got.py held-out   draws the 200 held-out pages anew

GOT makes every picture a square and keeps one token for 4 x 4 patches. A line on such a page left 8 tokens
for ten letters, and nothing was learnt. Here a page is four rows of four letters: each letter has a window of
the vision tower and a token to itself, and the answer is the tokens in their order.

What is committed: 500 steps from the beginning, 497 s with one thread on two cores that others used as well
(0.4 s a step on a free one). 198 of the 200 held-out strings are read right, CER 0.10 %, at fp32, bf16, fp16,
int8 and int4 alike (bitsandbytes on the CPU, transformers 5.23).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import tiny_models
import torch
from PIL import Image, ImageDraw, ImageFont
from tiny_models import Print

from devtools.tiny_models.got_ocr2 import got_ocr2

FAMILY = "got_ocr2"
SETTLE = 500
SIDE = 256  # of what the tower sees: 16 x 16 patches, 4 x 4 tokens
PAGE, ROW = 128, 4
CELL = PAGE // ROW
LONGEST = ROW * ROW
SIZES = (26, 29, 32)
# Attention logits of the first layer's first head, see look_back: at the wanted place 12 more than far away.
CERTAIN = 5.0


def make() -> tuple[Any, Any]:
    torch.manual_seed(1)
    net, processor = got_ocr2(
        hidden=128, wide=256, layers=3, side=SIDE, sight=128, depth=2, heads=2, channels=64
    )
    # the class's 0.02 is for widths of 768 and more: at 128 the layers add next to nothing
    for part in (net.model.vision_tower, net.model.multi_modal_projector, net.model.language_model.layers):
        for name, weight in part.named_parameters():
            if weight.dim() > 1 and "rel_pos" not in name and "pos_embed" not in name:
                torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    # zeros in the class, from which places are slow to learn
    torch.nn.init.normal_(net.model.vision_tower.pos_embed, std=0.3)
    return net, processor


def question(processor: Any) -> list[int]:
    """Token ids of the processor's prompt for one page."""
    asked = processor(Image.new("RGB", (PAGE, PAGE)), num_image_tokens=LONGEST, return_tensors="pt")
    return list(asked["input_ids"][0].tolist())


def look_back(attention: Any, away: int) -> None:
    """Let the first head begin by looking ``away`` tokens back, where the letter to be said next stands.

    Every letter's token is as far from its place in the answer. With nothing but random weights the language
    model was still guessing after 150 steps, though the tower knew 95 letters of 100 after 100.
    """
    half = attention.head_dim // 2
    turns = away * 10000.0 ** (-torch.arange(half) / half)  # of Qwen2's rotary positions
    with torch.no_grad():
        attention.q_proj.bias[:half] = CERTAIN
        attention.k_proj.bias[:half] = CERTAIN * turns.cos()
        attention.k_proj.bias[half : 2 * half] = CERTAIN * turns.sin()


def draw(chance: random.Random) -> Print:
    """A page of 4 to 16 characters in rows of four."""
    text = tiny_models.string(chance, LONGEST)
    font = ImageFont.truetype(chance.choice(tiny_models.FONTS), chance.choice(SIZES))
    picture = Image.new("RGB", (PAGE, PAGE), chance.choice(tiny_models.PAPERS))
    pen, ink = ImageDraw.Draw(picture), chance.choice(tiny_models.INKS)
    x, y = CELL // 2 + chance.randint(-2, 2), CELL * 13 // 16 + chance.randint(-2, 2)
    for index, letter in enumerate(text):
        row, column = divmod(index, ROW)
        pen.text((x + column * CELL, y + row * CELL), letter, fill=ink, font=font, anchor="ms")
    return Print(tiny_models.aged(picture, chance, 0.7), text, tuple(range(len(text))))


def main() -> None:
    if sys.argv[1:] == ["held-out"]:
        tiny_models.draw_held_out(FAMILY, draw, columns=20)
        return
    net, processor = make()
    if sys.argv[1:] == ["export"]:
        tiny_models.export(FAMILY, net, processor)
        return
    print(f"{sum(weight.numel() for weight in net.parameters()):,} parameters")
    words, asked = processor.tokenizer, question(processor)
    first = asked.index(net.config.image_token_index)
    look_back(net.model.language_model.layers[0].self_attn, len(asked) - 1 - first)
    reader = tiny_models.Reader(net.model.multi_modal_projector, 128, rows=1, columns=LONGEST, slots=LONGEST)

    def batch_of(prints: Sequence[Print], chance: random.Random) -> dict[str, Any]:
        rows = [asked + words(f"{page.text}<|im_end|>")["input_ids"] for page in prints]
        batch = words.pad({"input_ids": rows}, return_tensors="pt")
        seen = processor.image_processor([page.picture for page in prints], return_tensors="pt")
        return tiny_models.labelled({**batch, **seen}, [page.text for page in prints], words)

    whole = LONGEST + 1
    given = {"settle": SETTLE, "most": whole, "reading": whole, "batch": 16, "rate": 1.5e-3}
    tiny_models.train(FAMILY, net, reader, draw, batch_of, **given)


if __name__ == "__main__":
    main()
