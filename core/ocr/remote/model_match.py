"""Which family a served model is, by its name, and what of the family holds on a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...catalog import OCRModel, ocr_models
from ...errors import UnknownName, VramwiseError, nearest
from ...families.family import Family, families, recipes
from ...families.family import family as family_row
from ...families.pictures import smart_resize
from ...families.recipes import named, taken

if TYPE_CHECKING:
    from .endpoints import Endpoint

AUTO = "auto"


def family_ids() -> list[str]:
    """Families that a chat server can serve, and the recipes of theirs."""
    return [row.id for row in (*families(), *recipes()) if row.chat]


def choose_model(endpoint: Endpoint, wished: str, listed: Mapping[str, int | None]) -> str:
    """The model to ask for: the node's, config.yaml's, or the only one that the server lists."""
    if wished or endpoint.model:
        return wished or endpoint.model
    if len(listed) == 1:
        return next(iter(listed))
    choice = (
        f"It lists {len(listed)}: {', '.join(list(listed)[:8])}. Name" if listed else "It lists none: name"
    )
    raise VramwiseError(
        f"Which model shall {endpoint.name} read with? {choice} one in the node, or as model of the endpoint "
        "in config.yaml."
    )


def choose_family(wished: str, model: str) -> Family:
    """The family or recipe ``wished``, or with "auto" the one that ``model`` is named after."""
    if wished and wished != AUTO:
        if wished not in (row.id for row in (*families(), *recipes())):
            known = family_ids()
            raise UnknownName(
                f'There is no model family "{wished}".{nearest(wished, known)} Known: {", ".join(known)}.'
            )
        return _servable(taken(family_row(wished)))
    recipe = named(model, recipes())
    if recipe is not None:
        return _servable(taken(recipe))
    name = plain(model)
    found = [(len(word), row) for row in families() for word in _names(row) if word in name]
    if not found:
        raise VramwiseError(
            f'The name "{model}" does not tell which family the served model is of. Choose one under family: '
            f"{', '.join(family_ids())}."
        )
    return _servable(max(found, key=lambda pair: pair[0])[1])


def seen(family: Family, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) to which the server's processor scales a picture sent at ``size``."""
    if not family.factor:
        return size
    return smart_resize(*size, family.factor, family.min_pixels, family.max_pixels)


def _servable(row: Family) -> Family:
    if not row.chat:
        raise VramwiseError(
            f"{row.name} is not read through a chat server: its own processor writes the prompt. Use it by "
            f"OCR Model Loader, or serve one of: {', '.join(family_ids())}."
        )
    return row


def _names(row: Family) -> Iterable[str]:
    yield from (plain(word) for word in (row.id, row.name, *row.model_types))
    for model in ocr_models():
        if model.family == row.id:
            yield from names_of(model)


def names_of(model: OCRModel) -> tuple[str, str]:
    """What a server may call a model of the catalog, as ``plain`` writes names."""
    return plain(model.id), plain(model.repo.rsplit("/", 1)[-1])


def plain(name: str) -> str:
    """A name without what people write differently."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
