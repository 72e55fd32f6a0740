"""Handles and the ModelLoader: the one place that turns a model's name into something that reads.

A handle is a spec; weights come at the first read, may be evicted, and come back at the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from ..catalog import BUILTIN, family, family_of_model_type, languages, ocr_model, recogniser
from ..errors import VramwiseError, nearest
from ..hardware import capabilities
from ..ocr.engines.protocol import Engine, NoProgress, ProgressCallback, ReadOptions
from ..ocr.engines.reader_pool import ReaderPool
from ..ocr.vlm.model_owner import living_owners
from ..option_values import ATTENTIONS, CPU_ENGINES, DEFAULT_MODEL, TASKS, check_choice, precision_choices
from ..settings import ModelSettings, Settings, load_settings
from .names import model_id, model_ids

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ..ocr.results.result import OCRResult
    from ..ocr.vlm.engine import VLMEngine
    from .live import Choice, Wish

_readers = ReaderPool()


class _Live:
    """What a handle has opened. Outside the handle's identity: two equal handles are equal, opened or not."""

    def __init__(self) -> None:
        self.choice: Choice | None = None
        self.engine: VLMEngine | None = None


@dataclass(frozen=True)
class OCRHandle:
    """An OCR model, described and not loaded. Equal handles share one resident model.

    ``model`` is a catalog id or the folder name of a checkpoint of the person's own. Survives every
    release: weights that were dropped come back at the next ``read``.
    """

    model: str = DEFAULT_MODEL
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"
    quantise_vision: bool = False
    _live: _Live = field(default_factory=_Live, compare=False, repr=False)

    def read(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions | None = None,
        watch: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]:
        """One OCRResult per uint8 RGB image (height, width, 3), in order.

        Raises VramwiseError with a remedy when the model cannot run here or the options ask for the
        impossible.
        """
        options = options or ReadOptions()
        check_choice("task", options.task, TASKS)
        return self._engine(load_settings()).read(images, options, watch or NoProgress())

    def plan(self) -> str:
        """What will run and why, for a person. Never raises for what is missing: the sentence is the plan."""
        settings = load_settings()
        try:
            if is_cpu_engine(self.model):
                return "\n".join(_cpu_plan(self, settings))
            return self._choice(settings).plan.text()
        except VramwiseError as error:
            return str(error)

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

    def _wish(self) -> Wish:
        from .live import Wish

        return Wish(self.model, self.precision, self.attention, self.device, self.quantise_vision)

    def _choice(self, settings: Settings, spread: bool = False) -> Choice:
        """Decided once for a handle, so that an evicted model comes back as the same one. ``spread``: over
        every card and RAM.
        """
        if self._live.choice is None:
            from .live import choose

            self._live.choice = choose(self._wish(), settings, spread)
        return self._live.choice

    def _engine(self, settings: Settings) -> Engine:
        if is_cpu_engine(self.model):
            from ..ocr.engines.cpu import CPUEngine

            return CPUEngine(self.model, _readers, settings)
        if self._live.engine is None:
            from .live import open_engine

            self._live.engine = open_engine(self._wish(), self._choice(settings), settings)
        return self._live.engine


class ModelLoader:
    """The guide's API: ``ModelLoader.load_model('qwen3_vl_8b', precision='int8')``.

    Arguments win over config.yaml (``models: qwen3_vl_8b: precision: "int8"``), the file over the built-in
    defaults.
    """

    _loaded: ClassVar[dict[str, LoadedModel]] = {}  # the latest of a name lives also where nobody keeps it
    _living: ClassVar[WeakSet[LoadedModel]] = WeakSet()

    @classmethod
    def load_model(
        cls,
        name: str,
        precision: str | None = None,
        use_flash_attention: bool | None = None,
        device_map: str | None = None,
        *,
        attention: str | None = None,
        quantise_vision: bool | None = None,
    ) -> LoadedModel:
        """Plan ``name`` and load its weights now.

        ``precision`` None means config.yaml's, else "auto" (the best that fits). ``use_flash_attention`` is a
        wish: where it cannot run the plan says why and what runs instead; ``attention`` is an order, and
        refused. ``device_map='auto'`` spreads the model over the cards and RAM by accelerate; such a model
        is never moved. Raises VramwiseError before a byte is read when a forced precision cannot fit,
        naming what would.
        """
        settings = load_settings()
        _check_known(settings)
        name = model_id(name)
        configured = settings.models.get(name, ModelSettings())
        if attention is None and use_flash_attention is None:
            attention, use_flash_attention = configured.attention, configured.use_flash_attention
        handle = ocr_handle(
            name,
            precision or configured.precision or "auto",
            attention or "auto",
            "auto" if device_map in (None, "auto") else device_map,
            bool(configured.quantise_vision if quantise_vision is None else quantise_vision),
        )
        if attention is None and use_flash_attention is False:
            handle = replace(handle, attention=_without_flash(name, settings))
        loaded = LoadedModel(handle)
        loaded.load(spread=device_map == "auto")
        cls._loaded[name] = loaded
        cls._living.add(loaded)
        return loaded

    @classmethod
    def unload_model(cls, name: str) -> bool:
        """Drop the weights of ``name``, at every precision. True when something was in memory; an unknown
        name raises VramwiseError.
        """
        held = [one for one in cls._living if one.handle.model == name]
        if not held:
            name = model_id(name)
            held = [one for one in cls._living if one.handle.model == name]
        cls._loaded.pop(name, None)
        if is_cpu_engine(name):
            return bool(_readers.release())
        gone = [one.unload() for one in held]
        return any(gone)


