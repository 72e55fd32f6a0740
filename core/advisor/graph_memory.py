"""What else a graph keeps in GPU memory, from whatever a person links or writes; and what is on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..catalog import ocr_models
from ..errors import VramwiseError


def loaded_in_graph(value: Any) -> tuple[str | int, ...]:
    """Names for ``advise(also_loaded=...)``, or bytes, of ``value``: a text with names parted by commas or
    lines, one of our OCR handles, a MODEL, CLIP or VAE of ComfyUI, or a list of these.

    Raises VramwiseError for anything else.
    """
    return tuple(_loaded(value))


def _loaded(value: Any) -> Iterator[str | int]:
    if value is None:
        return
    if isinstance(value, str):
        yield from (name.strip() for name in value.replace("\n", ",").split(",") if name.strip())
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _loaded(item)
    elif hasattr(value, "read") and hasattr(value, "precision"):
        yield value.model if value.precision == "auto" else f"{value.model}@{value.precision}"
    elif hasattr(getattr(value, "patcher", value), "model_size"):
        yield int(getattr(value, "patcher", value).model_size())
    else:
        raise VramwiseError(
            f"also_loaded holds {type(value).__name__}, whose size cannot be asked. Link a MODEL, CLIP, VAE "
            "or OCR model, or write names of `vramwise models`, parted by commas."
        )


def ocr_models_on_disk(checkpoint_names: Iterable[str]) -> set[str]:
    """Ids of the catalog's OCR models among the folders called ``checkpoint_names``."""
    names = {name.lower() for name in checkpoint_names}
    return {row.id for row in ocr_models() if row.repo and row.repo.rpartition("/")[2].lower() in names}
