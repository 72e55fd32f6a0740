"""Many pages read into a folder, in a way that survives being stopped at any moment.

Names are imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_imports import from_modules

if TYPE_CHECKING:
    from .inputs import Unit, find_units
    from .job import JobOptions, Report, run_job
    from .manifest import Manifest

_HOME = {
    "JobOptions": "job",
    "Manifest": "manifest",
    "Report": "job",
    "Unit": "inputs",
    "find_units": "inputs",
    "run_job": "job",
}
__all__ = ["JobOptions", "Manifest", "Report", "Unit", "find_units", "run_job"]

__getattr__ = from_modules(__name__, _HOME)
