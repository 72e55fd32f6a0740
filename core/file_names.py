"""Names of files as they come from a workflow, which anybody may have written: what is refused, and why.

One set of rules on every system, so that a workflow that works on Linux neither fails nor escapes on Windows.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from .errors import VramwiseError

# Windows opens these in every folder, with any ending (learn.microsoft.com, "Naming Files, Paths, and
# Namespaces", 2024-08-28); COM and LPT also with superscript digits.
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
UNPORTABLE = '<>"|?*'  # Windows has no file with these
MAX_PART_BYTES = 230  # file systems take 255; the rest is for a number and an ending
_ENCODED = re.compile(r"%(2e|2f|5c|3a|00|25)", re.IGNORECASE)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def within(root: Path, name: str, what: str = "file", *, written: bool = False) -> Path:
    """The resolved path of ``name`` under ``root``; nothing is opened or made.

    ``name`` is relative with ``/`` between folders. ``written``: it will be created, so it must be possible
    on every system. Raises VramwiseError for a name that could lead elsewhere, links included.
    """
    parts = checked_parts(name, what, written=written)
    try:
        base = root.resolve()
        target = base.joinpath(*parts).resolve()
    except (OSError, RuntimeError) as error:  # a ring of links: RuntimeError before Python 3.13
        raise _refused(what, name, "cannot be followed to its end") from error
    if target != base and base not in target.parents:
        raise _refused(what, name, f"leads out of the {root.name} folder by a link")
    return target


def checked_parts(name: str, what: str = "file", *, written: bool = False) -> tuple[str, ...]:
    """The folders and the file of ``name``, each harmless on every system; else VramwiseError."""
    if not isinstance(name, str) or not name.strip():
        raise VramwiseError(f"The {what} is empty. Give a name inside ComfyUI's folder, such as scans/a.pdf.")
    why = _whole(name)
    if why is None:
        parts = tuple(name.removesuffix("/").split("/"))
        why = next((reason for part in parts if (reason := _part(part, written))), None)
    if why is not None:
        raise _refused(what, name, why)
    return parts


def checked_stem(name: str, what: str = "name") -> str:
    """``name`` as the stem of a file to be written: one part, no folders; else VramwiseError."""
    parts = checked_parts(name, what, written=True)
    if len(parts) > 1 or name.endswith("/"):
        raise _refused(what, name, "has a / in it, and a name has no folders")
    return parts[0]


def _whole(name: str) -> str | None:
    if any(unicodedata.category(letter) in ("Cc", "Cs") or letter in _BIDI for letter in name):
        return "has an invisible control character"
    if "\\" in name:
        return "has a backslash; folders are separated by /"
    if name.startswith("/"):
        return "is an absolute path"
    if ":" in name:
        return "has a colon, as drives and hidden streams have"
    if _ENCODED.search(name):
        return "has an encoded . / or \\ in it"
    return None


def _part(part: str, written: bool) -> str | None:
    if not part:
        return "has two / in a row"
    if part in (".", ".."):
        return f"has {part} in it"
    if part != part.strip(" ") or part.endswith("."):
        return "has a part that ends in a dot or has a space at its edge, which Windows drops"
    if part.split(".")[0].rstrip(" ").upper() in DEVICES:
        return f"has {part} in it, which is a device on Windows"
    if len(part.encode("utf-8")) > MAX_PART_BYTES:
        return f"has a part longer than {MAX_PART_BYTES} bytes"
    if written and any(letter in UNPORTABLE for letter in part):
        return f"has one of {' '.join(UNPORTABLE)} in it, which Windows cannot store"
    return None


def _refused(what: str, name: str, why: str) -> VramwiseError:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    return VramwiseError(
        f'The {what} "{shown}" {why}, so it is refused and nothing was read or written. '
        "Give a plain name inside ComfyUI's own folder."
    )
