"""Trains tests/fixtures/trained/got_ocr2: a GOT-OCR of 1.4 million parameters that reads printed strings.

    python benchmarks/train_tiny_got.py   trains on the CPU, resumes from .comfy/train/tiny_got.pt
    python benchmarks/train_tiny_got.py export       writes the fixture (with transformers 4.57)

Each line stands on a square page, which the processor makes 256 x 256: 16 x 16 patches, 16 image tokens.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import torch
import train_tiny
from train_tiny import tiny

NAME = "tiny_got"
SETTLE = 600
SIDE = 256


def make() -> tuple[Any, Any]:
    torch.manual_seed(1)
    net, processor = tiny.got_ocr2(
        hidden=128,
        wide=256,
        layers=3,
        side=SIDE,
        sight=128,
        depth=2,
        heads=len(LOOKS),
        channels=64,
        everywhere=True,
    )
    # 0.02 is for widths of 768: at 128 the layers add next to nothing to what they are given
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.dim() > 1 and "embed" not in name and "rel_pos" not in name:
                weight.mul_(4.0 if "vision_tower" in name else 3.0)
    # zeros in the class, from which places are slow to learn
    torch.nn.init.normal_(net.model.vision_tower.pos_embed, std=0.1)
    for layer in net.model.vision_tower.layers:
        look_around(layer.attn)
    return net, processor


# (rows, columns) that each head looks away at first
LOOKS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def look_around(attention: Any) -> None:
    """Let each head begin by looking at one neighbour of its patch, as a convolution does.

    A letter lies across two or four patches. The table of relative places is shared by the heads, so each
    head asks for its own few numbers of it, by a bias on its query.
    """
    width = attention.rel_pos_h.shape[1]
    share, size = width // len(LOOKS), (attention.rel_pos_h.shape[0] + 1) // 2
    away = torch.arange(1 - size, size)
    with torch.no_grad():
        for head, (row, column) in enumerate(LOOKS):
            mine = slice(share * head, share * (head + 1))
            attention.qkv.bias[width * head : width * (head + 1)][mine] = 1.0
            for table, wanted in ((attention.rel_pos_h, row), (attention.rel_pos_w, column)):
                table[:, mine] = (-2.0 * (away + wanted).square()).clamp(min=-10.0)[:, None] / share


def main() -> None:
    net, processor = make()
    if sys.argv[1:] == ["export"]:
        train_tiny.export(NAME, "got_ocr2", net, processor)
        return
    print(f"{sum(weight.numel() for weight in net.parameters()):,} parameters")
    words = processor.tokenizer
    blank = train_tiny.Image.new("RGB", (SIDE, SIDE))
    asked = processor(blank, num_image_tokens=(SIDE // 64) ** 2, return_tensors="pt")["input_ids"][0].tolist()

    # 4 x 4 tokens, each a quarter of the line's width; five slices a token
    reader = train_tiny.Reader(net.model.multi_modal_projector, 128, rows=4, columns=4, slices=20)

    def batch_of(lines: Sequence[train_tiny.Line], chance: random.Random) -> dict[str, Any]:
        rows = [asked + words(f"{line.text}<|im_end|>")["input_ids"] for line in lines]
        batch = words.pad({"input_ids": rows}, return_tensors="pt")
        pictures = [tiny.on_a_page(line.picture) for line in lines]
        seen = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
        return train_tiny.labelled({**batch, "pixel_values": seen}, [line.text for line in lines], words)

    train_tiny.train(NAME, net, reader, batch_of, settle=SETTLE)


if __name__ == "__main__":
    main()
