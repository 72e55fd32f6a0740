"""Of which size is a model: by its files on this machine, else by what is published of it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..catalog import OCRModel, ocr_models
from ..errors import VramwiseError
from ..families.blocks import Tensor
from ..families.family import Config, Family, family, family_of_model_type
from ..families.published import published_config
from ..families.recipes import taken, with_recipe
from ..families.saved.names import by_class_names
from ..settings import Settings, load_settings

if TYPE_CHECKING:
    from ..weights.checkpoints import Checkpoint


@dataclass(frozen=True)
class ResolvedModel:
    """A model whose size is known: from its files here, else from the published architecture.

    ``tensors`` are the safetensors headers. They and ``checkpoint`` are None without files, and ``missing``
    then says why, where files were looked for.
    """

    family: Family
    config: Config
    tensors: Mapping[str, Tensor] | None = None
    checkpoint: Checkpoint | None = None
    missing: str = ""


def catalog_row(model: str) -> OCRModel | None:
    """The catalog's row of that id; None for a checkpoint of the person's own."""
    return next((row for row in ocr_models() if row.id == model), None)


def find_checkpoint(model: str, settings: Settings) -> Checkpoint:
    """The verified folder of a catalog id or of a person's own checkpoint (its folder name).

    Raises VramwiseError that lists every folder searched and the exact name expected.
    """
    from ..weights import checkpoints

    row = catalog_row(model)
    if row is not None:
        return checkpoints.locate(row, settings)
    return checkpoints.local_checkpoint(model, settings)


def resolve_published(row: OCRModel) -> ResolvedModel | None:
    """``row`` by its published architecture alone; None where none is published."""
    config = published_config(row.repo)
    return None if config is None else ResolvedModel(taken(family(row.family)), config)


def resolve_known(row: OCRModel, settings: Settings) -> ResolvedModel | None:
    """``row`` by its published architecture, else by its files on this machine; None where neither is."""
    published = resolve_published(row)
    if published is not None or not row.repo:
        return published
    try:
        return resolve(row.id, settings)
    except VramwiseError:
        return None


def resolve(model: str, settings: Settings) -> ResolvedModel:
    """The files of ``model`` on this machine, else what is published of it.

    Raises VramwiseError where neither tells the size, and for files of an unknown family.
    """
    from ..weights import checkpoint_files
    from ..weights.lora_folders import lora_tensors

    try:
        found = find_checkpoint(model, settings)
    except VramwiseError as error:
        row = catalog_row(model)
        published = None if row is None else resolve_published(row)
        if published is None and row is not None:
            raise VramwiseError(
                f"{error} Until then its size is not known: no file of core/families has the config.json of "
                f'{row.repo} under "published".'
            ) from error
        if published is None:
            raise
        return replace(published, missing=str(error))
    its = family_of_checkpoint(found, catalog_row(model))
    config = checkpoint_files.read_config(found.path)
    tensors = by_class_names(checkpoint_files.tensor_index(found.path), config)
    if found.adapter is not None:
        tensors = {**tensors, **lora_tensors(found.adapter)}
    return ResolvedModel(its, config, tensors, found)


def family_of_checkpoint(found: Checkpoint, row: OCRModel | None) -> Family:
    """The family with the recipe that the checkpoint's own words tell, or that its ``row`` of the catalog
    names. Raises VramwiseError for a model_type that no family has.
    """
    from ..weights.checkpoints import how_else
    from ..weights.own_words import own_words

    general = family_of_model_type(found.model_type)
    if general is None:
        unknown = (
            f"{found.path} is a {found.model_type} model, which VRAMwise has no family for. "
            "Its families are listed by `vramwise models`."
        )
        raise VramwiseError(" ".join((unknown, *how_else(found.name, load_settings()))))
    if row is not None:
        its = family(row.family)
        if its.of == general.id:
            return taken(its)
        if its.id == general.id:
            return taken(general)
    return with_recipe(general, own_words(found.path, name=found.name, adapter=found.adapter))
