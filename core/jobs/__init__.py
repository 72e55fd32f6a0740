"""Many pages read into a folder, in a way that survives being stopped at any moment.

Names are imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_imports import from_modules

if TYPE_CHECKING:
    from .inputs import JobPage, find_pages
    from .job import JobOptions, JobReport, run_job
    from .manifest import Manifest

_HOME = {
    "JobOptions": "job",
    "Manifest": "manifest",
    "JobReport": "job",
    "JobPage": "inputs",
    "find_pages": "inputs",
    "run_job": "job",
}
__all__ = ["JobOptions", "JobPage", "JobReport", "Manifest", "find_pages", "run_job"]

__getattr__ = from_modules(__name__, _HOME)
