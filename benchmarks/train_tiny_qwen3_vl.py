"""Trains tests/fixtures/trained/qwen3_vl: a Qwen3-VL of 2.2 million parameters that reads printed strings.

    python benchmarks/train_tiny_qwen3_vl.py   trains on the CPU, resumes from .comfy/train/tiny_qwen3_vl.pt
    python benchmarks/train_tiny_qwen3_vl.py export       writes the fixture (with transformers 4.57)

Prompts are random words before the picture, so that the fixture reads whatever prompt the catalog holds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import torch
import train_tiny
from train_tiny import tiny

NAME = "tiny_qwen3_vl"
SETTLE = 600


def make() -> tuple[Any, Any]:
    torch.manual_seed(1)
    least = train_tiny.WIDTH * train_tiny.HEIGHT
    return tiny.qwen3_vl(
        hidden=128,
        wide=256,
        layers=3,
        depth=3,
        positions=256,
        least=least,
        template=tiny.QWEN_TEMPLATE_PICTURE_LAST,
    )


def prompt(chance: random.Random) -> str:
    """Zero to six words, the first one capital."""
    words = chance.sample(tiny.WORDS.split(), chance.randint(0, 6))
    return " ".join(words).capitalize() + chance.choice(("", "", ".", ":"))


def hasten() -> None:
    """Same sums, a third of the time: patches by one matrix product instead of a 3-D convolution, and, as all
    pictures have one size, attention over a batch instead of picture after picture. For transformers 5.
    """
    from torch.nn import functional
    from transformers.models.qwen3_vl import modeling_qwen3_vl as model

    def embed(self: Any, patches: torch.Tensor) -> torch.Tensor:
        return functional.linear(patches, self.proj.weight.flatten(1), self.proj.bias)

    def attend(
        self: Any, states: torch.Tensor, cu_seqlens: torch.Tensor, position_embeddings: Any, **_: Any
    ) -> torch.Tensor:
        count, pictures = states.shape[0], cu_seqlens.numel() - 1
        query, key, value = self.qkv(states).view(count, 3, self.num_heads, -1).unbind(1)
        query, key = model.apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        batched = [
            part.view(pictures, count // pictures, self.num_heads, -1).transpose(1, 2)
            for part in (query, key, value)
        ]
        found = functional.scaled_dot_product_attention(*batched).transpose(1, 2)
        return self.proj(found.reshape(count, -1))

    model.Qwen3VLVisionPatchEmbed.forward = embed
    model.Qwen3VLVisionAttention.forward = attend


def main() -> None:
    net, processor = make()
    if sys.argv[1:] == ["export"]:
        train_tiny.export(NAME, "qwen3_vl", net, processor)
        return
    hasten()
    print(f"{sum(weight.numel() for weight in net.parameters()):,} parameters")

    # 2 x 10 tokens of 32 pixels; slices of half a token
    reader = train_tiny.Reader(net.model.visual.merger, 128, rows=2, columns=10, slices=20)

    def batch_of(lines: Sequence[train_tiny.Line], chance: random.Random) -> dict[str, Any]:
        rows = []
        for line in lines:
            content = [{"type": "image"}, {"type": "text", "text": prompt(chance)}]
            talk = processor.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
            rows.append(f"{talk}{line.text}<|im_end|>")
        pictures = [line.picture for line in lines]
        batch = processor(images=pictures, text=rows, return_tensors="pt", padding=True)
        return train_tiny.labelled(batch, [line.text for line in lines], processor.tokenizer)

    train_tiny.train(NAME, net, reader, batch_of, settle=SETTLE)


if __name__ == "__main__":
    main()
