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
from .reader_language import told

try:
    from comfy_api.v0_0_2 import ComfyExtension, io
except ImportError:  # a ComfyUI that has retired this version of its API
    from comfy_api.latest import ComfyExtension, io

Made = TypeVar("Made")
GPU = io.Custom("VRAMWISE_GPU")
OCRModel = io.Custom("VRAMWISE_OCR_MODEL")
Regions = io.Custom("VRAMWISE_REGIONS")

__all__ = [
    "GPU",
    "ComfyExtension",
    "OCRModel",
    "Regions",
    "choice_output",
    "field",
    "io",
    "passed_through",
    "schema",
    "valid",
]


def schema(**fields: Any) -> io.Schema:
    """An io.Schema with the fields this ComfyUI knows; newer ones are dropped on older versions.

    Words under which the node is also found come from search_aliases.json. ``essentials_category`` is the
    heading of the Essentials tab under which a node that most people need is shown.
    """
    fields.setdefault("search_aliases", _aliases().get(fields["node_id"], []))
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return io.Schema(**{name: value for name, value in fields.items() if name in known})


@functools.cache
def _aliases() -> dict[str, list[str]]:
    path = Path(__file__).resolve().parents[1] / "search_aliases.json"
    aliases: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return aliases


def passed_through(name: str, out: str, tooltip: str) -> tuple[Any, Any]:
    """An input ``name`` for anything and the output ``out`` that carries it on as a list. Where the server
    follows types from an input to an output, what comes out has the type of what went in.
    """
    if not follows_types():
        anything = io.AnyType.Input(name, optional=True, tooltip=tooltip)
        return anything, io.AnyType.Output(display_name=out, is_output_list=True)
    template = io.MatchType.Template(name)
    given = io.MatchType.Input(name, template, optional=True, tooltip=tooltip)
    return given, io.MatchType.Output(template, display_name=out, is_output_list=True)


def choice_output(name: str) -> Any:
    """An output whose text is a choice of a combo: newer frontends then offer it to combos and texts. Older
    ones see anything in it.
    """
    kind = io.Custom(_Choice("COMBO,STRING")) if follows_types() else io.AnyType
    return kind.Output(display_name=name)


class _Choice(str):
    """A type that the server lets into every input, as it does "*": nodes of the older kind state a combo as
    a list of its options, which equals no type.
    """

    def __ne__(self, other: object) -> bool:
        return False

    __eq__, __hash__ = str.__eq__, str.__hash__


@functools.cache
def follows_types() -> bool:
    """Whether the server checks links of a MatchType; its class is older than that (0.3.75 has it)."""
    try:
        from comfy_execution.validation import validate_node_input
    except ImportError:
        return False
    match = getattr(io, "MatchType", None)
    return match is not None and bool(validate_node_input("IMAGE", match.io_type))


def valid(check: Callable[[], object]) -> bool | str:
    """What validate_inputs answers: True, or the sentence with which ``check`` refused the values. On 0.3.75
    the server does not check combos, so nodes do; a linked value arrives as None and is checked in the run.
    """
    try:
        check()
    except VramwiseError as error:
        return told(error)
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
