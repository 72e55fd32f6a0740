"""The words a person can choose from, without anything that is heavy to import."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import VramwiseError, nearest

DEFAULT_MODEL = "rapid"
CPU_ENGINES = ("rapid", "tesseract")
PRECISIONS = ("auto", "fp16", "bf16", "int8", "int4")
ATTENTIONS = ("auto", "flash_attention_2", "sdpa", "eager")
TASKS = ("text", "markdown", "table", "formula", "layout", "spotting", "custom")


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise VramwiseError when ``value`` is none of ``known``."""
    known = list(known)
    if value not in known:
        raise VramwiseError(
            f'{name} "{value}" is unknown.{nearest(value, known)} Use one of: {", ".join(known)}.'
        )