class LoadedModel:
    """A model that a script holds. Reading after ``unload`` loads it again."""

    def __init__(self, handle: OCRHandle) -> None:
        self.handle = handle

    @property
    def plan(self) -> str:
        return self.handle.plan()

    def load(self, spread: bool = False) -> None:
        """Bring the weights in now, so that a model which cannot be loaded says so here and not at the
        first page.
        """
        if is_cpu_engine(self.handle.model):
            return
        settings = load_settings()
        self.handle._choice(settings, spread and not settings.places.hosted)  # ComfyUI gives one device
        engine = self.handle._engine(settings)
        engine.owner.use(0)  # type: ignore[attr-defined]

    def unload(self) -> bool:
        """Let the weights go; True when they were in memory."""
        return self.handle.release()

    def read(
        self, images: Any, task: str = "text", *, language: str = "auto", prompt: str = "", **more: Any
    ) -> list[OCRResult]:
        """Read one picture or several: file paths, PIL images or uint8 RGB arrays. Always a list, in
        order.
        """
        from ..ocr.images import as_picture

        several = images if isinstance(images, list | tuple) else [images]
        options = ReadOptions(task=task, language=language, prompt=prompt, **more)
        return list(self.handle.read([as_picture(one) for one in several], options))


def _without_flash(model: str, settings: Settings) -> str:
    """The best attention of ``model``'s family that is not flash attention; "auto" for engines without."""
    from .live import catalog_row, find_checkpoint

    if is_cpu_engine(model):
        return "auto"
    row = catalog_row(model)
    its = family(row.family) if row else family_of_model_type(find_checkpoint(model, settings).model_type)
    others = [name for name in its.attention if name != "flash_attention_2"] if its else []
    return others[0] if others else "auto"


def ocr_handle(
    model: str = DEFAULT_MODEL,
    precision: str = "auto",
    attention: str = "auto",
    device: str = "auto",
    quantise_vision: bool = False,
) -> OCRHandle:
    """A checked handle; unknown names raise VramwiseError with the nearest known one."""
    model = model_id(model)
    check_choice("precision", precision, precision_choices())
    check_choice("attention", attention, ATTENTIONS)
    return OCRHandle(model, precision, attention, device, quantise_vision)


def is_cpu_engine(model: str) -> bool:
    """Whether ``model`` runs outside torch."""
    return model in CPU_ENGINES


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
    """Names of what is in memory now, for reports."""
    torch_models = [
        f"{owner.spec.path.name} {owner.spec.precision}"
        for owner in living_owners()
        if owner.resident_bytes()
    ]
    return torch_models + [str(route) for route in _readers.present()]


def _check_known(settings: Settings) -> None:
    known = model_ids()
    for name in settings.models:
        if name not in known:
            raise VramwiseError(
                f'{settings.origin} has settings for the model "{name}", which is not known.'
                f"{nearest(name, known)}"
            )


def _cpu_plan(handle: OCRHandle, settings: Settings) -> Iterator[str]:
    row = ocr_model(handle.model)
    yield f"{row.name}: {row.about}."
    if row.engine == "rapid":
        try:
            runtime = capabilities.rapid_runtime()
        except VramwiseError as error:
            yield str(error)
            return
        size = f"weights {(row.weight_bytes or 0) / 1024**2:.0f} MiB ({row.source})"
        yield f"Runs on the CPU by {'OpenVINO' if runtime == 'openvino' else 'ONNX Runtime'}; {size}."
    yield from _languages_here(row.engine, settings)
    ignored = [
        f"{name} {value}"
        for name, value in (("precision", handle.precision), ("attention", handle.attention))
        if value != "auto"
    ]
    if handle.device not in ("auto", "cpu"):
        ignored.append(f"device {handle.device}")
    if ignored:
        yield f"Ignored, because this engine has no such choice: {', '.join(ignored)}. No GPU memory is used."


def _languages_here(engine: str, settings: Settings) -> Iterator[str]:
    """What ``engine`` can read on this machine beyond its built-in weights, and how to add to it."""
    from ..ocr.engines.tesseract import find_traineddata
    from ..weights import find

    usable = capabilities.tesseract()
    if engine == "tesseract":
        yield f"Runs on the CPU: {usable.reason}."
    own: list[str] = []
    by_tesseract: list[str] = []
    for lang in languages():
        if engine == "rapid" and lang.recogniser == BUILTIN:
            continue
        if engine == "rapid" and lang.recogniser:
            try:
                if find(recogniser(lang.recogniser), settings) is not None:
                    own.append(lang.english)
                    continue
            except VramwiseError as error:
                yield str(error)
        if usable.usable and find_traineddata([lang.tesseract], settings):
            by_tesseract.append(lang.english)
    if own:
        yield f"Also read here by PP-OCR's own recognisers: {', '.join(own)}."
    if by_tesseract:
        also = "Read" if engine == "tesseract" else "Also read"
        yield f"{also} here by Tesseract: {', '.join(by_tesseract)}."
    if engine == "tesseract" and not by_tesseract:
        yield "No language data was found; choose a language and run to see where it was looked for."
    if engine == "rapid" and not own and not by_tesseract:
        yield f"For Russian: {settings.command('download', 'eslav')}, or Tesseract with its Russian data."
