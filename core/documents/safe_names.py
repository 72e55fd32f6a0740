"""Names of files as they come from a workflow, which anybody may have written: what is refused, and why.

One set of rules on every system, so that a workflow that works on Linux neither fails nor escapes on Windows.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from ..errors import VramwiseError

# Windows opens these in every folder, with any ending (learn.microsoft.com, "Naming Files, Paths, and
# Namespaces", 2024-08-28); COM and LPT also with superscript digits.
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
UNPORTABLE = '<>"|?*'  # Windows has no file with these
MAX_PART_BYTES = 230  # file systems take 255; the rest is for a number and an ending
STEM_BYTES = MAX_PART_BYTES - 24  # the rest is for what tells pages apart, such as _p00012_tiff_3
_ENCODED = re.compile(r"%(2e|2f|5c|3a|00|25)", re.IGNORECASE)
MOST_LETTERS = 4_096  # of a whole name; Linux takes 4,096 bytes, Windows 32,767
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
        below = [place for place in (target, *target.parents) if base in place.parents]
        ring = any(map(os.path.islink, below))  # which Python 3.13 and newer give back as it is
    except (OSError, RuntimeError) as error:  # and before, it was a RuntimeError
        raise _refused(what, name, "cannot be followed to its end", written) from error
    if ring:
        raise _refused(what, name, "cannot be followed to its end", written)
    if target != base and base not in target.parents:
        raise _refused(what, name, f"leads out of the {root.name} folder by a link", written)
    return target


def checked_parts(name: str, what: str = "file", *, written: bool = False) -> tuple[str, ...]:
    """The folders and the file of ``name``, each harmless on every system; else VramwiseError."""
    if not isinstance(name, str) or not name.strip():
        raise VramwiseError(f"The {what} is empty. Give a name inside ComfyUI's folder, such as scans/a.pdf.")
    why = "is longer than any name" if len(name) > MOST_LETTERS else _whole(name)
    if why is None:
        parts = tuple(name.removesuffix("/").split("/"))
        why = next((reason for part in parts if (reason := _part(part, written))), None)
    if why is not None:
        raise _refused(what, name, why, written)
    return parts


def checked_stem(name: str, what: str = "name") -> str:
    """``name`` as the stem of a file to be written: one part, no folders; else VramwiseError."""
    parts = checked_parts(name, what, written=True)
    if len(parts) > 1 or name.endswith("/"):
        raise _refused(what, name, "has a / in it, and a name has no folders")
    return parts[0]


def storable_stem(name: str) -> str:
    """``name``, as a file of some system may have it, as a stem that ``checked_stem`` accepts.

    What no file may have becomes ``_``, a device gets one in front, and white space and dots at the edges go.
    More than STEM_BYTES are cut to that with a hash of the whole name at the end, so that long names stay
    apart; two short ones may become one. A short name without any of that comes back as it is.
    """
    plain = "".join(
        "_" if _is_control(sign) or sign in UNPORTABLE + "/\\:" else sign for sign in name[:MOST_LETTERS]
    )
    stem = _without_edges(_ENCODED.sub("_", plain)) or "unnamed"
    if _is_device(stem):
        stem = f"_{stem}"
    letters = stem.encode("utf-8")
    if len(letters) <= STEM_BYTES:
        return stem
    mark = "_" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return letters[: STEM_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def _without_edges(stem: str) -> str:
    """Without the white space before it, and the white space and dots behind it."""
    stem, before = stem.lstrip(), ""
    while stem != before:
        before, stem = stem, stem.rstrip().rstrip(".")
    return stem


def _is_control(letter: str) -> bool:
    """Also the halves of letters that stand for bytes of a name that are no UTF-8."""
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in _BIDI


def _is_device(part: str) -> bool:
    return part.split(".")[0].rstrip(" ").upper() in DEVICES


def _whole(name: str) -> str | None:
    if any(_is_control(letter) for letter in name):
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
    if _is_device(part):
        return f"has {part} in it, which is a device on Windows"
    if len(part.encode("utf-8")) > MAX_PART_BYTES:
        return f"has a part longer than {MAX_PART_BYTES} bytes"
    if written and any(letter in UNPORTABLE for letter in part):
        return f"has one of {' '.join(UNPORTABLE)} in it, which Windows cannot store"
    return None


def _refused(what: str, name: str, why: str, written: bool = True) -> VramwiseError:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    remedy = "Give a plain name inside ComfyUI's own folder."
    if not written:
        last = storable_stem(re.split(r"[/\\]", name.strip(" \"'").rstrip("/\\"))[-1])[:80]
        remedy = (
            f"Copy it into ComfyUI's input folder (ComfyUI/input) and give its name there, such as {last}; "
            "folders in it are separated by /."
        )
    return VramwiseError(
        f'The {what} "{shown}" {why}, so it is refused and nothing was read or written. {remedy}'
    )
