"""The CPU engines as one: pictures in, OCRResults out, with languages routed to whoever can read them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...catalog import Language, default_language, language
from ...cjk import is_cjk
from ...errors import VramwiseError
from ...settings import Settings
from ..images import check_size, is_blank
from ..results import reading_order
from ..results.line import Line
from ..results.parted_lines import parted
from ..results.result import OCRResult, Region
from ..results.vertical_text import columns_of_level_lines, furigana
from .confidence.lines import judged
from .drawn_rules.page_rules import rules_on
from .drawn_rules.table_rules import without_rules
from .foreign_text import DOUBTFUL, ForeignPage, PageReading, enlarging, mean_confidence, with_parts
from .language_routing import (
    RapidRoute,
    Route,
    TesseractRoute,
    rapid_route,
    script_in_words,
    script_route,
    tesseract_route,
)
from .level_picture import level_picture
from .line_shapes.fitted_boxes import fitted
from .line_shapes.gutter_ends import ends_at_ink
from .line_shapes.missed_lines import with_missed
from .line_shapes.vanished_words import restored, with_vanished_words
from .pictures.collages import collage
from .pictures.page_pictures import pictures_on
from .protocol import CPU_PRECISION, QUESTION_OPTIONS, ProgressCallback, ReadOptions
from .rapid import RapidReader
from .reader_pool import ReaderPool
from .script_at_a_glance import PlainPage, covers, is_believable, plain_script
from .script_detection import READABLE
from .second_look.column_dashes import with_column_dashes
from .second_look.japanese_forms import with_japanese_forms
from .second_look.list_marks import with_list_marks
from .second_look.lost_bullets import with_bullets
from .second_look.lost_signs import Readings, with_signs
from .second_look.missed_dashes import with_dashes
from .second_look.stray_accents import without_stray_accents
from .tesseract import TesseractReader

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

log = logging.getLogger("vramwise.ocr")
ASK_FOR_PARTS = "Set partial to have the numbers and the lines in other scripts all the same."
# What lines and their places are an answer to.
_TASKS = ("text", "markdown", "spotting")


class CPUEngine:
    """``model`` is "rapid" or "tesseract". Readers live in ``pool`` and are shared by every handle.
    ``in_vain`` is what the handle was given and no such engine has ("precision int4").
    """

    def __init__(self, model: str, pool: ReaderPool, settings: Settings, in_vain: Sequence[str] = ()) -> None:
        self.model, self._pool, self._settings = model, pool, settings
        self._in_vain = tuple(in_vain)

    def read(
        self, images: Sequence[NDArray[uint8]], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per image, in order."""
        chosen = None if options.language == "auto" else language(options.language)
        ignored = tuple(not_used(options, self.model, self._in_vain))
        for done, image in enumerate(images, start=1):
            progress.check()
            yield self._page(image, options, chosen, ignored, progress)
            progress.page_done(done, len(images))

    def _page(
        self,
        image: NDArray[uint8],
        options: ReadOptions,
        chosen: Language | None,
        ignored: tuple[str, ...],
        progress: ProgressCallback,
    ) -> OCRResult:
        check_size(image)
        started = time.perf_counter()
        lines: list[Line] = []
        notes: list[str] = []
        if not is_blank(image):
            lines, notes = self._lines(image, options, chosen, progress)
        seconds = time.perf_counter() - started
        return _result(image, lines, seconds, self.model, options, (*ignored, *notes))

    def _lines(
        self, image: NDArray[uint8], options: ReadOptions, chosen: Language | None, progress: ProgressCallback
    ) -> tuple[list[Line], list[str]]:
        route: Route
        if self.model == "tesseract":
            languages = [chosen] if chosen else self._languages_seen(image, options, progress)
            try:
                route = tesseract_route(languages, self._settings)
            except VramwiseError as error:
                if not options.partial:
                    raise
                return list(with_parts(self._by(RapidRoute(), image, options, progress))), [str(error)]
            return self._by_tesseract(route, languages[0].script, image, options, progress), []
        made: dict[str, PageReading] = {}
        if not chosen:
            plain = self._plain_page(image, options, progress, made)
            if plain is not None:
                return plain
        route = rapid_route(chosen, self._settings) if chosen else RapidRoute()
        if chosen and isinstance(route, TesseractRoute):
            lines = self._by_tesseract(route, chosen.script, image, options, progress)
            lines = self._with_signs(image, lines, progress)
            return lines, [f"{chosen.english} was read by {route}."]
        lines = self._by(route, image, options, progress)
        if not any(line.foreign for line in lines):
            return lines, []
        return self._with_foreign(lines, image, options, chosen, progress, made)

    def _plain_page(
        self,
        image: NDArray[uint8],
        options: ReadOptions,
        progress: ProgressCallback,
        made: dict[str, PageReading],
    ) -> tuple[list[Line], list[str]] | None:
        """A page that is plainly in one foreign script, read by that script's reader; None where it is not,
        or what was read is not believable: then that is left in ``made``, by its script.
        """
        plain = plain_script(image)
        if plain is None:
            return None
        try:
            route = self._route_for_script(plain.script, None)
        except VramwiseError:
            return None
        level, lines = self._read_plain(plain, route, image, options, progress)
        if not is_believable(lines, plain.script) or not covers(level.picture, lines):
            if isinstance(route, TesseractRoute):
                made[plain.script] = PageReading(level, lines)
            return None
        found = [level.line(line) for line in lines]
        if isinstance(route, TesseractRoute):
            found = self._with_signs(image, found, progress)
        return found, [f"{plain.script} text was found and read by {route}."]

    def _with_signs(self, image: NDArray[uint8], lines: list[Line], progress: ProgressCallback) -> list[Line]:
        """What Tesseract read, with the signs that it lost. The built-in recogniser is opened only for a page
        that may have some.
        """

        def recognise(crops: Sequence[NDArray[uint8]]) -> Readings:
            with self._pool.acquire(RapidRoute(), RapidRoute().open) as reader:
                return reader.words(crops, progress) if isinstance(reader, RapidReader) else ()

        return with_signs(image, lines, recognise)

    def _read_plain(
        self,
        plain: PlainPage,
        route: Route,
        image: NDArray[uint8],
        options: ReadOptions,
        progress: ProgressCallback,
    ) -> PageReading:
        """Tesseract is given level lines of its size, and then alone what it missed of a page it can read."""
        level = level_picture(image, plain.angle)
        if not isinstance(route, TesseractRoute):
            return PageReading(level, self._by(route, level.picture, options, progress))
        clean = without_rules(level.picture, plain.high, aslant=plain.angle != 0.0)
        level = replace(level, picture=clean)
        times = enlarging(plain.high, clean)
        level = level if times == 1.0 else level.enlarged(times)
        with self._pool.acquire(route, route.open) as reader:
            lines = reader.lines(level.picture, options.max_pixels, progress)
            if isinstance(reader, TesseractReader) and is_believable(lines, plain.script):
                lines = with_missed(level.picture, lines, reader)
        return PageReading(level, lines)

    def _by(
        self, route: Route, image: NDArray[uint8], options: ReadOptions, progress: ProgressCallback
    ) -> list[Line]:
        with self._pool.acquire(route, route.open) as reader:
            if options.partial and isinstance(reader, RapidReader):
                return reader.lines(image, options.max_pixels, progress, every=True)
            return reader.lines(image, options.max_pixels, progress)

    def _by_tesseract(
        self,
        route: TesseractRoute,
        script: str,
        image: NDArray[uint8],
        options: ReadOptions,
        progress: ProgressCallback,
    ) -> list[Line]:
        """The page as it lies, levelled and enlarged where it is plainly in the script and needs it; where
        that makes little sense, as PP-OCR sees its lines run, if better.
        """
        plain = plain_script(image) if script not in READABLE else None
        mendable = plain is not None and (plain.angle or enlarging(plain.high, image) > 1.0)
        if plain is not None and plain.script == script and mendable:
            level, found = self._read_plain(plain, route, image, options, progress)
            lines = [level.line(line) for line in found]
        else:
            lines = self._by(route, image, options, progress)
        if mean_confidence(lines) >= DOUBTFUL:
            return lines
        seen = self._by(RapidRoute(), image, replace(options, partial=False), progress)
        if not seen:
            return lines
        page = ForeignPage(image, [replace(line, foreign=script) for line in seen], script)
        with self._pool.acquire(route, route.open) as reader:
            turned = [line for line in page.read(reader, options.max_pixels, progress) if not line.foreign]
        return max(lines, turned, key=mean_confidence)

    def _languages_seen(
        self, image: NDArray[uint8], options: ReadOptions, progress: ProgressCallback
    ) -> list[Language]:
        """Languages for Tesseract on ``auto``: by the scripts PP-OCR's detector and the script net see."""
        lines = self._by(RapidRoute(), image, options, progress)
        scripts = {line.foreign for line in lines if line.foreign}
        if any(is_cjk(character) for line in lines if not line.foreign for character in line.text):
            scripts.add("Han")
        found = [row for row in map(default_language, sorted(scripts)) if row]
        if "Han" in scripts:
            found = [language("zh") if row.script == "Han" else row for row in found]
        return found or [language("en")]

    def _with_foreign(
        self,
        lines: list[Line],
        image: NDArray[uint8],
        options: ReadOptions,
        chosen: Language | None,
        progress: ProgressCallback,
        made: dict[str, PageReading],
    ) -> tuple[list[Line], list[str]]:
        """Have lines in scripts that the built-in recogniser lacks read by whoever can.

        A page that is mostly in such a script and cannot be read is refused with a VramwiseError; a few
        such lines on another page are left unread, with a note. Nothing wrong is ever returned for them.
        ``made``: how the page was read before, by script.
        """
        notes: list[str] = []
        for script in sorted({line.foreign for line in lines if line.foreign}):
            before = lines
            known = [made[script]] if script in made else []
            page = ForeignPage(image, with_vanished_words(lines, script), script, readings=known)
            doubted = page.with_doubted()
            try:
                route = self._route_for_script(script, chosen)
            except VramwiseError as error:
                if page.share >= 0.5 and chosen is None and not options.partial:
                    raise VramwiseError(
                        f"This picture's text is in {script_in_words(script)}. {error} {ASK_FOR_PARTS}"
                    ) from error
                notes.append(f"{_lines_in(lines, script)} left unread. {error}")
                log.warning(notes[-1])
                if options.partial:
                    lines = list(with_parts(lines, script))
                continue
            with self._pool.acquire(route, route.open) as reader:
                read = doubted.read(reader, options.max_pixels, progress) if doubted else []
                believed = bool(read) and is_believable([line for line in read if not line.foreign], script)
                lines = read if believed else page.read(reader, options.max_pixels, progress)
            lines = restored(lines, before)
            if isinstance(route, TesseractRoute):
                lines = self._with_own_signs(image, lines, before, progress)
            notes.append(_how_read(page.lines, lines, script, route))
        return lines, notes

    def _with_own_signs(
        self, image: NDArray[uint8], lines: list[Line], before: list[Line], progress: ProgressCallback
    ) -> list[Line]:
        """``lines`` of which those that are not as ``before`` were read by Tesseract."""
        kept = set(map(id, before))
        known = [id(line) in kept or bool(line.foreign) for line in lines]
        own = [line for line, same in zip(lines, known, strict=True) if not same]
        mended = iter(self._with_signs(image, own, progress))
        return [line if same else next(mended) for line, same in zip(lines, known, strict=True)]

    def _route_for_script(self, script: str, chosen: Language | None) -> Route:
        if chosen is not None:
            raise VramwiseError(
                f"The language is set to {chosen.english}: set it to auto, or to the language of these lines."
            )
        return script_route(script, self._settings)


