"""The checkpoints of a person's own, and how each is asked."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..catalog.words import in_language, said
from ..errors import VramwiseError
from .terminal import on_one_line

if TYPE_CHECKING:
    from ..families.family import Family
    from ..weights.checkpoints import Checkpoint


def own_checkpoints() -> list[tuple[Checkpoint, Family]]:
    """The checkpoints of models_dir that are none of the catalog's, each with the recipe it is asked by."""
    from ..catalog import ocr_models
    from ..models.resolved import family_of_checkpoint
    from ..settings import load_settings
    from ..weights.checkpoints import local_checkpoints

    taken = {row.repo.rpartition("/")[2].casefold() for row in ocr_models() if row.repo}
    own = [one for one in local_checkpoints(load_settings()) if one.name.casefold() not in taken]
    out = []
    for one in own:
        with contextlib.suppress(VramwiseError):  # said among the folders that cannot be loaded
            out.append((one, family_of_checkpoint(one, None)))
    return out


def own_folder(found: tuple[Checkpoint, Family]) -> dict[str, Any]:
    """One of ``own_checkpoints`` for JSON. ``recipe`` is null where nothing tells one."""
    folder, its = found
    return {
        "name": folder.name,
        "path": str(folder.path),
        "family": its.of or its.id,
        "recipe": its.id if its.of else None,
        "recipe_name": its.name,
        "licence": its.licence or None,
        "note": its.note,
    }


def own_line(found: tuple[Checkpoint, Family], lang: str) -> str:
    """One of ``own_checkpoints`` in a line of ``lang``."""
    folder, its = found
    told = said("models_own", name=on_one_line(folder.name), family=its.name, note=its.note)
    return in_language(told, lang).rstrip()
