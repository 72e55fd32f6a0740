"""The plan of an engine outside torch, in words: there is nothing to fit, only languages to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..catalog import BUILTIN, languages, ocr_model, recogniser
from ..catalog.readers import Language
from ..catalog.words import as_written, said
from ..errors import VramwiseError
from ..hardware import capabilities
from ..settings import Settings
from ..units import mib_text


def cpu_plan(model: str, ignored: Sequence[str], settings: Settings) -> Iterator[str]:
    """What an engine on the CPU will do and read here, a sentence a line, and what was asked for in vain."""
    row = ocr_model(model)
    yield said("engine_about", name=as_written(row.name), about=row.about)
    if row.engine == "rapid":
        try:
            runtime = capabilities.rapid_runtime()
        except VramwiseError as error:
            yield str(error)
            return
        name = "OpenVINO" if runtime == "openvino" else "ONNX Runtime"
        yield said("engine_runs", runtime=name, size=mib_text(row.weight_bytes or 0), source=row.source)
    yield from _languages_here(row.engine, settings)
    if ignored:
        yield said("engine_in_vain", options=", ".join(ignored))


def _languages_here(engine: str, settings: Settings) -> Iterator[str]:
    """What ``engine`` can read on this machine beyond its built-in weights, and how to add to it."""
    from ..ocr.engines.tesseract import find_traineddata
    from ..weights import find

    usable = capabilities.tesseract()
    if engine == "tesseract":
        yield said("engine_runs_tesseract", reason=usable.reason)
    own: list[Language] = []
    by_tesseract: list[Language] = []
    for lang in languages():
        if engine == "rapid" and lang.recogniser == BUILTIN:
            continue
        if engine == "rapid" and lang.recogniser:
            try:
                if find(recogniser(lang.recogniser), settings) is not None:
                    own.append(lang)
                    continue
            except VramwiseError as error:
                yield str(error)
        if usable.usable and find_traineddata([lang.tesseract], settings):
            by_tesseract.append(lang)
    if own:
        yield said("engine_recognisers", languages=_named(own))
    if by_tesseract:
        too = "" if engine == "tesseract" else "_too"
        yield said(f"engine_tesseract{too}", languages=_named(by_tesseract))
    if engine == "tesseract" and not by_tesseract:
        yield said("engine_no_data")
    if engine == "rapid" and not own and not by_tesseract:
        yield said("engine_for_russian", command=settings.command("download", "eslav"))


def _named(found: Sequence[Language]) -> Callable[[str], str]:
    """Languages by the names that a reader of English knows, and for others by their own."""
    return lambda lang: ", ".join(one.english if lang == "en" else one.name for one in found)
