"""ComfyUI's V3 node API behind one import, on 0.3.75 and on newer versions with more fields."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...core.errors import VramwiseError

try:
    from comfy_api.v0_0_2 import ComfyExtension, io
except ImportError:  # a ComfyUI that has retired this version of its API
    from comfy_api.latest import ComfyExtension, io

Made = TypeVar("Made")
GPU = io.Custom("VRAMWISE_GPU")
OCRModel = io.Custom("VRAMWISE_OCR_MODEL")
Regions = io.Custom("VRAMWISE_REGIONS")

__all__ = ["GPU", "ComfyExtension", "OCRModel", "Regions", "field", "io", "schema", "valid"]


def schema(**fields: Any) -> io.Schema:
    """An io.Schema with the fields this ComfyUI knows; newer ones are dropped on older versions.

    Words under which the node is also found come from search_aliases.json.
    """
    fields.setdefault("search_aliases", _aliases().get(fields["node_id"], []))
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return io.Schema(**{name: value for name, value in fields.items() if name in known})


@functools.cache
def _aliases() -> dict[str, list[str]]:
    path = Path(__file__).resolve().parents[1] / "search_aliases.json"
    aliases: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return aliases


def valid(check: Callable[[], object]) -> bool | str:
    """What validate_inputs answers: True, or the sentence with which ``check`` refused the values. On 0.3.75
    the server does not check combos, so nodes do; a linked value arrives as None and is checked in the run.
    """
    try:
        check()
    except VramwiseError as error:
        return str(error)
    return True


def field(kind: Callable[..., Made], *positional: Any, **options: Any) -> Made:
    """An input of ``kind`` (io.Int.Input, ...) with the options this ComfyUI knows; ``advanced`` is newer
    than 0.3.75.
    """
    known = _options(kind)
    return kind(*positional, **{name: value for name, value in options.items() if name in known})


@functools.cache
def _options(kind: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)
