"""One real browser for all of tests/web, on the test run's one server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from devtools.comfy_server import ComfyServer
    from devtools.frontend import Frontend

Visit = Callable[..., "Frontend"]


@pytest.fixture(scope="session")
def comfy(request: pytest.FixtureRequest, require: Callable[[object, str], None]) -> Iterator[ComfyServer]:
    """The test run's server; where VRAMWISE_FRONTEND names the folder of another frontend, one with that."""
    root = os.environ.get("VRAMWISE_FRONTEND")
    if not root:
        yield request.getfixturevalue("comfy")
        return
    from devtools.comfy_server import ComfyServer

    require((Path(root) / "index.html").is_file(), f"VRAMWISE_FRONTEND is {root}, which has no index.html.")
    with ComfyServer(extra_args=["--front-end-root", root]) as server:
        server.wait_ready()
        yield server


# not for the session: while Playwright runs, nothing else in this thread can run an event loop
@pytest.fixture(scope="package")
def browser(require: Callable[[object, str], None]) -> Iterator[Frontend]:
    require(find_spec("playwright"), "Playwright is not installed: run `python dev.py test`, which does it.")
    from devtools.frontend import Frontend, FrontendError

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

    def open_with(**settings: Any) -> Frontend:
        if getattr(browser, "opened_with", None) != settings or browser.url != comfy.url:
            browser.open(comfy.url, **settings)
            browser.opened_with = settings  # type: ignore[attr-defined]
        return browser

    browser.console.clear()
    yield open_with
    assert browser.console == []
