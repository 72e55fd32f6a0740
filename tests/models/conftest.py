"""What the tests of the models share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def built() -> Callable[..., Path]:
    """``built(build, family, ...)``: the folder of a checkpoint that ``build`` of devtools makes, a skip
    where this transformers has no class for the family.
    """
    from devtools.tiny_models.build import NotHere

    def folder(build: Callable[..., Path], *about: object) -> Path:
        try:
            return build(*about)
        except NotHere as reason:
            pytest.skip(str(reason))

    return folder
