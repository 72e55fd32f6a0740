"""Tesseract through tesserocr, whose wheels bring the library; the traineddata come from the system or the
person.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...catalog import Language
from ...errors import VramwiseError
from ...hardware import capabilities
from ...settings import Settings
from ..images import fit_pixels
from ..results.line import Line
from ..results.reading_order import join_words
from ..results.result import Point, Word
from .protocol import ProgressCallback

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

AUTO_PIXELS = 24_000_000  # Tesseract works at full size; only scans beyond A4 at 400 dpi are scaled down


def tessdata_folders(settings: Settings) -> list[Path]:
    """Every folder that is searched for ``<language>.traineddata``, the person's own first."""
    folders = list(settings.tessdata_dirs)
    prefix = os.environ.get("TESSDATA_PREFIX")
    if prefix:
        folders += [Path(prefix), Path(prefix) / "tessdata"]
    folders += [root / "tessdata" for root in settings.all_models_dirs]
    folders.append(Path(sys.prefix) / "share" / "tessdata")
    if sys.platform == "win32":
        for variable in ("ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA"):
            if os.environ.get(variable):
                folders.append(Path(os.environ[variable]) / "Tesseract-OCR" / "tessdata")
                folders.append(Path(os.environ[variable]) / "Programs" / "Tesseract-OCR" / "tessdata")
    else:
        shares = ("/usr/share", "/usr/local/share", "/opt/homebrew/share", "/opt/local/share")
        for share in shares:
            folders += [Path(share) / "tessdata", Path(share) / "tesseract-ocr" / "tessdata"]
            folders += [Path(share) / "tesseract-ocr" / version / "tessdata" for version in ("5", "4.00")]
    return list(dict.fromkeys(folders))


def find_traineddata(names: Sequence[str], settings: Settings) -> Path | None:
    """The first searched folder that holds the traineddata of every name, or None."""
    for folder in tessdata_folders(settings):
        if all((folder / f"{name}.traineddata").is_file() for name in names):
            return folder
    return None


def missing_data_sentence(language: Language, settings: Settings) -> str:
    """What is missing, where it was looked for and how to get it."""
    searched = ", ".join(str(folder) for folder in tessdata_folders(settings))
    name = f"{language.tesseract}.traineddata"
    if sys.platform.startswith("linux"):
        package = language.tesseract.replace("_", "-")
        get = f"On Debian or Ubuntu: sudo apt install tesseract-ocr-{package}."
    elif sys.platform == "darwin":
        get = "With Homebrew: brew install tesseract-lang."
    else:
        get = "Install Tesseract for Windows with that language ticked."
    return (
        f"Reading {language.english} with Tesseract needs the file {name}, which is in none of the folders "
        f"searched: "
        f"{searched}. {get} Or put {name} from github.com/tesseract-ocr/tessdata_fast into one of them, or "
        f"name its "
        f"folder as tessdata_dir in config.yaml (environment: VRAMWISE_TESSDATA)."
    )


class TesseractReader:
    """A live Tesseract for one set of languages, e.g. ("rus", "eng")."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        usable = capabilities.tesseract()
        if not usable.usable:
            raise VramwiseError(f"Tesseract cannot run: {usable.reason}.")
        import tesserocr

        self._tesserocr = tesserocr
        self.languages = "+".join(names)
        try:
            self._api = tesserocr.PyTessBaseAPI(path=str(folder), lang=self.languages, psm=tesserocr.PSM.AUTO)
        except RuntimeError as error:
            raise VramwiseError(
                f"Tesseract could not load {self.languages} from {folder}: {error}. "
                "The traineddata file may be damaged or from another version: fetch it again."
            ) from error

    def lines(self, image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        """Read one uint8 RGB image (height, width, 3) with Tesseract's own page analysis."""
        from PIL import Image

        small = fit_pixels(image, max_pixels or AUTO_PIXELS)
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        progress.check()
        self._api.SetImage(Image.fromarray(small))
        try:
            if not self._api.Recognize():
                return []
            return self._collect(scale)
        finally:
            self._api.Clear()

    def release(self) -> None:
        """Free Tesseract's memory; the object is not used afterwards."""
        self._api.End()

    def _collect(self, scale: tuple[float, float]) -> list[Line]:
        level = self._tesserocr.RIL
        iterator = self._api.GetIterator()
        lines: list[Line] = []
        words: list[Word] = []
        paragraph = -1
        if iterator is None:
            return lines
        while True:
            if iterator.IsAtBeginningOf(level.PARA):
                paragraph += 1
            text = (iterator.GetUTF8Text(level.WORD) or "").strip() if not iterator.Empty(level.WORD) else ""
            box = iterator.BoundingBox(level.WORD)
            if text and box:
                words.append(Word(text, _rectangle(box, scale), float(iterator.Confidence(level.WORD)) / 100))
            if iterator.IsAtFinalElement(level.TEXTLINE, level.WORD):
                if words:
                    lines.append(self._line(words, iterator.Baseline(level.TEXTLINE), scale, paragraph))
                words = []
            if not iterator.Next(level.WORD):
                break
        if words:
            lines.append(self._line(words, None, scale, paragraph))
        return lines

    def _line(self, words: Sequence[Word], baseline: Any, scale: tuple[float, float], paragraph: int) -> Line:
        known = [word.confidence for word in words if word.confidence is not None]
        return Line(
            text=join_words([word.text for word in words]),
            polygon=_line_polygon(words, baseline, scale),
            confidence=sum(known) / len(known) if known else None,
            words=tuple(words),
            paragraph=paragraph,
        )


def _rectangle(box: tuple[int, int, int, int], scale: tuple[float, float]) -> tuple[Point, ...]:
    x0, y0, x1, y1 = box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _line_polygon(words: Sequence[Word], baseline: Any, scale: tuple[float, float]) -> tuple[Point, ...]:
    """A parallelogram along the baseline that holds every word; the upright hull where Tesseract gives no
    baseline.

    Tesseract's line box is upright, so on a page turned by a few degrees it would cover the neighbours too.
    """
    points = [point for word in words for point in word.polygon]
    x0, x1 = min(x for x, _ in points), max(x for x, _ in points)
    slope = 0.0
    if baseline is not None:
        (bx0, by0), (bx1, by1) = ((x * scale[0], y * scale[1]) for x, y in baseline)
        if bx1 - bx0 > 1:
            slope = (by1 - by0) / (bx1 - bx0)
    tops, bottoms = [], []
    for word in words:
        middle = (word.polygon[0][0] + word.polygon[1][0]) / 2
        lean = abs(slope) * (word.polygon[1][0] - word.polygon[0][0]) / 2
        tops.append(word.polygon[0][1] + lean - slope * (middle - x0))
        bottoms.append(word.polygon[2][1] - lean - slope * (middle - x0))
    top, bottom = min(tops), max(max(bottoms), min(tops) + 1)
    drop = slope * (x1 - x0)
    return ((x0, top), (x1, top + drop), (x1, bottom + drop), (x0, bottom))
