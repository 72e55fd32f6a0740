"""Texts, and pictures beside them, written so that a file is either whole or not there."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_files import NotWritten, write_whole
from ..errors import VramwiseError

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

PNG_COMPRESSION = 4  # as ComfyUI's Save Image


@dataclass(frozen=True)
class Saved:
    """What was written: a text, and the picture of the same stem where there was one."""

    text: Path
    picture: Path | None = None


def content(text: str, form: str) -> bytes:
    """``text`` as the bytes of a file, in UTF-8 and otherwise unchanged.

    As json an object or array is kept as it is written, and anything else becomes ``{"text": ...}``, also
    what only Python takes for JSON (NaN).
    """
    if form == "json" and not _is_structure(text):
        text = json.dumps({"text": text}, ensure_ascii=False)
    if form == "csv" and text:
        text = f"\ufeff{text}"  # without this mark Excel takes it for cp1252
    return text.encode("utf-8", "replace")  # JSON may carry half a surrogate pair


def free_stem(folder: Path, stem: str, form: str, if_exists: str, taken: dict[str, int]) -> str:
    """``stem``, or ``stem_2``, ``stem_3``, ... where a text or picture of that name is there or in ``taken``.

    "overwrite" looks at ``taken`` only, so that two pages of one run never share a file. The answer joins
    ``taken``, beside the number from which the next of that name is looked for: a thousand texts of one name
    are not counted through a thousand times. Case does not tell names apart, as on Windows and macOS.
    """
    wanted, number = stem, taken.get(stem.casefold(), 2)
    while wanted.casefold() in taken or (if_exists == "number on" and _present(folder, wanted, form)):
        wanted, number = f"{stem}_{number}", number + 1
    taken[stem.casefold()] = number
    taken.setdefault(wanted.casefold(), 2)
    return wanted


def save(folder: Path, stem: str, form: str, text: str, picture: NDArray[uint8] | None = None) -> Saved:
    """Write ``stem.form`` and, where there is a uint8 RGB picture (height, width, 3), ``stem.png``.

    The picture comes first: whoever watches the folder finds it when the text appears.
    Raises VramwiseError where the folder cannot be written.
    """
    saved = Saved(folder / f"{stem}.{form}", None if picture is None else folder / f"{stem}.png")
    try:
        if picture is not None and saved.picture is not None:
            write_whole(saved.picture, _png(picture))
        write_whole(saved.text, content(text, form))
    except NotWritten as error:
        raise VramwiseError(
            f"{error} Free space on the disk, or let ComfyUI write to that folder."
        ) from error
    return saved


def _is_structure(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_no_json), dict | list)
    except (ValueError, RecursionError):
        return False


def _no_json(word: str) -> None:
    raise ValueError(word)


def _present(folder: Path, stem: str, form: str) -> bool:
    return any(os.path.lexists(folder / f"{stem}.{ending}") for ending in (form, "png"))


def _png(picture: NDArray[uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=PNG_COMPRESSION)
    return buffer.getvalue()
