"""Endpoints written into a config.yaml of the test's own, and pictures that are all different."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Require = Callable[[object, str], None]


@pytest.fixture(autouse=True)
def _openai(require: Require) -> None:
    require(find_spec("openai"), "The package openai is missing: python -m pip install openai.")


@pytest.fixture
def endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``endpoints(studio={"urls": [...]})`` writes config.yaml and makes it this test's."""

    def write(**entries: dict[str, Any]) -> None:
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps({"endpoints": entries}), encoding="utf-8")  # JSON is YAML
        monkeypatch.setenv("VRAMWISE_CONFIG", str(path))

    write()
    return write


@pytest.fixture
def pictures() -> Callable[..., list[Any]]:
    """``pictures(count)``: uint8 RGB arrays (48, 64, 3) of noise, the same in every run."""

    def make(count: int, height: int = 48, width: int = 64) -> list[Any]:
        chance = np.random.default_rng(7)
        return [chance.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]

    return make
