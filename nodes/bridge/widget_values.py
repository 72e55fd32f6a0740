"""What a widget holds is checked when the node runs, by the node's own schema.

ComfyUI checks the numbers that stand in a prompt, and only them: NaN passes (JSON from Python may hold it),
and whatever comes by a link passes. A node would then answer in Python's own words, or do something nobody
asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Real
from typing import Any

from ...core.errors import VramwiseError
from .reader_language import tell
from .schema import io

_LONGEST = 60


def checked(node: Any) -> Any:
    """``node``, whose ``execute`` takes numbers within their range and texts alone, and refuses in the
    language of whoever pressed Run."""
    if hasattr(node.execute, "checks"):
        return node
    run = node.execute.__func__

    def execute(cls: Any, /, **given: Any) -> Any:
        try:
            return run(cls, **_checked(node, given))
        except VramwiseError as error:
            tell(error)
            raise

    execute.checks = True  # type: ignore[attr-defined]
    functools.update_wrapper(execute, run)
    node.execute = classmethod(execute)
    return node


def _checked(node: Any, given: dict[str, Any]) -> dict[str, Any]:
    widgets, lists = _widgets(node)
    for name, check in widgets.items():
        if name not in given:
            continue
        several = lists and given[name]
        found = [check(value) for value in (given[name] if several else [given[name]])]
        if all(value is None for value in found):
            del given[name]  # a link that brings nothing is no link: the node knows its default
        elif None in found:
            _text(name, False, None)
        else:
            given[name] = found if several else found[0]
    return given


@functools.cache
def _widgets(node: Any) -> tuple[dict[str, Callable[[Any], Any]], bool]:
    """The check of each number and text of ``node``, and whether its inputs come as lists."""
    schema = node.define_schema()
    found: dict[str, Callable[[Any], Any]] = {}
    for widget in schema.inputs or []:
        its: Any = widget
        if isinstance(widget, io.Int.Input | io.Float.Input):
            whole = isinstance(widget, io.Int.Input)
            found[its.id] = functools.partial(_number, its.id, whole, its.min, its.max)
        elif isinstance(widget, io.String.Input):
            found[its.id] = functools.partial(_text, its.id, bool(its.optional))
    return found, bool(schema.is_input_list)


def _number(name: str, whole: bool, least: float, most: float, value: Any) -> Any:
    if isinstance(value, Real):
        inside: Any = value
        if least <= inside <= most and (not whole or inside == int(inside)):  # NaN is nowhere inside
            return int(inside) if whole else float(inside)
    kind = "a whole number" if whole else "a number"
    raise VramwiseError(f"{name} is {_shown(value)}. Give {kind} from {least:g} to {most:g}.")


def _text(name: str, optional: bool, value: Any) -> Any:
    if isinstance(value, str) or (value is None and optional):
        return value
    if isinstance(value, Real):
        return str(value)
    raise VramwiseError(f"{name} is {_shown(value)}, which is no text. Write one, or link a text to it.")


def _shown(value: Any) -> str:
    """``value`` in a sentence; of what is no plain value only the kind."""
    if value is None:
        return "nothing"
    if isinstance(value, str | Real):
        said = repr(value)
        return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    return f"a {type(value).__name__}"
