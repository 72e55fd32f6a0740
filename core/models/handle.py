"""Handles: what a graph or a script holds of an OCR model.

A handle is a spec; weights come at the first read, may be evicted, and come back at the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..catalog.readers import check_language
from ..catalog.words import in_language
from ..errors import VramwiseError
from ..ocr.engines.protocol import Engine, NoProgress, ProgressCallback, ReadOptions
from ..ocr.engines.reader_pool import ReaderPool
from ..ocr.images import Pictures
from ..ocr.vlm.model_owner import living_owners, residences
from ..option_values import ATTENTIONS, DEFAULT_MODEL, TASKS, check_choice, precision_choices
from ..settings import Settings, load_settings
from .names import is_cpu_engine, model_id

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..ocr.results.result import OCRResult
    from ..ocr.vlm.engine import VLMEngine
    from .load_plan import LoadPlan
    from .request import ModelRequest

_readers = ReaderPool()


class _Live:
    """What a handle has opened. Outside the handle's identity: two equal handles are equal, opened or not."""

    def __init__(self) -> None:
        self.decided: LoadPlan | None = None
        self.engine: VLMEngine | None = None

    def __reduce__(self) -> tuple[type[_Live], tuple[()]]:
        """A copy of a handle is the description alone: caches of ComfyUI copy outputs and write them down."""
        return _Live, ()


@dataclass(frozen=True)
class OCRHandle:
    """An OCR model, described and not loaded. Equal handles share one resident model.

    ``model`` is a catalog id or the folder name of a checkpoint of the person's own. Survives every
    release: weights that were dropped come back at the next ``read``. ``beside_bytes`` of the device's memory
    are left to another model that reads with it. ``fast_decode``: tokens by CUDA graphs, where they can be
    had.
    """

    model: str = DEFAULT_MODEL
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"
    quantise_vision: bool = False
    beside_bytes: int = 0
    fast_decode: bool = False
    _live: _Live = field(default_factory=_Live, compare=False, repr=False)

    def read(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]:
        """One OCRResult per uint8 RGB image (height, width, 3), in order; paths and PIL images are opened.

        Raises VramwiseError with a remedy when the model cannot run here or the options ask for the
        impossible.
        """
        options = options or ReadOptions()
        check_choice("task", options.task, TASKS)
        check_language(options.language)
        pictures = Pictures(images)
        engine = self._engine(load_settings())
        if is_cpu_engine(self.model):
            return engine.read(pictures, options, progress or NoProgress())
        from ..ocr.vlm.json_answers import checked_results

        return checked_results(engine.read, pictures, options, progress or NoProgress())

    def plan(self, lang: str = "en") -> str:
        """What will run and why, for a person, in "en", "ru" or "zh". Never raises for what is missing: the
        sentence is the plan.
        """
        settings = load_settings()
        try:
            if is_cpu_engine(self.model):
                from .cpu_plan import cpu_plan

                lines = cpu_plan(self.model, self.request.only_for_torch(), settings)
                return "\n".join(in_language(line, lang) for line in lines)
            return self._decide(settings).plan.text(lang)
        except VramwiseError as error:
            return in_language(error, lang)

    def not_used(self, options: ReadOptions) -> tuple[str, ...]:
        """Sentences on what of the handle and of ``options`` a reading would not use; every result has them
        among its notes.
        """
        if is_cpu_engine(self.model):
            from ..ocr.engines.cpu import not_used

            return tuple(not_used(options, self.model, self.request.only_for_torch()))
        from ..ocr.vlm.prompts import ignored

        return ignored(options)

    @property
    def answers_questions(self) -> bool:
        """Whether a question about a picture is answered; else its text is read whatever was asked."""
        return not is_cpu_engine(self.model)

    @property
    def held_by(self) -> object:
        """What lives as long as this handle or a copy of it with other wishes does."""
        return self._live

    @property
    def patcher(self) -> Any:
        """ComfyUI's patcher of the opened model, by which its caches recognise the handle; None before and
        outside.
        """
        engine = self._live.engine
        return getattr(engine.owner, "patcher", None) if engine is not None else None

    def get_ram_usage(self) -> int:
        """Bytes of RAM that evicted weights hold; ComfyUI's cache asks its outputs for this."""
        engine = self._live.engine
        held = getattr(engine.owner, "get_ram_usage", None) if engine is not None else None
        return int(held()) if held is not None else 0

    def release(self) -> bool:
        """Let this handle's weights go; the next ``read`` brings them back. True when they were in memory."""
        if self._live.engine is None:
            return False
        owner = self._live.engine.owner
        held = bool(owner.resident_bytes())
        owner.release()
        return held

    @property
    def request(self) -> ModelRequest:
        """What the handle asks for, as the planner takes it."""
        from .request import ModelRequest

        return ModelRequest(
            self.model,
            self.precision,
            self.attention,
            self.device,
            self.quantise_vision,
            beside_bytes=self.beside_bytes,
            fast_decode=self.fast_decode,
        )

    def device_here(self) -> str:
        """Where the model runs, by its plan. Raises VramwiseError where it cannot run at all."""
        return self._decide(load_settings()).spec.device

    def _decide(self, settings: Settings, sharded: bool = False) -> LoadPlan:
        """Decided once for a handle, so that an evicted model comes back as the same one. ``sharded``: over
        every card and RAM.
        """
        if self._live.decided is None:
            from .load_plan import load_plan

            self._live.decided = load_plan(self.request, settings, sharded)
        return self._live.decided

    def _engine(self, settings: Settings) -> Engine:
        if is_cpu_engine(self.model):
            from ..ocr.engines.cpu import CPUEngine

            return CPUEngine(self.model, _readers, settings, self.request.only_for_torch())
        if self._live.engine is None:
            from .live import open_engine

            self._live.engine = open_engine(self.model, self._decide(settings), settings)
        return self._live.engine


def files_stamp(model: str) -> str:
    """Tells the files of ``model`` apart from what they were; "" where it has none here. Never raises."""
    if not model or is_cpu_engine(model):
        return ""
    from .resolved import find_checkpoint

    try:
        return find_checkpoint(model, load_settings()).stamp()
    except VramwiseError:
        return ""


def ocr_handle(
    model: str = DEFAULT_MODEL,
    precision: str = "auto",
    attention: str = "auto",
    device: str = "auto",
    quantise_vision: bool = False,
    fast_decode: bool = False,
) -> OCRHandle:
    """A checked handle; unknown names raise VramwiseError with the nearest known one."""
    model = model_id(model)
    check_choice("precision", precision, precision_choices())
    check_choice("attention", attention, ATTENTIONS)
    return OCRHandle(model, precision, attention, device, quantise_vision, fast_decode=fast_decode)


def shared_readers() -> ReaderPool:
    """The engines outside torch that all handles share."""
    return _readers


def release_all() -> int:
    """Drop every resident model of ours. Returns how many; busy CPU engines go when their page is done."""
    owners = [owner for owner in living_owners() if owner.resident_bytes()]
    for owner in owners:
        owner.release()
    return len(owners) + _readers.release()


def release_cpu_engines() -> int:
    """Drop the engines outside torch: what a host that owns our torch models itself leaves to us."""
    return _readers.release()


def resident_engines() -> list[str]:
    """Names of what is in memory now, for reports. Any thread may ask."""
    torch_models = [f"{one.spec.name} {one.spec.precision}" for one in residences() if one.resident_bytes()]
    return torch_models + cpu_engines()


def cpu_engines() -> list[str]:
    """Names of the engines outside torch that are in memory now."""
    return [str(route) for route in _readers.present()]
