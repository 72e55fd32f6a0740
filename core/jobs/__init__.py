"""Many pages read into a folder, in a way that survives being stopped at any moment.

Names are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
