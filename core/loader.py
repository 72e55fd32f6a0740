"""Handles: what a loader node passes on and a script asks to read. A handle is a spec; weights come at
first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .catalog import BUILTIN, languages, ocr_model, ocr_models, recogniser
from .errors import VramwiseError, nearest
from .hardware import capabilities
from .ocr.engine import TASKS, Engine, ReadOptions, Unwatched, Watch
from .ocr.residents import Residents
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from .ocr.result import OCRResult

DEFAULT_MODEL = "rapid"
PRECISIONS = ("auto", "fp16", "bf16", "int8", "int4")
ATTENTIONS = ("auto", "flash_attention_2", "sdpa", "eager")

_residents = Residents()


@dataclass(frozen=True)
class OCRHandle:
    """An OCR model, described and not loaded. Two equal handles share one resident engine.

    Survives every release: weights that were dropped come back at the next ``read``.
    """

    model: str = DEFAULT_MODEL
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"

    def read(
        self,
        images: Sequence[NDArray[uint8]],
        options: ReadOptions | None = None,
        watch: Watch | None = None,
    ) -> Iterator[OCRResult]:
        """One OCRResult per uint8 RGB image (height, width, 3), in order.

        Raises VramwiseError with a remedy when the model cannot run here or the options ask for the
        impossible.
        """
        options = options or ReadOptions()
        check_choice("task", options.task, TASKS)
        return self._engine(load_settings()).read(images, options, watch or Unwatched())

    def plan(self) -> str:
        """What will run and why, for a person: one sentence a line."""
        return "\n".join(_plan(self, load_settings()))

    def _engine(self, settings: Settings) -> Engine:
        row = ocr_model(self.model)
        if row.engine in ("rapid", "tesseract"):
            from .ocr.reader import CPUEngine

            return CPUEngine(row.engine, _residents, settings)
        raise VramwiseError(f"The engine {row.engine} of {row.id} is not part of this version.")


def ocr_handle(
    model: str = DEFAULT_MODEL, precision: str = "auto", attention: str = "auto", device: str = "auto"
) -> OCRHandle:
    """A checked handle; unknown names raise VramwiseError with the nearest known one."""
    ocr_model(model)
    check_choice("precision", precision, PRECISIONS)
    check_choice("attention", attention, ATTENTIONS)
    return OCRHandle(model, precision, attention, device)


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise VramwiseError when ``value`` is none of ``known``."""
    known = list(known)
    if value not in known:
        raise VramwiseError(
            f'{name} "{value}" is unknown.{nearest(value, known)} Use one of: {", ".join(known)}.'
        )


def release_all() -> int:
    """Drop every resident engine of ours that lives outside torch. Returns how many; busy ones go when they
    are done.
    """
    return _residents.release()


def resident_engines() -> list[str]:
    """Names of what is in memory now, for reports."""
    return [str(route) for route in _residents.present()]


def model_ids() -> list[str]:
    """Catalog ids in the order in which a selector shows them."""
    return [row.id for row in ocr_models()]


def _plan(handle: OCRHandle, settings: Settings) -> Iterator[str]:
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
    from .ocr.tesseract import find_traineddata
    from .weights import find

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
