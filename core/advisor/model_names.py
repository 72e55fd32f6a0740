"""Which OCR, image or video model does a person mean?"""

from __future__ import annotations

from ..catalog import ocr_models
from ..catalog.diffusion import diffusion_models
from ..catalog.ranks import meant_first
from ..catalog.words import words
from ..errors import UnknownName, nearest

_MOST_OTHERS = 5


def model_name(text: str) -> str:
    """The id of the OCR, image or video model that ``text`` names, by id, name or repository; where it may be
    several ("wan2.2"), the one that people mean.

    Raises UnknownName with the nearest.
    """
    names = _names_of_models()
    found = models_meant(text)
    if not found:
        known = [*names, *(its[0] for its in names.values())]
        raise UnknownName(
            f'"{text}" is no model of the catalog.{nearest(text, known)} `vramwise models` lists them.',
            key="error_model_unknown",
            text=text,
            near=nearest(text, known),
        )
    return found[0]


def models_meant(text: str) -> list[str]:
    """The ids of all models that ``text`` may name, first the one that people mean."""
    from ..catalog.model_files.names import named_file, stem_of_file
    from ..catalog.names.models import models_named, models_worded

    names = _names_of_models()
    if found := models_named(text, names):
        return meant_first(found)
    stem = stem_of_file(text)
    if stem and (found := models_named(stem, names)):
        return meant_first(found)
    of_file = named_file(text) if stem else None
    if of_file is not None:
        return [of_file.model] if of_file.model else []
    return meant_first(models_worded(text, names))


def also_meant(text: str, lang: str = "en") -> str:
    """A sentence that names the other models that ``text`` may mean; empty where it means one."""
    names, (first, *others) = _names_of_models(), models_meant(text) or [""]
    if not others:
        return ""
    told = ", ".join(f"{names[other][0]} ({other})" for other in others[:_MOST_OTHERS])
    left = len(others) - _MOST_OTHERS
    if left > 0:
        told = words(lang)["summary_and_more"].format(names=told, count=left)
    return words(lang)["plan_also_meant"].format(text=text, name=names[first][0], others=told)


def precision_in(text: str, model: str) -> str:
    """The precision of ``model`` that a file's name says ("Q4_K_S" of "flux1-dev-Q4_K_S.gguf"), or empty."""
    from ..catalog.model_files.names import stem_of_file, written_precision

    if not stem_of_file(text):
        return ""
    found = next((one for one in diffusion_models() if one.id == model), None)
    return "" if found is None else written_precision(text, found.precisions)


def _names_of_models() -> dict[str, tuple[str, ...]]:
    """The names of each model of the catalog by its id, the one that is shown first."""
    ocr = {row.id: tuple(filter(None, (row.name, row.repo))) for row in ocr_models()}
    return {**ocr, **{model.id: (model.name,) for model in diffusion_models()}}
