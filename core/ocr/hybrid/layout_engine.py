"""Pages whose blocks a layout net finds and a vision-language model reads: each block cut out and asked with
the prompt of its kind, many in one batch.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ...catalog.layout import block_label
from ...errors import VramwiseError
from ..engines.protocol import NoProgress, PartProgress, ProgressCallback, ReadOptions, StreamEngine
from ..images import check_size, is_blank
from ..remote.errors import EndpointError
from ..results.outcomes import Outcome
from .block_page import page_of_blocks
from .blocks import Block, cut_out, whole_page
from .engine import question_options, unasked

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

NEW_TOKENS = 4096  # of a block, where nobody says (PaddleX's pipeline; GLM-OCR's page_loader)
PAGES_AT_ONCE = 8  # of a server: blocks of several pages are under way together
TASKS = ("text", "markdown", "layout", "custom")


class Finder(Protocol):
    """Who finds blocks: see layout_net.py."""

    name: str

    def blocks(self, image: NDArray[uint8], progress: ProgressCallback) -> list[Block]: ...


def ignored(options: ReadOptions) -> tuple[str, ...]:
    """Sentences on a task that a block decides by its kind, and on what is about whole questions."""
    why = "with hybrid layout each block is asked by its kind. Set hybrid to off for it."
    notes = [] if options.task in TASKS else [f"The task {options.task} is ignored: {why}"]
    return (*notes, *unasked(options, why))


@dataclass
class _Page:
    """A page under way. ``failed``: why it cannot be read."""

    image: NDArray[uint8]
    blocks: Sequence[Block] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    answers: dict[int, Outcome] = field(default_factory=dict)
    failed: VramwiseError | None = None


class LayoutEngine(StreamEngine):
    """``reader`` is a handle of a vision-language model, here or on a server; ``kinds`` are those of its
    blocks that it has a prompt for beyond text, table and formula ("chart", "seal").
    """

    def __init__(self, reader: Any, finder: Finder, model: str, kinds: Iterable[str] = ()) -> None:
        self._reader, self._finder, self._model = reader, finder, model
        self._kinds = frozenset(kinds)

    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions,
        progress: ProgressCallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """One outcome per image, in order: a page that cannot be read is its VramwiseError in its place.
        Raises EndpointError when no server can read anything any more.
        """
        heard = progress or NoProgress()
        total = len(images) if isinstance(images, Sequence) else None
        at_once = PAGES_AT_ONCE if hasattr(self._reader, "read_each") else 1
        left, done = iter(images), 0
        while pages := [self._opened(image, heard) for image in islice(left, at_once)]:
            for kind, asked in self._questions(pages, options):
                self._ask(pages, kind, asked, options, heard)
            for page in pages:
                done += 1
                heard.page_done(done, total or done)
                yield self._outcome(page, options)

    def _opened(self, image: NDArray[uint8], progress: ProgressCallback) -> _Page:
        """``image`` with its blocks. A page without any is read as one."""
        progress.check()
        started = time.perf_counter()
        page = _Page(image)
        try:
            check_size(image)
            if not is_blank(image):
                page.blocks = self._finder.blocks(image, progress)
                if not page.blocks:
                    page.blocks = [whole_page(image.shape[1], image.shape[0])]
                    page.notes = (f"{self._finder.name} found no blocks here: the page was read as one.",)
        except VramwiseError as error:
            page.failed = error
        page.seconds = time.perf_counter() - started
        return page

    def _questions(
        self, pages: Sequence[_Page], options: ReadOptions
    ) -> list[tuple[str, list[tuple[int, int]]]]:
        """(kind, [(page, block), ...]): what is asked at once, those of like size together."""
        groups: dict[str, list[tuple[int, int]]] = {}
        for number, page in enumerate(pages):
            for at, block in enumerate(page.blocks):
                kind = self._asked_of(block, options)
                if kind:
                    groups.setdefault(kind, []).append((number, at))
        for group in groups.values():
            group.sort(key=lambda one: _pixels(pages[one[0]].blocks[one[1]]))
        return list(groups.items())

    def _asked_of(self, block: Block, options: ReadOptions) -> str:
        """The kind that ``block`` is asked as; empty for a figure. A chart is one where the model has no
        prompt for charts, and a seal is text then, as their authors' pipelines have it.
        """
        kind = block_label(block.label).kind
        if kind == "figure" or (kind == "chart" and kind not in self._kinds):
            return ""
        if options.task == "custom":
            return "custom"
        return "text" if kind == "seal" and kind not in self._kinds else kind

    def _ask(
        self,
        pages: Sequence[_Page],
        kind: str,
        asked: Sequence[tuple[int, int]],
        options: ReadOptions,
        progress: ProgressCallback,
    ) -> None:
        """Put the answers into ``pages``. Of a model here the first failure is that of its page."""
        question = self._question(kind, options)
        heard = PartProgress(progress)
        stream = getattr(self._reader, "read_each", None)
        if stream is not None:
            cuts = (cut_out(pages[page].image, pages[page].blocks[at]) for page, at in asked)
            with closing(stream(cuts, question, heard)) as answers:
                for (page, at), answer in zip(asked, answers, strict=True):
                    pages[page].answers[at] = answer
            return
        (only,) = pages
        if only.failed is not None:
            return
        try:
            pictures = [cut_out(only.image, only.blocks[at]) for _, at in asked]
            for (_, at), answer in zip(asked, self._reader.read(pictures, question, heard), strict=True):
                only.answers[at] = answer
        except VramwiseError as error:
            only.failed = error

    def _question(self, kind: str, options: ReadOptions) -> ReadOptions:
        return replace(
            options,
            task="custom" if kind == "custom" else "text",
            block="" if kind == "custom" else kind,
            max_new_tokens=options.max_new_tokens or NEW_TOKENS,
            max_pixels=None,
            **question_options(options, kind == "custom"),
        )

    def _outcome(self, page: _Page, options: ReadOptions) -> Outcome:
        if page.failed is not None:
            return page.failed
        notes = (*ignored(options), *page.notes)
        try:
            return page_of_blocks(
                page.image,
                page.blocks,
                page.answers,
                options,
                self._finder.name,
                self._model,
                page.seconds,
                notes,
            )
        except EndpointError:
            raise
        except VramwiseError as error:
            return error


def _pixels(block: Block) -> float:
    left, top, right, bottom = block.box
    return (right - left) * (bottom - top)
