"""Drive the real ComfyUI frontend of a running server in a headless Chromium, by Playwright.

    with Frontend() as frontend:
        frontend.open(server.url, locale="ru")
        frontend.load_workflow(ui)
        frontend.run_and_wait()

Nothing outside 127.0.0.1 can be reached from the page. Playwright's own browser is used where it is
installed, else a Chromium or Chrome of the system.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, FloatRect, Page, Request, ViewportSize

Workflow = dict[str, Any]

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # faster than a route of Playwright's, which hears of each of the frontend's several hundred files
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # else the first visit opens the template browser by itself
    "Comfy.Workflow.Persist": False,  # else a default workflow comes into the graph after the start
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.VersionCompatibility.DisableWarnings": True,
    "Comfy.Workflow.ShowMissingModelsWarning": False,  # a dialog over the page
}

STORED = "cookies,indexeddb,local_storage,service_workers,cache_storage"
READY = """type => !!(window.app && window.app.graph && window.app.extensionManager
    && window.LiteGraph && window.LiteGraph.registered_node_types[type])"""
WATCH_RUNS = """() => {
    window.vramwiseRuns = {}
    for (const end of ['execution_success', 'execution_error', 'execution_interrupted'])
        window.app.api.addEventListener(end, event => {
            window.vramwiseRuns[event.detail.prompt_id] = { end, detail: event.detail }
        })
}"""
LOAD = """async ([ui, name]) => {
    await window.app.loadGraphData(ui, true, true, name)
}"""
BOUNDS = """([ids, margin]) => {
    const boxes = window.app.graph.nodes.filter(node => !ids || ids.includes(Number(node.id)))
        .map(node => node.getBounding())
    if (!ids) boxes.push(...window.app.graph.groups.map(group => [...group.pos, ...group.size]))
    const left = Math.min(...boxes.map(box => box[0])) - margin
    const top = Math.min(...boxes.map(box => box[1])) - margin
    const right = Math.max(...boxes.map(box => box[0] + box[2])) + margin
    const bottom = Math.max(...boxes.map(box => box[1] + box[3])) + margin
    return [left, top, right - left, bottom - top]
}"""
LOOK_AT = """([left, top, scale]) => {
    const canvas = window.app.canvas
    canvas.deselectAll()
    canvas.ds.scale = scale
    canvas.ds.offset = [-left, -top]
    canvas.setDirty(true, true)
}"""
# Twenty frames in a row in which no widget moved.
STILL = """() => new Promise(done => {
    let last = '', same = 0
    const look = () => {
        const widgets = document.querySelectorAll('.dom-widget, [data-node-id]')
        const now = JSON.stringify([...widgets].map(widget => widget.getBoundingClientRect()))
        same = now === last ? same + 1 : 0
        last = now
        same < 20 ? requestAnimationFrame(look) : done()
    }
    look()
})"""
OPENS_MS = 300_000
FOCUS_MODE = "id => window.app.extensionManager.command.execute(id)"


class FrontendError(RuntimeError):
    """The page did not do what was asked. The message says what it showed instead."""


def chromium_path(playwright: Any) -> str | None:
    """The browser to start: VRAMWISE_CHROMIUM, Playwright's own, one on PATH, or None."""
    found = (os.environ.get("VRAMWISE_CHROMIUM"), playwright.chromium.executable_path)
    return next((path for path in found if path and Path(path).is_file()), None) or next(
        filter(None, map(shutil.which, PROGRAMS)), None
    )


