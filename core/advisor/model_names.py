"""Which OCR, image or video model does a person mean?"""

from __future__ import annotations

from ..catalog import ocr_models
from ..catalog.diffusion import diffusion_models
from ..catalog.names.models import models_named
from ..catalog.ranks import meant_first
from ..catalog.words import words
from ..errors import UnknownName, nearest


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
    return meant_first(models_named(text, _names_of_models()))


def also_meant(text: str, lang: str = "en") -> str:
    """A sentence that names the other models that ``text`` may mean; empty where it means one."""
    names, (first, *others) = _names_of_models(), models_meant(text) or [""]
    if not others:
        return ""
    told = [f"{names[other][0]} ({other})" for other in others]
    return words(lang)["plan_also_meant"].format(text=text, name=names[first][0], others=", ".join(told))


def _names_of_models() -> dict[str, tuple[str, ...]]:
    """The names of each model of the catalog by its id, the one that is shown first."""
    ocr = {row.id: tuple(filter(None, (row.name, row.repo))) for row in ocr_models()}
    return {**ocr, **{model.id: (model.name,) for model in diffusion_models()}}
