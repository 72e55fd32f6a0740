"""One real browser for all of tests/web, on ComfyUI's own frontend and on the newest one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

Visit = Callable[..., "Frontend"]

ROOT = Path(__file__).resolve().parents[2]
# the newest when the lock was written, or with `dev.py test --newest` today's
NEWEST = Path(os.environ.get("VRAMWISE_TEST_TOOLS", ROOT / ".comfy")) / "frontend"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All tests on one frontend, then all on the other; a module may name its own in FRONTENDS,
    and a test by parametrize.
    """
    chosen = any(mark.args[0] == "which" for mark in metafunc.definition.iter_markers("parametrize"))
    if "which" in metafunc.fixturenames and not chosen:
        frontends = getattr(metafunc.module, "FRONTENDS", ("own", "newest"))
        metafunc.parametrize("which", frontends, indirect=True, scope="package")


@pytest.fixture(scope="package")
def which(request: pytest.FixtureRequest) -> str:
    """The frontend: "own" or "newest"."""
    return str(request.param)


@pytest.fixture(scope="session")
def newest_comfy(require: Callable[[object, str], None]) -> Iterator[ComfyServer]:
    """A second server, which serves the newest frontend. It stays, so that going to and fro costs nothing."""
    from devtools.comfy.server import ComfyServer

    require(
        (NEWEST / "index.html").is_file(),
        f"The newest frontend is not in {NEWEST}: run `python dev.py test`, which fetches it.",
    )
    with ComfyServer(extra_args=["--front-end-root", str(NEWEST)]) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="package")
def comfy(request: pytest.FixtureRequest, which: str) -> ComfyServer:
    """The test run's server with the frontend that its ComfyUI brings, or the one with the newest."""
    found: ComfyServer = request.getfixturevalue("newest_comfy" if which == "newest" else "comfy")
    return found


@pytest.fixture(scope="package")
def newest(which: str) -> bool:
    """Whether this is the newest frontend."""
    return which == "newest"


@pytest.fixture(scope="package")
def client(comfy: ComfyServer) -> ComfyClient:
    """A client of the server that the browser looks at."""
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


# not for the session: while Playwright runs, nothing else in this thread can run an event loop
@pytest.fixture(scope="package")
def browser(require: Callable[[object, str], None]) -> Iterator[Frontend]:
    require(find_spec("playwright"), "Playwright is not installed: run `python dev.py test`, which does it.")
    from devtools.comfy.browser import Frontend, FrontendError

    frontend = Frontend()
    try:
        frontend.__enter__()
    except FrontendError as missing:
        require(False, str(missing))
    yield frontend
    frontend.__exit__(None, None, None)


@pytest.fixture
def visit(browser: Frontend, comfy: ComfyServer) -> Iterator[Visit]:
    """``visit(locale="en", nodes2=False)``: the frontend of the test server, opened with these settings.

    A page that is open with the same settings is used again. Afterwards nothing in the browser's console may
    come from this pack.
    """

    def open_with(**changed: Any) -> Frontend:
        settings = {"locale": "en", "nodes2": False, **changed}
        if getattr(browser, "opened_with", None) != settings or browser.url != comfy.url:
            browser.opened_with = None  # type: ignore[attr-defined]
            browser.open(comfy.url, **settings)
            browser.opened_with = settings  # type: ignore[attr-defined]
        return browser

    browser.console.clear()
    yield open_with
    assert browser.console == []
