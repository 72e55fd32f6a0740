"""Which reader reads a language on this machine, and what to say when none can."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...catalog import BUILTIN, Language, languages, recogniser
from ...errors import VramwiseError
from ...hardware import capabilities
from ...settings import Settings
from ...weights import download, find
from ..results.line import Line
from .protocol import ProgressCallback
from .rapid import RapidReader
from .tesseract import TesseractReader, find_traineddata, missing_data_sentence

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

log = logging.getLogger("vramwise.ocr")


class LineReader(Protocol):
    """Something live that finds and reads lines."""

    def lines(self, image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        """The lines of one uint8 RGB image (height, width, 3)."""

    def release(self) -> None:
        """Free what is held; not used afterwards."""


@dataclass(frozen=True)
class RapidRoute:
    """PP-OCR with the recogniser of this file, or with the built-in one."""

    recogniser: Path | None = None

    def open(self) -> LineReader:
        return RapidReader(self.recogniser)

    def __str__(self) -> str:
        if self.recogniser is None:
            return "PP-OCR (built-in recogniser)"
        return f"PP-OCR ({self.recogniser.name})"


@dataclass(frozen=True)
class TesseractRoute:
    """Tesseract with these traineddata of this folder."""

    folder: Path
    traineddata: tuple[str, ...]

    def open(self) -> LineReader:
        return TesseractReader(self.folder, self.traineddata)

    def __str__(self) -> str:
        return f"Tesseract ({'+'.join(self.traineddata)})"


Route = RapidRoute | TesseractRoute


def rapid_route(language: Language, settings: Settings) -> Route:
    """The way to read ``language`` when PP-OCR was asked for.

    PP-OCR's own recogniser first (fetched now only if the machine's settings allow downloads), else
    Tesseract. Raises VramwiseError naming both ways when neither is here.
    """
    if language.recogniser == BUILTIN:
        return RapidRoute()
    if language.recogniser:
        row = recogniser(language.recogniser)
        path = find(row, settings)
        if path is None and settings.allow_downloads:
            path = download(row, settings)
        if path is not None:
            return RapidRoute(path)
    try:
        return tesseract_route([language], settings)
    except VramwiseError as error:
        raise VramwiseError(f"{_cannot(language)} {_ways(language, settings, error)}") from error


def script_route(script: str, settings: Settings) -> Route:
    """The way to read a script found on a page: that of its first language which can be read here.

    Raises VramwiseError with the ways for its first language when there is none.
    """
    rows = [row for row in languages() if row.script == script]
    if not rows:
        raise VramwiseError(f"No language of the catalog is written in {script} script.")
    try:
        return rapid_route(rows[0], settings)
    except VramwiseError:
        for row in rows[1:]:
            if find_traineddata([row.tesseract], settings) and capabilities.tesseract().usable:
                return tesseract_route([row], settings)
        raise


def script_in_words(script: str) -> str:
    """ "Devanagari script (Hindi, Marathi, Nepali)": nobody knows the language before it is read."""
    names = [row.english for row in languages() if row.script == script]
    more = ", ..." if len(names) > 3 else ""
    return f"{script} script ({', '.join(names[:3])}{more})" if names else f"{script} script"


def tesseract_route(languages: list[Language], settings: Settings) -> TesseractRoute:
    """The way to read ``languages`` with Tesseract; English is added where its data lie beside the others.

    Raises VramwiseError when tesserocr is not installed or a traineddata file is missing.
    """
    usable = capabilities.tesseract()
    if not usable.usable:
        raise VramwiseError(f"Tesseract cannot run: {usable.reason}.")
    names = tuple(dict.fromkeys(language.tesseract for language in languages))
    folder = find_traineddata(names, settings)
    if folder is None:
        for lang in languages:
            if find_traineddata([lang.tesseract], settings) is None:
                raise VramwiseError(missing_data_sentence(lang, settings))
        raise VramwiseError(
            f"Tesseract reads several languages from one folder only, and {', '.join(names)} lie in "
            f"different ones. "
            f"Put their .traineddata files together, for example into "
            f"{settings.all_models_dirs[0] / 'tessdata'}."
        )
    if "eng" not in names and (folder / "eng.traineddata").is_file():
        names += ("eng",)
    return TesseractRoute(folder, names)


def _cannot(language: Language) -> str:
    return f"{language.english} text ({language.script} script) cannot be read by PP-OCR's built-in weights."


def _ways(language: Language, settings: Settings, tesseract_error: VramwiseError) -> str:
    if not language.recogniser:
        return str(tesseract_error)
    command = settings.command("download", language.recogniser)
    return (
        f"Two ways to mend it. 1: PP-OCR's recogniser for {recogniser(language.recogniser).reads}: run "
        f"{command} once, or "
        f"set allow_downloads: true in {settings.config_path}. 2: Tesseract. {tesseract_error}"
    )
