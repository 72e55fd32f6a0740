"""What all tests share: a word for missing parts, and one real ComfyUI server for the whole run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

# What is asserted is English; a test of another language sets these itself.
for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"

ROOT = Path(__file__).resolve().parents[1]
# As a person's ComfyUI starts: with compiled modules, whatever this environment says about writing them.
BYTECODE: dict[str, str | None] = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": None}


def _require(present: object, missing: str) -> None:
    if present:
        return
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{missing} With CI=true a missing part is a failure.", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """``require(present, missing)``: go on only where ``present`` is true.

    ``missing`` is a sentence that says what is not here and how to install it. With CI=true its absence is a
    failure, on a person's machine a skip.
    """
    return _require


@pytest.fixture(scope="session")
def comfy(require: Callable[[object, str], None]) -> Iterator[ComfyServer]:
    """A real ComfyUI on the CPU with this pack, started once per test run.

    Its log stays in .comfy/test-server.log.
    """
    from devtools.comfy.server import ComfyServer, default_comfy_dir, pack_import_problem

    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    with ComfyServer(env=BYTECODE) as server:
        try:
            server.wait_ready()
            if not server.has_node("VramwiseOCR"):
                pytest.fail(f"The pack did not load: {pack_import_problem(server.log)}", pytrace=False)
            yield server
        finally:
            (ROOT / ".comfy" / "test-server.log").write_text(server.log, encoding="utf-8")


@pytest.fixture(scope="session")
def client(comfy: ComfyServer) -> ComfyClient:
    """A client of that server."""
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


@pytest.fixture(scope="session")
def comfy_has() -> Callable[[str], bool]:
    """``comfy_has("comfy.utils.ProgressBar")``: whether the ComfyUI under test has a name, read and not run.

    Where two versions differ, a test says by what, and not by a version.
    """
    from devtools.comfy.server import default_comfy_dir
    from devtools.comfy_names.tree import Checkout

    checkout = Checkout(default_comfy_dir())
    return lambda name: checkout.find(name) is not None


@pytest.fixture(scope="session")
def bytecode() -> dict[str, str | None]:
    """The environment that `comfy` starts with, for tests that start a server of their own."""
    return BYTECODE
