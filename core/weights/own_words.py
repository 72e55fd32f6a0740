"""What a checkpoint's folder says of itself, for who looks for its recipe."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..families.recipes import OwnWords
from .checkpoint_files import RECORD, read_config, read_record

_README_BYTES = 64_000  # front matter and title stand at its beginning
_TOKENIZER_BYTES = 32_000_000
_TOKENIZERS = ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json", "tokenizer.json")
_TITLE = re.compile(r"^#\s+(.{1,200})$", re.MULTILINE)
_BASE = re.compile(r"^base_model:[ \t]*(\S.{0,199})?\n((?:[ \t]*-[ \t]*.{1,200}\n)*)", re.MULTILINE)


def own_words(path: Path, repo: str = "", name: str = "", adapter: Path | None = None) -> OwnWords:
    """Of the folder ``path``; ``repo`` is where it was fetched from, where that is known, and ``name`` what
    lists call it. With an ``adapter`` on top, whose folder that is, it is the model, and ``path`` its base.
    Raises VramwiseError for a config.json that cannot be read.
    """
    config = read_config(path)
    tokenizer = _Tokenizer(path)
    title, *bases = _readme(adapter or path)
    below = () if adapter is None else (*_own_names(path), *filter(None, _readme(path)))
    return OwnWords(
        called=name or path.name,
        names=tuple(dict.fromkeys(filter(None, (repo, name, *_own_names(adapter or path))))),
        bases=tuple(dict.fromkeys((*_text(config.get("_name_or_path")), *filter(None, bases), *below))),
        title=title,
        architectures=tuple(_texts(config.get("architectures"))),
        has=tokenizer.has,
    )


def _own_names(path: Path) -> Iterator[str]:
    """The repository by the folder's records, and the folder's name, with the one above it for a folder that
    is called checkpoint-500. In the Hugging Face cache a folder is called by its commit, and the one above
    that by the repository.
    """
    yield from _text(read_record(path / RECORD).get("repo"))
    if path.parent.name == "snapshots":
        yield path.parent.parent.name.removeprefix("models--").replace("--", "/")
        return
    yield f"{path.parent.name}/{path.name}"


def _readme(path: Path) -> Iterator[str]:
    """Its title, or "", and the base_model of its front matter, as the Hub's model cards have them."""
    try:
        with (path / "README.md").open("rb") as stream:
            text = stream.read(_README_BYTES).decode("utf-8", "ignore").replace("\r\n", "\n")
    except OSError:
        yield ""
        return
    title = _TITLE.search(text)
    yield title[1] if title else ""
    base = _BASE.search(text)
    if base:
        yield (base[1] or "").strip(" \t'\"")
        yield from (line.strip(" \t-'\"") for line in base[2].split("\n"))


class _Tokenizer:
    """The tokenizer's files of a folder, read when the first token is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @functools.cached_property
    def _files(self) -> tuple[bytes, ...]:
        return tuple(_read(self._path / name) for name in _TOKENIZERS)

    def has(self, token: str) -> bool:
        """Whether ``token`` is one entry of the vocabulary."""
        spelled = {json.dumps(token, ensure_ascii=ascii_only).encode() for ascii_only in (True, False)}
        return any(one in file for file in self._files for one in spelled)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_TOKENIZER_BYTES)
    except OSError:
        return b""


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip() not in ("", "."):
        yield value[:300]


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else ():
        yield from _text(one)
