"""Tiny checkpoints of every family: real configuration classes, random weights, a folder like a published one.

`tiny_checkpoint("qwen3_vl")` builds the folder once for the installed transformers and keeps it under .comfy/tiny;
`trained_checkpoint("qwen3_vl")` is the committed one that really reads (tests/fixtures/trained, made by
benchmarks/train_tiny_*.py). A folder saved by transformers 5 does not open in 4.57, therefore the version is part
of the cache's path. Hidden sizes are multiples of 64 and output features multiples of 32: bitsandbytes' 4-bit
kernels on a CPU with AVX512-BF16 refuse others.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".comfy" / "tiny"
TRAINED = ROOT / "tests" / "fixtures" / "trained"

# What the trained checkpoints read. Letters whose upper and lower case differ only in size have one case
# only, and there is no I, O or l: a random string gives no context to tell them by.
UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LOWER = "abdefghijmnqrt"
DIGITS = "0123456789"
CYRILLIC = "\u0414\u0416\u0424\u042e\u042f"
READABLE = DIGITS + UPPER + LOWER + CYRILLIC

# Every word that a prompt of ours may hold gets a token of its own, so that prompts stay short. The merges of
# such a word all begin with the space before it, so that no printed string is ever merged: one token a letter.
WORDS = (
    "you should follow the instructions carefully and explain your answers in detail OCR with format across multi "
    "pages upon patch reference convert document to markdown extract all text content from this image keep layout "
    "html table tables formula formulas latex read recognition spotting line level output json as list of please "
    "what is written picture reading order only return description boxes page"
)

# The one of transformers' Qwen2 tokenizer: transformers 5 rebuilds it from vocabulary and merges with this pattern.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class NotHere(Exception):
    """The installed transformers has no such family; the message says which version has it."""


def families() -> tuple[str, ...]:
    return tuple(_BUILDERS)


def tiny_checkpoint(family: str) -> Path:
    """Folder of the random checkpoint of ``family``, built now if it is not cached.

    Raises NotHere where the installed transformers lacks the family, KeyError for an unknown one.
    """
    build = _BUILDERS[family]
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:10]
    folder = CACHE / f"{metadata.version('transformers')}-{source}" / family
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


def trained_checkpoint(family: str) -> Path:
    """Folder of the committed checkpoint that reads short printed strings: "qwen3_vl" or "got_ocr2"."""
    folder = TRAINED / family
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} is not there; benchmarks/train_tiny_{family.removesuffix('2')}.py makes it")
    return folder


def held_out() -> list[tuple[Any, str]]:
    """The 200 (PIL picture, string) pairs that no training saw, from tests/fixtures/trained/held_out.png/.json."""
    from PIL import Image

    facts = json.loads((TRAINED / "held_out.json").read_text(encoding="utf-8"))
    sprite = Image.open(TRAINED / "held_out.png").convert("RGB")
    return [(sprite.crop(box), text) for box, text in zip(facts["boxes"], facts["texts"], strict=True)]


def is_5() -> bool:
    return int(metadata.version("transformers").split(".")[0]) >= 5


def rope(theta: float, **more: Any) -> dict[str, Any]:
    """The rotary settings in the spelling of the installed version."""
    if is_5():
        return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **more}}
    return {"rope_theta": theta, "rope_scaling": {"rope_type": "default", **more}}


def tokenizer(specials: Sequence[str], pad: str = "<|endoftext|>", eos: str = "<|im_end|>") -> Any:
    """A byte-level BPE tokenizer without a download: 256 bytes, one token a Cyrillic letter, the words of WORDS."""
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []

    def add(left: str, right: str) -> str:
        if left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append((left, right))
        return left + right

    def as_bytes(text: str) -> str:
        [(piece, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
        return str(piece)

    for code in (*range(0x410, 0x450), 0x401, 0x451):
        add(*as_bytes(chr(code)))
    for word in WORDS.split():
        for spelling in sorted({word, word.capitalize()}):
            functools.reduce(add, as_bytes(f" {spelling}"))

    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    # 4.57's Qwen processors ask for their own tokenizer class
    kind = transformers.PreTrainedTokenizerFast if is_5() else transformers.Qwen2TokenizerFast
    return kind(
        tokenizer_object=bpe,
        model_input_names=["input_ids", "attention_mask"],
        pad_token=pad,
        eos_token=eos,
        additional_special_tokens=[token for token in specials if token not in (pad, eos)],
        model_max_length=32768,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def save(folder: Path, net: Any, processor: Any, eos: Sequence[int], pad: int) -> None:
    """A folder as from_pretrained expects it."""
    net.generation_config.eos_token_id = list(eos)
    net.generation_config.pad_token_id = pad
    net.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


# --- Qwen ---------------------------------------------------------------------------------------------------------

QWEN_SPECIALS = (
    "<|im_start|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def _qwen_tokens(words: Any) -> dict[str, int]:
    ids = words.convert_tokens_to_ids
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def _qwen_pictures(least: int, most: int, patch: int, mean: float | None) -> Any:
    """The Qwen image processor with pixel limits ``least`` to ``most`` in the spelling of either version."""
    import transformers

    limits: dict[str, Any] = {"size": {"shortest_edge": least, "longest_edge": most}}
    if not is_5():
        limits = {"min_pixels": least, "max_pixels": most, **limits}
    colours = {} if mean is None else {"image_mean": [mean] * 3, "image_std": [mean] * 3}
    return transformers.Qwen2VLImageProcessor(
        patch_size=patch, temporal_patch_size=2, merge_size=2, **limits, **colours
    )


def qwen2_vl() -> tuple[Any, Any]:
    import transformers

    words = tokenizer(QWEN_SPECIALS)
    config = transformers.Qwen2VLConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            **rope(10000.0, mrope_section=[4, 6, 6]),
        },
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
        **_qwen_tokens(words),
    )
    processor = transformers.Qwen2VLProcessor(
        image_processor=_qwen_pictures(56 * 56, 28 * 28 * 1280, 14, None),
        tokenizer=words,
        video_processor=transformers.Qwen2VLVideoProcessor(),
        chat_template=QWEN_TEMPLATE,
    )
    return transformers.Qwen2VLForConditionalGeneration(config), processor


def qwen3_vl(
    hidden: int = 64, wide: int = 128, layers: int = 3, depth: int = 2, positions: int = 64, least: int = 65536
) -> tuple[Any, Any]:
    """(net, processor). ``hidden`` and ``wide`` are the widths of both towers, ``layers`` of the language model,
    ``depth`` of the vision tower; ``positions`` its position embeddings; ``least`` the fewest pixels of a picture.
    """
    import transformers

    words = tokenizer(QWEN_SPECIALS)
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
        **_qwen_tokens(words),
    )
    processor = transformers.Qwen3VLProcessor(
        image_processor=_qwen_pictures(least, 16777216, 16, 0.5),
        tokenizer=words,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=QWEN_TEMPLATE,
    )
    return transformers.Qwen3VLForConditionalGeneration(config), processor


# --- GOT ----------------------------------------------------------------------------------------------------------


def got_ocr2(
    hidden: int = 64,
    wide: int = 128,
    layers: int = 2,
    side: int = 128,
    depth: int = 2,
    channels: int = 32,
    everywhere: bool = False,
) -> tuple[Any, Any]:
    """(net, processor). Pictures are ``side`` x ``side`` and (side / 64) squared image tokens; ``everywhere``:
    every vision layer attends to the whole picture, instead of the last alone.

    The published processor counts 256 image tokens for its 1024-pixel picture and stores that nowhere: who calls
    another size passes ``num_image_tokens``.
    """
    import transformers

    words = tokenizer(["<|im_start|>", "<img>", "</img>", "<imgpad>"])
    config = transformers.GotOcr2Config(
        vision_config={
            "hidden_size": hidden,
            "output_channels": channels,
            "num_hidden_layers": depth,
            "num_attention_heads": 2,
            "image_size": side,
            "patch_size": 16,
            "mlp_dim": wide,
            "window_size": 4,
            "global_attn_indexes": list(range(depth)) if everywhere else [depth - 1],
            # the class's 1e-10 is for loaded weights: from it nothing can be learnt
            "initializer_range": 0.02,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(words),
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        image_token_index=words.convert_tokens_to_ids("<imgpad>"),
        image_seq_length=(side // 64) ** 2,
        tie_word_embeddings=True,
    )
    pictures = transformers.GotOcr2ImageProcessor(size={"height": side, "width": side})
    return transformers.GotOcr2ForConditionalGeneration(config), transformers.GotOcr2Processor(pictures, words)


def _plain(make: Callable[[], tuple[Any, Any]]) -> Callable[[Path], None]:
    """The builder of a family whose net and processor come from ``make``; weights are the same at every build."""

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
    "qwen3_vl": _plain(qwen3_vl),
    "got_ocr2": _plain(got_ocr2),
}


if __name__ == "__main__":
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in families():
        try:
            built = tiny_checkpoint(name)
        except NotHere as reason:
            print(f"{name}: {reason}")
            continue
        print(name, f"{sum(file.stat().st_size for file in built.iterdir()) / 1e6:.2f} MB", built)