def _how_read(before: Sequence[Line], after: Sequence[Line], script: str, route: Route) -> str:
    """The note on the lines of a script that were given to its reader."""
    count = sum(line.foreign == script for line in before)
    if sum(line.foreign == script for line in after) < count:
        return f"{script} text was found and read by {route}."
    return f"{_lines_in(before, script)} left unread: {route} found no words."


def _lines_in(lines: Sequence[Line], script: str) -> str:
    count, named = sum(line.foreign == script for line in lines), script_in_words(script)
    return f"{count} lines in {named}" if count > 1 else f"1 line in {named}"


def not_used(options: ReadOptions, model: str, in_vain: Sequence[str] = ()) -> Iterator[str]:
    """Sentences on what was asked for and an engine outside torch does not do."""
    name = "PP-OCR" if model == "rapid" else "Tesseract"
    if in_vain:
        yield f"Ignored, because {name} has no such choice: {', '.join(in_vain)}."
    if options.task not in _TASKS:
        yield (
            f"The task {options.task} is ignored: {name} reads lines of text and where they stand. "
            "Choose a vision-language model for it."
        )
    if options.prompt.strip():
        yield f"The prompt is ignored: {name} reads what is there and takes no instructions."
    if options.max_new_tokens:
        yield f"max_new_tokens is ignored: {name} generates no tokens."
    asked = [option for option in QUESTION_OPTIONS if getattr(options, option)]
    if asked:
        yield f"Ignored, because {name} answers no questions: {', '.join(asked)}."


