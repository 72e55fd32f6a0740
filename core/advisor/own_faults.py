"""What of a person's own rows is not used, of all their files."""

from __future__ import annotations

from ..catalog.diffusion import own_diffusion_files, own_diffusion_models
from ..catalog.gpus import own_gpus
from ..catalog.own.rows import Fault
from ..catalog.readers import own_ocr_models


def own_faults() -> tuple[Fault, ...]:
    """In the order of the files and of their lines; none where there are no such files."""
    cards, read = own_gpus().faults, own_ocr_models().faults
    return (*cards, *read, *own_diffusion_models().faults, *own_diffusion_files().faults)
