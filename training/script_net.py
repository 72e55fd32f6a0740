"""Trains core/ocr/engines/script_net.npz, the small net that tells a text line's script.

    python training/script_net.py [--lines 42000] [--epochs 8] [--out FILE]

Everything is drawn by script_lines.py: words of training/script_words/<script>.txt and random recombinations
of their letters, in the fonts that `fc-list` names (DejaVu, Liberation, Noto and Noto CJK; Debian:
fonts-dejavu, fonts-liberation, fonts-noto-core, fonts-noto-cjk). The families in its `HELD_OUT` are never
trained on; the accuracy printed at the end, a row per script, is on them alone. Needs torch and Pillow with
raqm; the pack itself needs neither for this.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from script_lines import ROOT, Texts, draw, draw_set, drawable, font_files, script


def build_net() -> Any:
    """The net of script_detection.py, with batch normalisation that the export folds away."""
    import torch
    from torch import nn

    def block(
        inputs: int, outputs: int, kernel: tuple[int, int], stride: int, padding: tuple[int, int]
    ) -> Any:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                [
                    block(1, 16, (5, 5), 2, (2, 2)),
                    block(16, 32, (3, 3), 2, (1, 1)),
                    block(32, 48, (3, 3), 2, (1, 1)),
                    block(48, 96, (3, 3), 1, (0, 1)),
                    block(96, 96, (1, 3), 1, (0, 1)),
                ]
            )
            self.drop = nn.Dropout(0.15)
            self.head = nn.Conv2d(96, len(script.SCRIPTS) + 1, 1)

        def forward(self, pictures: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
            x = pictures
            for layer in self.blocks:
                x = layer(x)
            x = self.head(self.drop(x))[:, :, 0]
            valid = torch.arange(x.shape[2])[None] < torch.clamp((widths + 7) // 8, min=1)[:, None]
            weight = torch.softmax(x[:, -1].masked_fill(~valid, -1e9), dim=1)
            pooled: torch.Tensor = (x[:, :-1] * weight[:, None]).sum(2)
            return pooled

    return Net()


def as_input(pictures: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(pictures).float().div(170).sub(0.5)[:, None]


def train(data: tuple[np.ndarray, ...], epochs: int, seed: int) -> Any:
    """Adam, one-cycle rate, label smoothing 0.05."""
    import torch

    torch.manual_seed(seed)
    pictures, widths, labels = data
    net = build_net()
    batch = 64
    steps = len(labels) // batch
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * steps)
    order = np.random.default_rng(seed)
    for epoch in range(epochs):
        net.train()
        began, loss_sum = time.time(), 0.0
        shuffled = order.permutation(len(labels))
        for step in range(steps):
            pick = shuffled[step * batch : (step + 1) * batch]
            logits = net(as_input(pictures[pick]), torch.from_numpy(widths[pick]))
            loss = torch.nn.functional.cross_entropy(
                logits, torch.from_numpy(labels[pick]), label_smoothing=0.05
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
            loss_sum += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {loss_sum / steps:.4f}, {time.time() - began:.0f} s",
            flush=True,
        )
    return net.eval()


def report(net: Any, data: tuple[np.ndarray, ...]) -> None:
    """Accuracy per script and the commonest mistakes."""
    import torch

    pictures, widths, labels = data
    found = []
    with torch.inference_mode():
        for at in range(0, len(labels), 256):
            part = slice(at, at + 256)
            found.append(net(as_input(pictures[part]), torch.from_numpy(widths[part])).argmax(1).numpy())
    guess = np.concatenate(found)
    for i, name in enumerate(script.SCRIPTS):
        of = guess[labels == i]
        wrong = {
            script.SCRIPTS[j]: int((of == j).sum())
            for j in np.argsort(-np.bincount(of, minlength=len(script.SCRIPTS)))[:4]
        }
        print(f"{name:11s} {np.mean(of == i):.3f} of {len(of):5d}  {wrong}")
    print(f"all {np.mean(guess == labels):.4f}", flush=True)


def export(net: Any, path: Path) -> None:
    """Folds batch normalisation into the convolutions and writes float16 arrays: w0, b0 ... as (kh * kw *
    in, out).
    """
    arrays = {}
    for i, (conv, norm, _) in enumerate(net.blocks):
        gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
        weight = (conv.weight * gain[:, None, None, None]).detach()
        arrays[f"w{i}"] = weight.permute(2, 3, 1, 0).numpy().astype(np.float16)
        arrays[f"b{i}"] = (norm.bias - norm.running_mean * gain).detach().numpy().astype(np.float16)
    arrays["w5"] = net.head.weight.detach().permute(2, 3, 1, 0).numpy().astype(np.float16)
    arrays["b5"] = net.head.bias.detach().numpy().astype(np.float16)
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size} bytes")


STRIP_LINES, STRIP_HEIGHT, STRIP_WIDTH = 8, 40, 320


def draw_strips(folder: Path, seed: int) -> None:
    """tests/fixtures/lines: a grey PNG per script, `STRIP_LINES` lines in held-out fonts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in script.SCRIPTS:
        rng = random.Random(f"strip-{name}-{seed}")
        texts, fonts = Texts(name, rng), font_files(name, True)
        strip = np.zeros((STRIP_LINES * STRIP_HEIGHT, STRIP_WIDTH), np.uint8)
        for i in range(STRIP_LINES):
            path, index = rng.choice(fonts)
            text = ""
            while not 8 <= len(text) <= 24 or (name != "Common" and sum(map(str.isalpha, text)) < 6):
                text = drawable(texts.line(), path, index)
            drawing = draw(text, path, index, rng)
            width = min(STRIP_WIDTH, round(drawing.shape[1] * STRIP_HEIGHT / drawing.shape[0]))
            line = Image.fromarray(drawing).resize((width, STRIP_HEIGHT), Image.Resampling.BILINEAR)
            rows = slice(i * STRIP_HEIGHT, (i + 1) * STRIP_HEIGHT)
            strip[rows] = int(np.median(drawing))
            strip[rows, :width] = np.asarray(line)
        picture = Image.fromarray(np.round(strip / 17).astype(np.uint8), "P")
        picture.putpalette([i * 17 for i in range(16) for _ in range(3)])
        picture.save(folder / f"{name}.png", optimize=True)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=42000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "core" / "ocr" / "engines" / "script_net.npz")
    parser.add_argument("--strips", type=Path, help="draw the test strips into this folder, train nothing")
    arguments = parser.parse_args()
    if arguments.strips:
        draw_strips(arguments.strips, arguments.seed)
        return
    torch.set_num_threads(arguments.threads)
    began = time.time()
    training = draw_set(arguments.lines, False, arguments.seed, arguments.processes)
    held_out = draw_set(4000, True, arguments.seed, arguments.processes)
    print(f"drew {len(training[2])} + {len(held_out[2])} lines in {time.time() - began:.0f} s", flush=True)
    net = train(training, arguments.epochs, arguments.seed)
    export(net, arguments.out)
    print("held-out fonts:")
    report(net, held_out)


if __name__ == "__main__":
    main()
