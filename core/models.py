"""The names that can be loaded on this machine."""

from __future__ import annotations

from .catalog import ocr_models
from .settings import load_settings


def model_ids() -> list[str]:
    """What a selector shows: catalog ids, then the person's own checkpoints by folder name."""
    from .weights.checkpoints import local_checkpoints

    catalog = [row.id for row in ocr_models()]
    taken = {row.repo.rsplit("/", 1)[-1].lower() for row in ocr_models() if row.repo}
    own = [one.name for one in local_checkpoints(load_settings()) if one.name.lower() not in taken]
    return catalog + [name for name in own if name not in catalog]