class Frontend:
    """A browser with one page, as a context manager. `open` may be called again for other settings.

    `console` holds what this pack is answerable for: errors and warnings, uncaught ones too, that come from
    its files or name it. `refused` is every address outside 127.0.0.1 that the page asked for in vain.
    """

    def __init__(self, width: int = 1600, height: int = 900, timeout_s: float = 120.0) -> None:
        self.size: ViewportSize = {"width": width, "height": height}
        self.timeout_ms = timeout_s * 1000
        self.console: list[str] = []
        self.refused: list[str] = []
        self.url = ""

    def __enter__(self) -> Frontend:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        try:
            program = chromium_path(self._playwright)
            if program is None:
                raise FrontendError(
                    "There is no Chromium. Install one (apt-get install chromium, or "
                    "python -m playwright install chromium), or name one in VRAMWISE_CHROMIUM."
                )
            self._browser = self._playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
            # one for all pages: the frontend's files come from its cache the second time
            self._context = self._browser.new_context(viewport=self.size)
            self.page: Page = self._new_page()
        except BaseException:
            self._playwright.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    def _new_page(self, size: tuple[int, int] | None = None) -> Page:
        page = self._context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]} if size else self.size)
        page.set_default_timeout(self.timeout_ms)
        page.on("requestfailed", self._failed)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._keep("uncaught", f"{error.message}\n{error.stack}", ""))
        return page

    def _forget(self, url: str) -> None:
        """What a page of this server has stored in the browser; the cache of files stays."""
        self._context.clear_cookies()
        self._context.clear_permissions()
        session = self._context.new_cdp_session(self.page)
        session.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": STORED})
        session.detach()

    def _failed(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            self.refused.append(request.url)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._keep(message.type, message.text, message.location.get("url", ""))

    def _keep(self, kind: str, text: str, source: str) -> None:
        if "api.comfy.org" in text or source.endswith("/en.md"):
            return  # habits of the frontend: it asks its registry about every node, and for en.md first
        if "/extensions/vramwise/" in source or "vramwise" in text.lower():
            self.console.append(f"{kind}: {text} ({source})")

    def open(
        self,
        url: str,
        locale: str = "en",
        nodes2: bool = False,
        prepare: Callable[[Page], None] | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Open the server's page with these settings and wait until this pack's nodes are there.

        The settings are stored on the server, for its one user. The page is a fresh one: nothing that an
        earlier one had open or kept is left. `prepare` sees it before it goes anywhere; `size` is its width
        and height where it is not the browser's.
        """
        self.url = url
        chosen = {**SETTINGS, "Comfy.Locale": locale, "Comfy.VueNodes.Enabled": nodes2}
        request = urllib.request.Request(
            f"{url}/settings", json.dumps(chosen).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=300).close()
        self.page.close()
        self.page = self._new_page(size)
        self._forget(url)
        if prepare is not None:
            prepare(self.page)
        self.page.set_default_timeout(OPENS_MS)  # several hundred files
        self.page.goto(url)
        self.page.wait_for_function(READY, arg="VramwiseOCR")
        self.page.locator("[data-testid=queue-button]").wait_for()
        self.page.set_default_timeout(self.timeout_ms)
        self.page.evaluate(WATCH_RUNS)

    def load_workflow(self, ui: Workflow, name: str = "workflow") -> None:
        """Put a workflow (UI format) into the canvas. Raises FrontendError where node types are missing."""
        self.page.evaluate(LOAD, [ui, name])
        self.page.wait_for_function("n => window.app.graph.nodes.length === n", arg=len(ui["nodes"]))
        if missing := self.missing_nodes():
            raise FrontendError(f"The workflow has nodes that this server does not: {', '.join(missing)}.")

    def missing_nodes(self) -> list[str]:
        """Types of nodes in the graph that the frontend does not know."""
        return list(
            self.page.evaluate(
                """() => window.app.graph.nodes.map(node => node.type)
                    .filter(type => !window.LiteGraph.registered_node_types[type])"""
            )
        )

    def serialize(self) -> Workflow:
        """The graph as the frontend would save it."""
        return self._as_json("window.app.graph.serialize()")

    def prompt_of_graph(self) -> dict[str, Any]:
        """The graph in API format, as pressing Run would send it."""
        return self._as_json("(await window.app.graphToPrompt()).output")

    def _as_json(self, expression: str) -> dict[str, Any]:
        # through text: Playwright makes null of an undefined member, which the frontend then refuses to open
        return dict(json.loads(self.page.evaluate(f"async () => JSON.stringify({expression})")))

    def widgets(self) -> dict[str, dict[str, Any]]:
        """Node id -> widget name -> value, of the graph that is open."""
        return self._as_json(
            """Object.fromEntries(window.app.graph.nodes.map(node =>
                [node.id, Object.fromEntries((node.widgets ?? []).map(w => [w.name, w.value]))]))"""
        )

    def toasts(self) -> list[str]:
        """What the pop-up messages on the page say now."""
        return self.page.locator(".p-toast-message").all_inner_texts()

    def run_and_wait(self, timeout_s: float = 600.0) -> str:
        """Press Run and wait for the end; answers the prompt's id.

        Raises FrontendError unless the server takes the workflow and the run succeeds.
        """
        with self.page.expect_response(
            lambda reply: urlsplit(reply.url).path == "/api/prompt" and reply.request.method == "POST"
        ) as posted:
            # since 1.4x of the frontend the mark is on the button itself
            self.page.locator(
                "[data-testid=queue-button] button, button[data-testid=queue-button]"
            ).first.click()
        answer = posted.value.json()
        if posted.value.status != 200 or answer.get("node_errors"):
            raise FrontendError(f"The server refused the workflow: {json.dumps(answer)[:2000]}")
        prompt_id = str(answer["prompt_id"])
        self.page.wait_for_function("id => window.vramwiseRuns[id]", arg=prompt_id, timeout=timeout_s * 1000)
        run = self.page.evaluate("id => window.vramwiseRuns[id]", prompt_id)
        if run["end"] != "execution_success":
            raise FrontendError(f"{run['end']}: {run['detail'].get('exception_message', '')}")
        return prompt_id

    def wait_for_pictures(self) -> None:
        """Wait until every preview on the canvas is loaded, and the canvas is drawn with it."""
        self.page.wait_for_function(
            """() => window.app.graph.nodes.every(node => {
                const shown = window.app.nodeOutputs?.[node.id]?.images
                const drawn = node.imgs?.length ? node.imgs  // else Nodes 2.0: one of them as an element
                    : [...document.querySelectorAll(`[data-node-id="${node.id}"] img`)]
                return !shown?.length || drawn.some(image => image.complete && image.naturalWidth)
            })"""
        )
        self.page.evaluate("() => window.app.canvas.setDirty(true, true)")
        self.page.evaluate(STILL)

    def show_graph_only(self) -> None:
        """Hide the frontend's menus (its focus mode), so that only the graph is seen, until `open`."""
        self.page.evaluate(FOCUS_MODE, "Workspace.ToggleFocusMode")
        self.page.add_style_tag(
            content=".comfy-menu-hamburger, .p-buttongroup, .p-toast { display: none !important }"
        )

    def look_at(
        self, node_ids: Iterable[int] | None = None, scale: float | None = None, margin: float = 30
    ) -> FloatRect:
        """Move these nodes (all and frames, unless named) to the upper left; answers their box in the page.

        Without `scale` they are fitted to the view, at most at 100 %. The box suits `screenshot`'s `clip`.
        """
        ids = sorted(node_ids) if node_ids is not None else None
        left, top, width, height = self.page.evaluate(BOUNDS, [ids, margin])
        if scale is None:
            scale = min(self.size["width"] / width, self.size["height"] / height, 1.0)
        self.page.evaluate(LOOK_AT, [left, top, scale])
        self.page.evaluate(STILL)  # DOM widgets follow the canvas a moment later
        return {
            "x": 0.0,
            "y": 0.0,
            "width": min(width * scale, self.size["width"]),
            "height": min(height * scale, self.size["height"]),
        }

    def screenshot(self, path: Path | None = None, clip: FloatRect | None = None) -> bytes:
        """A picture of the page as PNG; `clip` is a box of the page such as `look_at` answers."""
        return self.page.screenshot(path=path, clip=clip)
