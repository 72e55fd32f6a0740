"""python dev.py VERB: each verb prepares what it needs and hands on what it was given. Nothing is run."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from devtools import environment, suite
from devtools.paths import ROOT

GIVEN = {
    "demo": ["--out", "there"],
    "test": ["-k", "a word"],
    "bench": ["rapid_speed"],
    "catalog": ["--check"],
    "comfy": ["--port", "8199"],
    "workflows": ["--previews"],
    "screens": ["there", "--lang", "ru"],
    "floors": ["-k", "a word"],
    "comfy-names": ["one", "two"],
    "new-node": ["turn_the_page"],
}


@pytest.fixture
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev_of_tests", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def done(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been prepared, run or written, in order. Every call must fit what is called."""
    seen: list[str] = []

    def instead(owner: Any, name: str) -> None:
        called = inspect.signature(getattr(owner, name))

        def noted(*args: Any, **kwargs: Any) -> int:
            given = called.bind(*args, **kwargs).arguments.values()
            seen.append(" ".join([name, *(str(part) for value in given for part in _flat(value))]))
            return 0

        monkeypatch.setattr(owner, name, noted)

    from devtools import floors, lock, new_node

    for owner, name in (
        (dev, "prepare"),
        (dev, "run"),
        (suite, "run_tests"),
        (lock, "write_locks"),
        (floors, "run_floors"),
        (new_node, "write_node"),
    ):
        instead(owner, name)
    monkeypatch.setattr(dev, "comfy_environment", lambda comfy: Path("python"))
    monkeypatch.setattr(dev.signal, "signal", lambda number, how: None)
    return seen


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def test_every_verb_does_what_it_is_given(
    dev: ModuleType, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in dev.VERBS:
        done.clear()
        monkeypatch.setattr(sys, "argv", ["dev.py", verb, *GIVEN.get(verb, [])])
        assert dev.main() == 0, verb
        assert done, verb
        told = " ".join(done)
        missing = [word for word in GIVEN.get(verb, []) if word.removeprefix("--") not in told]
        assert not missing, (verb, told)


def test_what_needs_comfyui_has_it(dev: ModuleType, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = list(inspect.signature(environment.prepare).parameters)
    assert parameters[0] == "comfy"
    needing = []
    for verb in dev.VERBS:
        done.clear()
        monkeypatch.setattr(sys, "argv", ["dev.py", verb, *GIVEN.get(verb, [])])
        dev.main()
        if any(step.startswith("prepare True") for step in done):
            needing.append(verb)
    assert needing == ["demo", "test", "bench", "comfy", "workflows", "screens"]


def test_every_verb_is_named_where_the_tool_is_explained(dev: ModuleType) -> None:
    assert dev.__doc__ is not None
    assert all(verb in dev.__doc__.split("Each verb")[0] for verb in dev.VERBS)
    assert all(function.__doc__ for function, _, _ in dev.VERBS.values())
