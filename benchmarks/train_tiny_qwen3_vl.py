"""Trains tests/fixtures/trained/qwen3_vl: a Qwen3-VL of a few million parameters that reads short printed strings.

    python benchmarks/train_tiny_qwen3_vl.py [STEPS]      trains on the CPU, resumes from .comfy/train/qwen3_vl.pt
    python benchmarks/train_tiny_qwen3_vl.py export       writes the fixture (with transformers 4.57)

Prompts are random words, so that the fixture reads whatever prompt the catalog holds.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import torch
import train_tiny
from train_tiny import tiny

NAME = "qwen3_vl"
STEPS = 3000


def make() -> tuple[Any, Any]:
    torch.manual_seed(1)
    least = train_tiny.WIDTH * train_tiny.HEIGHT
    return tiny.qwen3_vl(hidden=128, wide=256, layers=3, depth=3, positions=256, least=least)


def prompt(chance: random.Random) -> str:
    """Zero to eight words, the first one capital."""
    words = chance.sample(tiny.WORDS.split(), chance.randint(0, 8))
    return " ".join(words).capitalize() + chance.choice(("", "", ".", ":"))


def main() -> None:
    net, processor = make()
    if sys.argv[1:] == ["export"]:
        train_tiny.export(NAME, "qwen3_vl", net, processor)
        return
    print(f"{sum(weight.numel() for weight in net.parameters()):,} parameters")

    def batch_of(
        pictures: list[train_tiny.Picture], texts: list[str], chance: random.Random
    ) -> dict[str, Any]:
        rows = []
        for text in texts:
            content = [{"type": "image"}, {"type": "text", "text": prompt(chance)}]
            talk = processor.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
            rows.append(f"{talk}{text}<|im_end|>")
        batch = processor(images=pictures, text=rows, return_tensors="pt", padding=True)
        return train_tiny.labelled(batch, texts, processor.tokenizer)

    train_tiny.train(NAME, net, batch_of, steps=int(sys.argv[1]) if sys.argv[1:] else STEPS)


if __name__ == "__main__":
    main()
