"""The guide's API for scripts: ``ModelLoader.load_model`` and the model that it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from ..errors import VramwiseError, nearest
from ..families.family import family, family_of_model_type
from ..ocr.engines.protocol import ReadOptions
from ..settings import ModelSettings, Settings, load_settings
from .handle import OCRHandle, ocr_handle, release_cpu_engines
from .names import is_cpu_engine, model_id, model_ids
from .resolved import catalog_row, find_checkpoint

if TYPE_CHECKING:
    from ..ocr.results.result import OCRResult


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
        fast_decode: bool | None = None,
    ) -> LoadedModel:
        """Plan ``name`` and load its weights now.

        ``precision`` None means config.yaml's, else "auto" (the best that fits). ``use_flash_attention`` is a
        wish: where it cannot run the plan says why and what runs instead; ``attention`` is an order, and
        refused. ``device_map='auto'`` spreads the model over the cards and RAM by accelerate; such a model
        is never moved. ``fast_decode``: tokens by CUDA graphs, where that can be had. Raises
        VramwiseError before a byte is read when a forced precision cannot fit,         naming what
        would.
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
            bool(configured.fast_decode if fast_decode is None else fast_decode),
        )
        if attention is None and use_flash_attention and is_cpu_engine(name):
            handle = replace(handle, attention="flash_attention_2")  # so that it says what is ignored
        if attention is None and use_flash_attention is False:
            handle = replace(handle, attention=_without_flash(name, settings))
        loaded = LoadedModel(handle)
        loaded.load(sharded=device_map == "auto")
        cls._loaded[name] = loaded
        cls._living.add(loaded)
        return loaded

    @classmethod
    def unload_model(cls, name: str) -> bool:
        """Drop the weights of ``name``, at every precision. True when something was in memory; an unknown
        name raises VramwiseError.
        """
        held = [model for model in cls._living if model.handle.model == name]
        if not held:
            name = model_id(name)
            held = [model for model in cls._living if model.handle.model == name]
        if not held and not is_cpu_engine(name) and catalog_row(name) is None:
            find_checkpoint(name, load_settings())  # raises with the reason for a folder that is none
        cls._loaded.pop(name, None)
        if is_cpu_engine(name):
            return bool(release_cpu_engines())
        gone = [model.unload() for model in held]
        return any(gone)


class LoadedModel:
    """A model that a script holds. Reading after ``unload`` loads it again."""

    def __init__(self, handle: OCRHandle) -> None:
        self.handle = handle

    @property
    def plan(self) -> str:
        return self.handle.plan()

    def load(self, sharded: bool = False) -> None:
        """Bring the weights in now, so that a model which cannot be loaded says so here and not at the
        first page.
        """
        if is_cpu_engine(self.handle.model):
            return
        settings = load_settings()
        self.handle._decide(
            settings, sharded=sharded and not settings.places.hosted
        )  # ComfyUI gives one device
        engine = self.handle._engine(settings)
        engine.load()  # type: ignore[attr-defined]

    def unload(self) -> bool:
        """Let the weights go; True when they were in memory."""
        return self.handle.release()

    def read(
        self,
        images: Any,
        task: str = "text",
        *,
        language: str = "auto",
        prompt: str = "",
        hybrid: str = "off",
        **more: Any,
    ) -> list[OCRResult]:
        """Read one picture or several: file paths, PIL images or uint8 RGB arrays. Always a list, in
        order. ``hybrid`` "lines" or "paragraphs": the built-in engine finds them, this model reads them.
        """
        from ..ocr.images import as_picture

        several = images if isinstance(images, list | tuple) else [images]
        options = ReadOptions(task=task, language=language, prompt=prompt, **more)
        from .hybrid import with_hybrid

        reader = with_hybrid(self.handle, hybrid)
        return list(reader.read([as_picture(image) for image in several], options))


def _without_flash(model: str, settings: Settings) -> str:
    """The best attention of ``model``'s family that is not flash attention; "auto" for engines without."""
    if is_cpu_engine(model):
        return "auto"
    row = catalog_row(model)
    its = family(row.family) if row else family_of_model_type(find_checkpoint(model, settings).model_type)
    others = [name for name in its.attention if name != "flash_attention_2"] if its else []
    return others[0] if others else "auto"


def _check_known(settings: Settings) -> None:
    known = model_ids()
    for name in settings.models:
        if name not in known:
            raise VramwiseError(
                f'{settings.origin} has settings for the model "{name}", which is not known.'
                f"{nearest(name, known)}"
            )
