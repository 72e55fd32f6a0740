"""Tiny checkpoints of every family: real configuration classes, random weights, a folder like a published
one. To add a family: a function in its file, and a line in _BUILDERS.

`tiny_checkpoint("qwen3_vl")` builds the folder once for the installed transformers and keeps it under
.comfy/tiny; `trained_checkpoint("qwen3_vl")` is the committed one that really reads (tests/fixtures/trained,
made by training/tiny_*.py). A folder saved by transformers 5 does not open in 4.57, therefore the
version is part of the cache's path. Hidden sizes are multiples of 64 and output features multiples of 32:
bitsandbytes' 4-bit kernels on a CPU with AVX512-BF16 refuse others.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from devtools.tiny_models.deepseek_ocr2 import deepseek_ocr2
from devtools.tiny_models.dots_ocr import dots_ocr
from devtools.tiny_models.got_ocr2 import got_ocr2
from devtools.tiny_models.hunyuan_vl import hunyuan_vl
from devtools.tiny_models.layout import pp_doclayout_v3
from devtools.tiny_models.qwen_vl import qwen2_5_vl, qwen2_vl, qwen3_5, qwen3_vl
from devtools.tiny_models.shared import NotHere, save
from devtools.tiny_models.small_families import (
    glm_ocr,
    granite_docling,
    idefics3,
    lighton_ocr,
    paddleocr_vl,
)

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".comfy" / "tiny"
TRAINED = ROOT / "tests" / "fixtures" / "trained"

# What the trained checkpoints read. Letters whose upper and lower case differ only in size have one case
# only, and there is no I, O or l: a random string gives no context to tell them by.
UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LOWER = "abdefghijmnqrt"
DIGITS = "0123456789"
CYRILLIC = "\u0414\u0416\u0424\u042e\u042f"
READABLE = DIGITS + UPPER + LOWER + CYRILLIC


def families() -> tuple[str, ...]:
    return tuple(name for name in _BUILDERS if name not in FINDERS)


def source_hash() -> str:
    """Ten hex digits of the files that say what a checkpoint holds: all of this folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:10]


def tiny_checkpoint(family: str) -> Path:
    """Folder of the random checkpoint of ``family``, built now if it is not cached.

    Raises NotHere where the installed transformers lacks the family, KeyError for an unknown one.
    """
    build = _BUILDERS[family]
    folder = CACHE / f"{metadata.version('transformers')}-{source_hash()}" / family
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{family}-", dir=folder.parent))
        try:
            build(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            # another process built it first
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def talkative_checkpoint(family: str, folder: Path) -> Path:
    """``folder`` with a random checkpoint whose answer depends on picture, precision and every weight:
    only capital letters can be said, and all but the embeddings is ten times larger.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    shutil.copytree(tiny_checkpoint(family), folder)
    letters = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list("ABCDEFGHJKLMNPQRSTUVWXYZ"))
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if name.endswith("embed_tokens.weight"):
            weights[name] = torch.zeros_like(tensor)
            weights[name][letters] = tensor[letters]
        elif tensor.ndim > 1:
            weights[name] = tensor * 10
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def trained_checkpoint(family: str) -> Path:
    """Folder of the committed checkpoint that reads short printed strings: "qwen3_vl" or "got_ocr2"."""
    folder = TRAINED / family
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} is not there; a script in training/ makes it")
    return folder


def held_out_files(family: str) -> tuple[Path, Path]:
    """The sprite of the held-out pictures of ``family``, and the file of their boxes and strings."""
    name = "held_out" if family == "qwen3_vl" else f"held_out_{family}"
    return TRAINED / f"{name}.png", TRAINED / f"{name}.json"


def held_out(family: str = "qwen3_vl") -> list[tuple[Any, str]]:
    """The 200 (PIL picture, string) pairs that no training of ``family`` saw."""
    from PIL import Image

    png, file = held_out_files(family)
    facts = json.loads(file.read_text(encoding="utf-8"))
    with Image.open(png) as image:
        sprite = image.convert("RGB")
    return [(sprite.crop(box), text) for box, text in zip(facts["boxes"], facts["texts"], strict=True)]


def _plain(make: Callable[[], tuple[Any, Any]]) -> Callable[[Path], None]:
    """The builder of a family from its net and processor; weights are the same at every build."""

    def build(folder: Path) -> None:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net, processor = make()
        words = processor.tokenizer
        save(folder, net, processor, [words.eos_token_id], words.pad_token_id)

    return build


_BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "qwen2_vl": _plain(qwen2_vl),
    "qwen2_5_vl": _plain(qwen2_5_vl),
    "qwen3_vl": _plain(qwen3_vl),
    "qwen3_5": _plain(qwen3_5),
    "got_ocr2": _plain(got_ocr2),
    "dots_ocr": dots_ocr,
    "glm_ocr": _plain(glm_ocr),
    "paddleocr_vl": _plain(paddleocr_vl),
    "lighton_ocr": _plain(lighton_ocr),
    "idefics3": _plain(idefics3),
    "granite_docling": _plain(granite_docling),
    "hunyuan_vl": _plain(hunyuan_vl),
    "deepseek_ocr2": _plain(deepseek_ocr2),
    "pp_doclayout_v3": pp_doclayout_v3,
}
FINDERS = ("pp_doclayout_v3",)  # that find what others read


if __name__ == "__main__":
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in _BUILDERS:
        try:
            built = tiny_checkpoint(name)
        except NotHere as reason:
            print(f"{name}: {reason}")
            continue
        print(name, f"{sum(file.stat().st_size for file in built.iterdir()) / 1e6:.2f} MB", built)