def _result(
    image: NDArray[Any],
    lines: list[Line],
    seconds: float,
    model: str,
    options: ReadOptions,
    notes: tuple[str, ...],
) -> OCRResult:
    read = with_japanese_forms([line for line in lines if not line.foreign])
    rules = rules_on(image, read)
    read = parted(read, rules)
    read, doubts = judged(image, read, model)
    if options.reading_direction == "vertical":
        read = columns_of_level_lines(read)
    small = furigana(read)
    aside = [line for number, line in enumerate(read) if number in small]
    read = [line for number, line in enumerate(read) if number not in small]
    read = with_column_dashes(image, with_bullets(image, with_list_marks(without_stray_accents(read))))
    pictures = pictures_on(image, read)

    def in_order(some: list[Line]) -> reading_order.ReadingOrder:
        parts, ends = collage(image, some), ends_at_ink(some, image)
        return reading_order.arrange_parts(ends, parts, options.reading_direction, rules, pictures)

    order = in_order(read)
    whole = with_dashes(image, read, order)
    if len(whole) > len(read):
        read, order = whole, in_order(whole)
    shown = fitted(read, image) if model == "rapid" else read
    regions = reading_order.regions_in_order(shown, order)
    unread = [line for line in lines if line.foreign]
    regions += tuple(
        Region(line.text, line.polygon, len(regions) + number, "furigana", line.confidence, line.words)
        for number, line in enumerate(aside)
    )
    regions += tuple(
        Region("", line.polygon, len(regions) + number, category="unread")
        for number, line in enumerate(unread)
    )
    marked = reading_order.markdown(read, order)
    height, width = image.shape[:2]
    return OCRResult(
        text=marked if options.task == "markdown" else reading_order.plain_text(read, order),
        markdown=marked,
        regions=regions,
        width=width,
        height=height,
        finish_reason="stop" if lines else "blank",
        model=model,
        precision=CPU_PRECISION,
        seconds=seconds,
        language=options.language,
        notes=(*notes, *doubts),
        tables=reading_order.tables(read, order),
    )
