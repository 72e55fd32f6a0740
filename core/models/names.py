"""The names that can be loaded on this machine."""

from __future__ import annotations

from ..catalog import ocr_models
from ..catalog.names.models import models_named
from ..catalog.ranks import meant_first
from ..catalog.words import said
from ..errors import UnknownName, VramwiseError, nearest, nearest_name
from ..option_values import CPU_ENGINES
from ..settings import load_settings


def model_ids() -> list[str]:
    """What a selector shows: catalog ids, the person's own checkpoints by folder name, and last the folders
    that look like one and are odd: whoever chooses one is told the reason.
    """
    from ..weights.checkpoints import judged_folders

    offered, odd = judged_folders(load_settings())
    taken = {row.repo.rsplit("/", 1)[-1].lower() for row in ocr_models() if row.repo}
    names = [*(folder.name for folder in offered), *(folder.name for folder in odd)]
    own = [name for name in names if name.lower() not in taken]
    return list(dict.fromkeys([*(row.id for row in ocr_models()), *own]))


def model_id(name: str) -> str:
    """``name`` as ``model_ids`` spells it: it may also be the display name of a catalog model, in any case.

    Raises UnknownName with the nearest; VramwiseError with the reason where a folder or a .gguf file of that
    name is here and cannot be loaded.
    """
    catalog = {word.casefold(): row.id for row in ocr_models() for word in (row.name, row.id)}
    known = model_ids() if name not in catalog.values() else [name]
    if name in known:
        return name
    if str(name).strip().casefold() in catalog:
        return catalog[str(name).strip().casefold()]
    found = models_named(str(name), {row.id: (row.name, row.repo) for row in ocr_models() if row.repo})
    if found and str(name).strip() not in known:
        return meant_first(found)[0]
    from ..weights.checkpoints import why_unusable

    reason = why_unusable(str(name), load_settings())
    if reason is not None:
        raise VramwiseError(f"{reason}{nearest(name, known)}")
    near = nearest_name(name, known)
    helps = said("error_near", near=near) if near else said("error_one_of", known=", ".join(known))
    raise UnknownName(said("error_ocr_model", text=name, helps=helps))


def is_cpu_engine(model: str) -> bool:
    """Whether ``model`` runs outside torch."""
    return model in CPU_ENGINES
