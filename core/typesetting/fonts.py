"""Which fonts this machine has, what they are called and which characters they cover.

Only names and character maps are read (fontTools); what was read of a file is kept until the file changes.
"""

from __future__ import annotations

import functools
import os
import struct
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.csv_rows import csv_rows
from ..cjk import east_asian_script
from ..errors import UnknownName, VramwiseError, nearest
from ..host import home_folder

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
AUTO = "auto"
UNLISTED = 99  # the place of a family that families.csv does not name
SPECIAL = ("mono", "serif", "condensed", "narrow", "display", "symbol", "math", "looped", "unjoined", "ui")


@dataclass(frozen=True)
class Face:
    """One font of a file (a .ttc holds several). ``weight`` is 400 for regular, 700 for bold; ``own``: from
    a folder of the person's, not of the operating system.
    """

    path: Path
    index: int
    family: str
    name: str
    weight: int
    slanted: bool
    variable: bool
    stamp: int
    own: bool = False

    def has(self, character: str) -> bool:
        bits, point = _coverage(self.path, self.index, self.stamp), ord(character)
        return point >> 3 < len(bits) and bool(bits[point >> 3] & 0x80 >> (point & 7))

    def covers(self, characters: Iterable[str]) -> bool:
        return all(map(self.has, characters))


@dataclass(frozen=True)
class Run:
    """Neighbouring characters that are set in one font."""

    face: Face
    text: str


class FontIndex:
    """The fonts of the person's folders and of this operating system.

    ``own`` are searched first, with all below them; ``shallow`` (ComfyUI's input folder) only at the top.
    A link that leads out of such a folder is not followed.
    """

    def __init__(self, own: Sequence[Path] = (), shallow: Sequence[Path] = (), system: bool = True) -> None:
        self.home = own[0] if own else None
        files = [(path, True) for folder in own for path in _files(folder, deep=True)]
        files += [(path, True) for folder in shallow for path in _files(folder, deep=False)]
        files += [(path, False) for folder in (system_folders() if system else ()) for path in _walk(folder)]
        faces: dict[tuple[Path, int], Face] = {}
        for path, mine in files:
            for face in _faces(path, _stamp(path), mine):
                faces.setdefault((face.path, face.index), face)
        self.faces = tuple(faces.values())

    def named(self, name: str) -> Face:
        """The font of this file name, full name or family (then its regular face), letter case ignored.

        Raises VramwiseError for a path, UnknownName for a name that no font here has.
        """
        wanted = name.strip().casefold()
        if any(sign in name for sign in "/\\:\0") or wanted in ("", ".", ".."):
            raise VramwiseError(
                f"font {name!r} is not a name. Give a font's name or a file name without folders; files are "
                f"looked for in {self._home_words()}."
            )
        ranked = sorted(self.faces, key=lambda face: (not face.own, *_plainness(face)))
        for spelling in (_file_name, _full_name, _family_name):
            for face in ranked:
                if wanted in spelling(face):
                    return face
        known = {face.name for face in self.faces} | {face.path.name for face in self.faces}
        raise UnknownName(
            f'No font here is called "{name}".{nearest(name, known)} Give the name of an installed font, put '
            f'the file into {self._home_words()}, or write "{AUTO}".'
        )

    def runs(self, text: str, first: Face | None = None) -> list[Run]:
        """``text`` in fonts that have its characters: ``first``, else one font for all of it, else several.

        Raises VramwiseError naming the character that no font here has.
        """
        shown = [character for character in dict.fromkeys(text) if visible(character)]
        script = _script(shown)
        order = self._order(script)
        if first is None:
            likely = (face for face in order if _likely(face, script))
            first = next((face for face in likely if face.covers(shown)), None)
        preferred = [first] if first is not None else []
        home = {character: self._home_of(character, preferred, order) for character in shown}
        return _joined(text, home)

    def _home_of(self, character: str, preferred: list[Face], order: Sequence[Face]) -> Face:
        """The first font that has ``character``; one already in use is taken before another."""
        found = next((face for face in (*preferred, *order) if face.has(character)), None)
        if found is None:
            name = unicodedata.name(character, "a character without a name")
            raise VramwiseError(
                f"No font here has the glyph U+{ord(character):04X} ({name}). Put a font that has it into "
                f"{self._home_words()}, or leave the character out."
            )
        if found not in preferred:
            preferred.append(found)
        return found

    def _order(self, script: str) -> list[Face]:
        places = _families().get(script, {})
        plain = _families()["Latin"]

        def key(face: Face) -> tuple[object, ...]:
            place = places.get(face.family, UNLISTED)
            known = plain.get(face.family, UNLISTED)
            return place, not _likely(face, script), not face.own, known, *_plainness(face)

        return sorted(self.faces, key=key)

    def _home_words(self) -> str:
        return str(self.home) if self.home else "your system's font folder"


def visible(character: str) -> bool:
    """Whether a font needs a glyph for it: no white space, no control, joiner or variation selector."""
    category = unicodedata.category(character)
    selector = 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
    return not (character.isspace() or category in ("Cc", "Cf") or selector)


