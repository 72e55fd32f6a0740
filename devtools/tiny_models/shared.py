"""What the families of tiny checkpoints share: the tokenizer, the spelling of either transformers, saving."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

# Every word that a prompt of ours may hold gets a token of its own, so that prompts stay short. The merges of
# such a word all begin with the space before it, so that no printed string is ever merged: one token a
# letter.
WORDS = (
    "you should follow the instructions carefully and explain your answers in detail OCR with format across "
    "multi pages upon patch reference convert document to markdown extract all text content from this image "
    "keep layout html table tables formula formulas latex read recognition spotting line level output json "
    "as list of please what is written picture reading order only return description boxes page"
)

# The one of transformers' Qwen2 tokenizer: transformers 5 rebuilds it from vocabulary and merges with this
# pattern.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class NotHere(Exception):
    """The installed transformers has no such family; the message says which version has it."""


def is_5() -> bool:
    return int(metadata.version("transformers").split(".")[0]) >= 5


def rope(theta: float, **more: Any) -> dict[str, Any]:
    """The rotary settings in the spelling of the installed version."""
    if is_5():
        return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **more}}
    return {"rope_theta": theta, "rope_scaling": {"rope_type": "default", **more}}


def small_decoder(words: Any, **differs: Any) -> dict[str, Any]:
    """The language model's part of a config: two layers of 64 channels over the tokenizer ``words``."""
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": len(words),
        "max_position_embeddings": 4096,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        **differs,
    }


def transformers_class(name: str) -> Any:
    """The class ``name`` of transformers; NotHere where it has none."""
    import transformers

    if not hasattr(transformers, name):
        raise NotHere(f"transformers {transformers.__version__} has no {name}: that needs a newer one")
    return getattr(transformers, name)


def chat_template(before: str, image: str, after: str, answer: str) -> str:
    """A template of one shape for the families that have no public one of a line: user turn, then answer."""
    return (
        "{% for m in messages %}"
        + before
        + "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
        + "{% if c['type'] == 'image' %}"
        + image
        + "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
        + after
        + "{% endfor %}{% if add_generation_prompt %}"
        + answer
        + "{% endif %}"
    )


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The tokens by number, and which two make one."""
    from tokenizers import pre_tokenizers

    vocabulary = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []

    def add(left: str, right: str) -> str:
        if left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append((left, right))
        return left + right

    def as_bytes(text: str) -> str:
        [(piece, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(
            text
        )
        return str(piece)

    for code in (*range(0x410, 0x450), 0x401, 0x451):
        add(*as_bytes(chr(code)))
    for word in WORDS.split():
        for spelling in sorted({word, word.capitalize()}):
            functools.reduce(add, as_bytes(f" {spelling}"))
    return vocabulary, merges


def tokenizer(
    specials: Sequence[str],
    pad: str = "<|endoftext|>",
    eos: str = "<|im_end|>",
    marks: Mapping[str, str] | None = None,
) -> Any:
    """A byte-level BPE tokenizer without a download: 256 bytes, one token a Cyrillic letter, the words of
    WORDS.

    ``marks`` are special tokens that a processor asks for by name ("image_token": "<image>").
    """
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary, merges = _vocabulary()
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    more = [token for token in specials if token not in (pad, eos)]
    # here and not only below: transformers 5 knows the list and the marks by one name
    bpe.add_special_tokens([pad, eos, *more])
    named: dict[str, Any] = {"additional_special_tokens": more}
    if marks:
        named = {"extra_special_tokens": dict(marks)}
    # 4.57's Qwen processors ask for their own tokenizer class
    kind = transformers.PreTrainedTokenizerFast if is_5() else transformers.Qwen2TokenizerFast
    return kind(
        tokenizer_object=bpe,
        model_input_names=["input_ids", "attention_mask"],
        pad_token=pad,
        eos_token=eos,
        model_max_length=32768,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **named,
    )


def save(folder: Path, net: Any, processor: Any, eos: Sequence[int], pad: int) -> None:
    """A folder as from_pretrained expects it."""
    net.generation_config.eos_token_id = list(eos)
    net.generation_config.pad_token_id = pad
    net.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
