"""One adapter a way of preparing pictures and prompts."""

from __future__ import annotations

import importlib

from ....families.family import Family
from ..adapter import Adapter


def adapter_class(family: Family) -> type[Adapter]:
    """The adapter that the family's catalog row names: class FamilyAdapter of the module
    families/<adapter>.py.
    """
    module = importlib.import_module(f".{family.adapter}", __package__)
    found: type[Adapter] = module.FamilyAdapter
    return found
