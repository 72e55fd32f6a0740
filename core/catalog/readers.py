"""Typed readers of the catalog's CSV files. Each row carries its ``source`` and the ``date`` it was read."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ..errors import UnknownName, nearest
from .csv_rows import Row, count, table
from .own.rows import OwnRows, Unfit, amounts, needed, one_of, own_rows

BUILTIN = "builtin"
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class OCRModel:
    """A row of ocr_models.csv. ``weight_bytes`` is None where it depends on the machine or the precision.

    ``family``, ``repo`` and ``revision`` are empty for engines that live outside torch; an empty
    ``revision`` means that no commit could be pinned and the one resolved at download is recorded beside
    the files.
    """

    id: str
    name: str
    engine: str
    runs_on: str
    weight_bytes: int | None
    licence: str
    about: str
    source: str
    date: str
    family: str = ""
    repo: str = ""
    revision: str = ""
    yours: bool = False


@dataclass(frozen=True)
class Language:
    """A row of languages.csv.

    ``recogniser`` is "builtin" (PP-OCR's own weights read it), the id of a recogniser that must be fetched,
    or "" (only Tesseract reads it). ``tesseract`` is the stem of the traineddata file.
    """

    code: str
    name: str
    english: str
    script: str
    recogniser: str
    tesseract: str
    source: str
    date: str


@dataclass(frozen=True)
class Recogniser:
    """A row of recognisers.csv: a PP-OCRv5 text recogniser of RapidOCR's catalogue. ``sha256`` is
    hexadecimal.
    """

    id: str
    reads: str
    file: str
    url: str
    sha256: str
    licence: str
    source: str
    date: str


@functools.cache
def ocr_models() -> tuple[OCRModel, ...]:
    """Every OCR model, in the order of the file; a person's own rows stand in the place of those of their id,
    the others behind.
    """
    own = {row.id.casefold(): row for row in own_ocr_models().rows}
    rows = [own.pop(row.id.casefold(), row) for row in _shipped()]
    return (*rows, *own.values())


def _shipped() -> tuple[OCRModel, ...]:
    return table("ocr_models.csv", _ocr_model, lambda row: [row["id"], row["name"]])


_shipped_once = functools.cache(_shipped)


@functools.cache
def own_ocr_models() -> OwnRows[OCRModel]:
    """The OCR models of a person's models.csv."""
    usual = {"engine": "vlm", "runs_on": "torch"}
    return own_rows("models.csv", "ocr_models.csv", usual, _own_model, lambda row: [row["id"], row["name"]])


def _own_model(row: Row) -> OCRModel:
    needed(row, "id", "name", "family", "repo")
    shipped = _shipped_once()
    if any(other.name.casefold() == row["name"].casefold() and other.id != row["id"] for other in shipped):
        raise Unfit("name_taken", "name", name=row["name"])
    known = {
        "engine": ("vlm",),
        "runs_on": ("torch",),
        "family": tuple(dict.fromkeys(other.family for other in shipped if other.family)),
    }
    told = {column: one_of(row, column, words) for column, words in known.items()}
    shapes = {"id": r"[\w.-]{1,80}", "repo": r"[\w.-]+/[\w.-]+", "revision": r"([0-9a-f]{40})?"}
    for column, pattern in shapes.items():
        if not re.fullmatch(pattern, row[column]):
            raise Unfit(f"no_{column}", column, cell=row[column][:60])
    told |= amounts(row, ["weight_bytes"], whole=True)
    return replace(_ocr_model({**row, **told}), yours=True)


def _ocr_model(row: Row) -> OCRModel:
    return OCRModel(**{**row, "weight_bytes": count(row["weight_bytes"])})  # type: ignore[arg-type]


@functools.cache
def languages() -> tuple[Language, ...]:
    return table("languages.csv", lambda row: Language(**row), lambda row: [row["code"]])


@functools.cache
def recognisers() -> tuple[Recogniser, ...]:
    return table("recognisers.csv", lambda row: Recogniser(**row), lambda row: [row["id"]])


def ocr_model(model_id: str) -> OCRModel:
    """The row of ``model_id``; an unknown id raises VramwiseError that names the nearest."""
    said = f'"{model_id}" is not an OCR model of this version of VRAMwise.'
    return _named({row.id: row for row in ocr_models()}, model_id, said, "Known models")


def language(code: str) -> Language:
    """The row of ``code``; an unknown code raises VramwiseError that names the nearest."""
    said = f'"{code}" is not a language that VRAMwise knows.'
    return _named({row.code: row for row in languages()}, code, said, "Use auto or one of:")


def check_language(code: str) -> None:
    """Raise VramwiseError that names the nearest where ``code`` is neither "auto" nor a language."""
    if code != "auto":
        language(code)


def recogniser(recogniser_id: str) -> Recogniser:
    """The row of ``recogniser_id``; an unknown id raises VramwiseError that names the nearest."""
    said = f'There is no recogniser "{recogniser_id}" to download.'
    return _named({row.id: row for row in recognisers()}, recogniser_id, said, "Known ones:")


def _named(rows: Mapping[str, _Row], name: str, unknown: str, known: str) -> _Row:
    """The row of ``name``. Where there is none: ``unknown``, the nearest, and the ``known`` names."""
    if not isinstance(name, str) or name not in rows:
        raise UnknownName(f"{unknown}{nearest(name, rows)} {known} {', '.join(rows)}.")
    return rows[name]


def default_language(script: str) -> Language | None:
    """The language assumed for a script found by ``language=auto``: the first row of that script."""
    return next((row for row in languages() if row.script == script), None)


@dataclass(frozen=True)
class Preset:
    """A row of presets.csv, what a model that follows instructions can be asked besides reading: the
    ``prompt`` of a ``task``, and how its answer is read (``parse``, one of ocr/vlm/answers).
    """

    task: str
    prompt: str
    parse: str
    source: str
    date: str


@functools.cache
def presets() -> dict[str, Preset]:
    """Every row of presets.csv by its task, in the order of the file."""
    rows = table("reading/presets.csv", lambda row: Preset(**row), lambda row: [row["task"]])
    return {row.task: row for row in rows}
