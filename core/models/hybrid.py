"""A handle with somebody in front who finds what its model reads: the built-in engine lines, a layout net
blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalog.words import in_language, said
from ..errors import VramwiseError
from ..ocr.engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..option_values import HYBRID, check_choice
from .names import is_cpu_engine

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..ocr.hybrid.engine import HybridEngine
    from ..ocr.hybrid.layout_engine import LayoutEngine
    from ..ocr.results.line import Line
    from ..ocr.results.result import OCRResult

LAYOUT = "layout"


@dataclass(frozen=True)
class HybridHandle:
    """Reads as ``reader`` does, a handle of a vision-language model here or on a server, with the places of
    the built-in engine or of a layout net. ``unit``: "lines", "paragraphs" or, by the net, "layout": what the
    model is shown at once.
    """

    reader: Any
    unit: str = "lines"

    def read(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]:
        """One OCRResult per uint8 RGB image (height, width, 3), in order. Raises VramwiseError."""
        return self._engine().read(images, options or ReadOptions(), progress or NoProgress())

    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[OCRResult | VramwiseError]:
        """As ``read``, with a page that fails as its VramwiseError in its place."""
        return self._engine().read_each(images, options or ReadOptions(), progress or NoProgress())

    def plan(self, lang: str = "en") -> str:
        """As OCRHandle's, below who finds what it reads."""
        if self.unit == LAYOUT:
            from .layout import plan_line

            return f"{in_language(plan_line(self.reader), lang)}\n{self.reader.plan(lang)}"
        return f"{in_language(said(f'hybrid_finds_{self.unit}'), lang)}\n{self.reader.plan(lang)}"

    @property
    def answers_questions(self) -> bool:
        """As OCRHandle's: every piece of a page is read by itself."""
        return False

    def not_used(self, options: ReadOptions) -> tuple[str, ...]:
        """As OCRHandle's."""
        from ..ocr.hybrid import engine, layout_engine

        its = getattr(self.reader, "not_used", None)
        language = ReadOptions(language=options.language)
        whole_page = (
            layout_engine.ignored(options) if self.unit == LAYOUT else engine.ignored(options, self.unit)
        )
        return (*whole_page, *(its(language) if its else ()))

    def release(self) -> bool:
        return bool(self.reader.release())

    def _engine(self) -> HybridEngine | LayoutEngine:
        model = str(getattr(self.reader, "model", ""))
        if self.unit == LAYOUT:
            from ..ocr.hybrid.layout_engine import LayoutEngine
            from .layout import asked_kinds, open_layout

            return LayoutEngine(self.reader, open_layout(self.reader), model, asked_kinds(self.reader))
        from ..ocr.hybrid.engine import HybridEngine

        return HybridEngine(self.reader, found_lines, self.unit, model)


def with_hybrid(reader: Any, unit: str) -> Any:
    """``reader`` itself for "off", else as a HybridHandle. Raises VramwiseError for an engine that finds the
    lines by itself.
    """
    check_choice("hybrid", unit, HYBRID)
    if unit == "off":
        return reader
    model = str(getattr(reader, "model", ""))
    if is_cpu_engine(model):
        finds = "a layout net find blocks" if unit == LAYOUT else "the built-in engine find lines"
        raise VramwiseError(
            f"hybrid {unit} has {finds} and a vision-language model read them, and "
            f"{model} is no such model. Choose one, here or on a server, or set hybrid to off."
        )
    if unit == LAYOUT:
        from .layout import with_room

        reader = with_room(reader)
    return HybridHandle(reader, unit)


def found_lines(image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
    """Every line that the built-in engine finds, those too that it cannot read."""
    from ..ocr.engines.language_routing import RapidRoute
    from ..ocr.engines.rapid import RapidReader
    from .handle import shared_readers

    route = RapidRoute()
    with shared_readers().acquire(route, route.open) as reader:
        assert isinstance(reader, RapidReader)  # noqa: S101 - for the type checker
        return reader.lines(image, max_pixels, progress, unsure=True)
