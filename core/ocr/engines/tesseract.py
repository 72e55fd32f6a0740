"""Tesseract through tesserocr, whose wheels bring the library; the traineddata come from the system or the
person.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...catalog import Language
from ...cjk import is_cjk
from ...errors import VramwiseError
from ...hardware import capabilities
from ...settings import Settings
from ..images import edge_colour, fit_pixels
from ..results.line import Line
from ..results.reading_order import join_words
from ..results.result import Point, Word, hull
from .imagined_points import without_imagined_points
from .latin_nonsense import (
    are_doubtful,
    has_doubtful,
    is_more_in_script,
    with_cyrillic_words,
    with_latin_words,
    with_own_words,
    without_points,
)
from .protocol import ProgressCallback

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

AUTO_PIXELS = 24_000_000  # Tesseract works at full size; only scans beyond A4 at 400 dpi are scaled down
LINE_PIXELS, LINE_PAPER = 48, 12  # height of a single line, and of the paper put around it
WORD_PAPER = 0.2  # of a word's height, around it where it is read alone
# With these Tesseract says the direction of what it wrote; Tamil words end in the last for no reason.
MARKS = "\u200e\u200f\u202a\u202b\u202c\u200c"
NO_MARKS = dict.fromkeys(map(ord, MARKS))
LINES_AHEAD = 40  # of the page's text that are looked through for a line of the table


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
        self._folder = folder
        self._without_english = "+".join(name for name in names if name != "eng")
        self._api = self._opened(self.languages)
        self._own: Any = None  # the same without English, once a page asks for it
        self._only_english: Any = None  # and English alone

    def _opened(self, languages: str) -> Any:
        try:
            return self._tesserocr.PyTessBaseAPI(
                path=str(self._folder), lang=languages, psm=self._tesserocr.PSM.AUTO
            )
        except RuntimeError as error:
            raise VramwiseError(
                f"Tesseract could not load {languages} from {self._folder}: {error}. "
                "The traineddata file may be damaged or from another version: fetch it again."
            ) from error

    def lines(self, image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        """Read one uint8 RGB image (height, width, 3) with Tesseract's own page analysis."""
        small = fit_pixels(image, max_pixels or AUTO_PIXELS)
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        progress.check()
        lines = self._page(self._api, small, scale)
        if self._without_english in ("", self.languages):
            return lines
        if not has_doubtful(lines):
            lines = with_cyrillic_words(
                lines, lambda word: self._word(self._api_without_english(), small, scale, word)
            )
            return with_latin_words(lines, lambda word: self._word(self._english(), small, scale, word))
        progress.check()
        own = self._page(self._api_without_english(), small, scale)
        return with_own_words(lines, own)

    def _page(self, api: Any, picture: NDArray[uint8], scale: tuple[float, float]) -> list[Line]:
        found = without_points(self._read(api, picture, self._tesserocr.PSM.AUTO, scale))
        return without_imagined_points(picture, found, scale)

    def _api_without_english(self) -> Any:
        self._own = self._own or self._opened(self._without_english)
        return self._own

    def _english(self) -> Any:
        self._only_english = self._only_english or self._opened("eng")
        return self._only_english

    def _word(
        self, api: Any, picture: NDArray[uint8], scale: tuple[float, float], word: Word
    ) -> tuple[str, float]:
        """Text and confidence of a word read alone."""
        x0, y0, x1, y1 = hull([(x / scale[0], y / scale[1]) for x, y in word.polygon])
        pad = WORD_PAPER * (y1 - y0)
        rows, columns = (
            slice(max(0, int(y0 - pad)), int(y1 + pad) + 1),
            slice(max(0, int(x0 - pad)), int(x1 + pad) + 1),
        )
        return self._single(api, picture[rows, columns])

    def line(self, crop: NDArray[uint8]) -> tuple[str, float]:
        """Text and confidence (0 to 1) of one upright line, uint8 RGB (height, width, 3): without English
        where that makes nonsense of a word beside others in its script.
        """
        text, sure = self._single(self._api, crop)
        if self._without_english in ("", self.languages) or not are_doubtful(text.split()):
            return text, sure
        own, so_sure = self._single(self._api_without_english(), crop)
        return (own, so_sure) if so_sure > sure and is_more_in_script(own, text) else (text, sure)

    def _single(self, api: Any, crop: NDArray[uint8]) -> tuple[str, float]:
        import cv2

        scale = LINE_PIXELS / max(1, crop.shape[0])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = max(1, round(crop.shape[1] * scale)), LINE_PIXELS
        line = cv2.resize(crop, size, interpolation=method)
        paper = [int(c) for c in edge_colour(line)]
        wide = LINE_PAPER
        line = cv2.copyMakeBorder(line, wide, wide, wide, wide, cv2.BORDER_CONSTANT, value=paper)
        found = self._read(api, line, self._tesserocr.PSM.SINGLE_LINE, (1, 1))
        sure = [word.confidence or 0.0 for line in found for word in line.words]
        return join_words([line.text for line in found]), sum(sure) / len(sure) if sure else 0.0

    def release(self) -> None:
        """Free Tesseract's memory; the object is not used afterwards."""
        self._api.End()
        for other in (self._own, self._only_english):
            if other is not None:
                other.End()

    def _read(self, api: Any, picture: Any, mode: Any, scale: tuple[float, float]) -> list[Line]:
        from PIL import Image

        api.SetPageSegMode(mode)
        api.SetImage(Image.fromarray(picture))
        try:
            if not api.Recognize():
                return []
            return self._collect(api, scale)
        finally:
            api.Clear()

    def _collect(self, api: Any, scale: tuple[float, float]) -> list[Line]:
        """The table of words (TSV) has places and letters, the page's text the spaces between them: Thai and
        Chinese have none between the "words" of the table. tesserocr's iterator has the baselines, but its
        GetUTF8Text is the left-to-right base class's and would give Arabic and Hebrew backwards.
        """
        level = self._tesserocr.RIL
        baselines = []
        iterator = api.GetIterator()
        while iterator is not None:
            if not iterator.Empty(level.TEXTLINE):
                baselines.append(iterator.Baseline(level.TEXTLINE))
            if not iterator.Next(level.TEXTLINE):
                break
        spaced = [line.strip() for line in api.GetUTF8Text().splitlines()]
        lines: list[Line] = []
        paragraphs: dict[tuple[str, ...], int] = {}
        for number, (place, words) in enumerate(_lines_of_table(api.GetTSVText(0), scale)):
            paragraph = paragraphs.setdefault(place[:2], len(paragraphs))
            baseline = baselines[number] if number < len(baselines) else None
            if words:
                lines.append(_line(words, _with_spaces(words, spaced), baseline, scale, paragraph))
        return lines


