"""Parts of a file's name that are filled in: %date:yyyy-MM-dd%, %year%, %width%, %KSampler.seed%.

By the rules of ComfyUI's frontend (src/utils/searchAndReplace.ts and formatUtil.ts of 1.58) and of its
`folder_paths.get_save_image_path`: a name means the same as in Save Image, over the API too. Better in two: a
date may have dots ("%date:yyyy.MM.dd%", of which the frontend takes the year alone), and a node's name too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .safe_names import UNPORTABLE

# A node by the name before the dot, and its widget: the value, or None where there is no such.
Lookup = Callable[[str, str], Any]

LONGEST_VALUE = 100  # characters of a widget's value: a prompt may be a page long
_TOKEN = re.compile(r"%([^%]+)%")
# As the frontend reads a pattern; it leaves "yyy" and every other letter as they are.
_DATE_PART = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_NOT_IN_NAMES = re.compile(
    rf"[/\\:%{re.escape(UNPORTABLE)}\x00-\x1f\x7f-\x9f\ud800-\udfff]|[\u202a-\u202e\u2066-\u2069]"
)


def filled_in(name: str, now: datetime, size: tuple[int, int], widget: Lookup) -> str:
    """``name`` with its tokens filled in; ``size`` is (width, height) of the picture, zeros without one.

    A token that is none stays as it is, as in Save Image. A value is cut to LONGEST_VALUE characters and has
    no folders: what no name may have becomes ``_``. A date may have folders ("%date:yyyy/MM%").
    """
    plain: Mapping[str, str] = {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": str(now.year),
        **{key: f"{getattr(now, key):02}" for key in ("month", "day", "hour", "minute", "second")},
    }

    def value_of(match: re.Match[str]) -> str:
        text = match[1]
        if text.startswith("date:"):
            return _dated(text.removeprefix("date:"), now)
        node, dot, name = text.rpartition(".")
        if not dot:
            return plain.get(text, match[0])
        found = widget(node, name)
        return match[0] if found is None else _value(found)

    return _TOKEN.sub(value_of, name)


def _dated(pattern: str, now: datetime) -> str:
    """``now`` by the frontend's pattern; a colon, which Windows cannot store, becomes ``_``."""
    numbers = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return {"yy": f"{now.year % 100:02}", "yyyy": str(now.year)}.get(letters, letters)
        return str(numbers[letters[0]]).rjust(len(letters), "0")

    return _DATE_PART.sub(part, pattern).replace(":", "_")


def _value(value: Any) -> str:
    """A widget's value as the browser writes it, without what no name may have."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return _NOT_IN_NAMES.sub("_", text[:LONGEST_VALUE]).strip().strip(".")


def widgets_of(prompt: Any, workflow: Any = None) -> Lookup:
    """The widgets of a running prompt (API format), found as the browser finds them: by the node's name for
    search and replace, which is its class unless somebody has given another, else by its title.

    ``workflow`` is the browser's graph where there is one. A value that comes by a link is none.
    """
    nodes = prompt if isinstance(prompt, Mapping) else {}
    drawn = workflow.get("nodes") if isinstance(workflow, Mapping) else None
    known = [node for node in drawn if isinstance(node, Mapping)] if isinstance(drawn, list) else []

    def of(name: str) -> list[str]:
        """Ids of the nodes of that name, the best first."""
        by_property = [str(node.get("id")) for node in known if _property(node) == name]
        by_class = [key for key, node in nodes.items() if _said(node, "class_type") == name]
        titled = [str(node.get("id")) for node in known if node.get("title") == name]
        by_title = [key for key, node in nodes.items() if _said(_said(node, "_meta"), "title") == name]
        return [*by_property, *by_class, *titled, *by_title]

    def lookup(name: str, widget: str) -> Any:
        for key in of(name):
            value = _said(_said(nodes.get(key), "inputs"), widget)
            if isinstance(value, str | int | float):
                return value
        return None

    return lookup


def _property(node: Mapping[str, Any]) -> Any:
    return _said(node.get("properties"), "Node name for S&R")


def _said(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, Mapping) else None
