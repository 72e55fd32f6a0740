"""The plan of an engine outside torch, in words: there is nothing to fit, only languages to find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..catalog import BUILTIN, languages, ocr_model, recogniser
from ..errors import VramwiseError
from ..hardware import capabilities
from ..settings import Settings
from ..units import mib_text


def cpu_plan(model: str, ignored: Sequence[str], settings: Settings) -> Iterator[str]:
    """What an engine on the CPU will do and read here, a sentence a line, and what was asked for in vain."""
    row = ocr_model(model)
    yield f"{row.name}: {row.about}."
    if row.engine == "rapid":
        try:
            runtime = capabilities.rapid_runtime()
        except VramwiseError as error:
            yield str(error)
            return
        size = f"weights {mib_text(row.weight_bytes or 0)} ({row.source})"
        yield f"Runs on the CPU by {'OpenVINO' if runtime == 'openvino' else 'ONNX Runtime'}; {size}."
    yield from _languages_here(row.engine, settings)
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