def _lines_of_table(table: str, scale: tuple[float, float]) -> Iterator[tuple[tuple[str, ...], list[Word]]]:
    """Each line's (block, paragraph, line) and its words in reading order. Columns of the table: level, page,
    block, paragraph, line, word, left, top, width, height, confidence (percent), text.
    """
    rows = [row.split("\t") for row in table.splitlines()]
    words = [row for row in rows if len(row) == 12 and row[0] == "5"]
    for place, found in itertools.groupby(words, key=lambda row: tuple(row[2:5])):
        line = []
        for row in found:
            left, top, width, height = map(int, row[6:10])
            text = row[11].strip().strip(MARKS)
            if text:
                box = _rectangle((left, top, left + width, top + height), scale)
                line.append(Word(text, box, max(0.0, float(row[10])) / 100))
        yield place, line


def _with_spaces(words: Sequence[Word], spaced: list[str]) -> str:
    """The words of one line as the page's text has them, whose line is then taken from ``spaced``. Where no
    line there has these letters: the words with spaces between them.
    """
    letters = _letters("".join(word.text for word in words))
    for place, line in enumerate(spaced[:LINES_AHEAD]):
        if letters and _letters(line) == letters:
            del spaced[: place + 1]
            return " ".join(word.strip(MARKS) for word in line.split())
    return join_words([word.text for word in words])


def _letters(text: str) -> str:
    return "".join(text.translate(NO_MARKS).split())


def _line(
    words: Sequence[Word], text: str, baseline: Any, scale: tuple[float, float], paragraph: int
) -> Line:
    known = [word.confidence for word in words if word.confidence is not None]
    return Line(
        text=text,
        polygon=_line_polygon(words, baseline, scale),
        confidence=sum(known) / len(known) if known else None,
        words=tuple(_words_of_text(words, text)),
        paragraph=paragraph,
    )


def _words_of_text(words: Sequence[Word], text: str) -> Iterator[Word]:
    """The pieces of a line put together to the words of its text: where that has no space, one word. Pieces
    that are no such parts stay as they are. Chinese and Japanese stay in single characters' pieces.
    """
    if any(map(is_cjk, text)) or _letters(text) != _letters("".join(word.text for word in words)):
        yield from words
        return
    rest = list(words)
    for whole in text.split():
        pieces = [rest.pop(0)] if rest else []
        while rest and len(_letters("".join(piece.text for piece in pieces))) < len(_letters(whole)):
            pieces.append(rest.pop(0))
        if pieces:
            corners = [point for piece in pieces for point in piece.polygon]
            box = _rectangle(hull(corners), (1.0, 1.0))
            yield Word(whole, box, sum(piece.confidence or 0.0 for piece in pieces) / len(pieces))


def _rectangle(box: tuple[float, float, float, float], scale: tuple[float, float]) -> tuple[Point, ...]:
    x0, y0, x1, y1 = box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _line_polygon(words: Sequence[Word], baseline: Any, scale: tuple[float, float]) -> tuple[Point, ...]:
    """A parallelogram along the baseline that holds every word; the upright hull where Tesseract gives no
    baseline, from the text's own top left where the line runs up or down the page.

    Tesseract's line box is upright, so on a page turned by a few degrees it would cover the neighbours too.
    """
    x0, top, x1, bottom = hull([point for word in words for point in word.polygon])
    slope = 0.0
    if baseline is not None:
        (bx0, by0), (bx1, by1) = ((x * scale[0], y * scale[1]) for x, y in baseline)
        along, down = bx1 - bx0, by1 - by0
        if abs(down) > abs(along):
            box = _rectangle((x0, top, x1, bottom), (1.0, 1.0))
            return box[1:] + box[:1] if down > 0 else box[3:] + box[:3]
        slope = down / along if along > 1 else 0.0
    tops, bottoms = [], []
    for word in words:
        middle = (word.polygon[0][0] + word.polygon[1][0]) / 2
        lean = abs(slope) * (word.polygon[1][0] - word.polygon[0][0]) / 2
        tops.append(word.polygon[0][1] + lean - slope * (middle - x0))
        bottoms.append(word.polygon[2][1] - lean - slope * (middle - x0))
    top, bottom = min(tops), max(max(bottoms), min(tops) + 1)
    drop = slope * (x1 - x0)
    return ((x0, top), (x1, top + drop), (x1, bottom + drop), (x0, bottom))