def system_folders() -> list[Path]:
    """Where this operating system keeps fonts."""
    home = home_folder()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(home / "AppData" / "Local")
        windows = os.environ.get("WINDIR", r"C:\Windows")
        return [Path(windows, "Fonts"), Path(local, "Microsoft", "Windows", "Fonts")]
    if sys.platform == "darwin":
        newer = Path("/System/Library/AssetsV2")  # PingFang and others lie there since macOS 13
        return [
            home / "Library" / "Fonts",
            Path("/Library/Fonts"),
            Path("/System/Library/Fonts"),
            *sorted(newer.glob("com_apple_MobileAsset_Font*")),
        ]
    data_home = os.environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(folder, "fonts") for folder in (data_home, *data.split(":"))] + [home / ".fonts"]


def _walk(folder: Path) -> list[Path]:
    found = [Path(where, name) for where, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def _files(folder: Path, deep: bool) -> list[Path]:
    """Font files of a person's folder that do lie in it."""
    if not folder.is_dir():
        return []
    root = folder.resolve()
    found = _walk(folder) if deep else [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES]
    return [path for path in found if _lies_in(path, root)]


def _lies_in(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a ring of links: RuntimeError before Python 3.13
        return False


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=8192)
def _faces(path: Path, stamp: int, own: bool) -> tuple[Face, ...]:
    """The fonts of a file; none where it is damaged or has no outlines (bitmap and colour emoji fonts)."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    try:
        if path.suffix.lower() in (".ttc", ".otc"):
            fonts = list(TTCollection(str(path), lazy=True).fonts)
        else:
            fonts = [TTFont(str(path), lazy=True)]
        return tuple(
            _face(font, path, index, stamp, own)
            for index, font in enumerate(fonts)
            if "cmap" in font and any(table in font for table in ("glyf", "CFF ", "CFF2"))
        )
    except (OSError, TTLibError, ValueError, KeyError, AssertionError, IndexError, struct.error):
        return ()


def _face(font: Any, path: Path, index: int, stamp: int, own: bool) -> Face:
    names, style = font["name"], font.get("OS/2")
    family = names.getBestFamilyName() or path.stem
    return Face(
        path=path,
        index=index,
        family=family,
        name=names.getBestFullName() or f"{family} {names.getBestSubFamilyName() or ''}".strip(),
        weight=int(style.usWeightClass) if style else 400,
        slanted=bool(style.fsSelection & 0b1000000001) if style else False,
        variable="fvar" in font,
        stamp=stamp,
        own=own,
    )


@functools.lru_cache(maxsize=1024)
def _coverage(path: Path, index: int, stamp: int) -> bytes:
    """One bit a code point, from the highest bit of the first byte: a set of numbers takes 100 times more."""
    import numpy as np
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(str(path), fontNumber=index, lazy=True) as font:
            points = list(font.getBestCmap() or ())
    except (OSError, TTLibError, ValueError, KeyError, AssertionError, IndexError, struct.error):
        return b""
    has = np.zeros(sys.maxunicode + 1, bool)
    has[points] = True
    return np.packbits(has).tobytes().rstrip(b"\0")


def _file_name(face: Face) -> set[str]:
    return {face.path.name.casefold(), face.path.stem.casefold()} if face.index == 0 else set()


def _full_name(face: Face) -> set[str]:
    return {face.name.casefold()}


def _family_name(face: Face) -> set[str]:
    return {face.family.casefold()}


def _plainness(face: Face) -> tuple[object, ...]:
    """Sorts the regular, upright, ordinary fonts first, and always in the same order."""
    words = face.name.casefold()
    return (
        face.slanted,
        abs(face.weight - 400),
        sum(word in words for word in SPECIAL),
        face.name,
        str(face.path),
    )


def _likely(face: Face, script: str) -> bool:
    """Whether the font is one for this script or a general one. Reading the characters of all fonts of a
    machine takes seconds, so the others are asked last."""
    listed = face.family in _families().get(script, {}) or face.family in _families()["Latin"]
    return listed or face.own or script.casefold() in face.family.casefold()


def _script(characters: Iterable[str]) -> str:
    """The script that decides about the font: kana, Hangul and Han before the most frequent one."""
    letters = [character for character in characters if character.isalpha()]
    east_asian = set(map(east_asian_script, letters))
    for script in ("Japanese", "Hangul", "Han"):
        if script in east_asian:
            return script
    counts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in letters)
    return counts.most_common(1)[0][0].title() if counts else "Latin"


@functools.cache
def _families() -> dict[str, dict[str, int]]:
    """families.csv: for a script, its families and their places."""
    found: dict[str, dict[str, int]] = {}
    for script, family in csv_rows(__package__, "families.csv", lambda row: (row["script"], row["family"])):
        places = found.setdefault(script, {})
        places[family] = len(places)
    return found


def _joined(text: str, home: dict[str, Face]) -> list[Run]:
    """Runs of one font each; white space and joiners stay with what is before them."""
    runs: list[Run] = []
    if not home:
        return runs
    start = next(iter(home.values()))
    for character in text:
        face = home.get(character, runs[-1].face if runs else start)
        if runs and runs[-1].face == face:
            runs[-1] = Run(face, runs[-1].text + character)
        else:
            runs.append(Run(face, character))
    return runs
