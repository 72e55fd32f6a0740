"""What the tests of the models share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module", autouse=True)
def _libraries_out_of_the_collectors_way() -> Iterator[None]:
    """Every release of a model collects garbage; looking through all of torch and transformers each time was
    three quarters of these tests. What is made after this is collected as ever.
    """
    gc.freeze()
    yield
    gc.unfreeze()
