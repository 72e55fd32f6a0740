"""Pictures of what a person sees first, to be looked at: the template browser, each example opened and run,
panels, help pages, sidebar, search and settings, as they are at 1440 x 900.

    python dev.py screens FOLDER                                   in English, ComfyUI's own frontend
    python dev.py screens FOLDER --lang ru --frontend DIR --nodes2
    python dev.py screens FOLDER --only help,sidebar

Nothing of it is kept in the project; the pictures of docs/screens are made by `dev.py workflows --previews`
and, of the panels, by tests/web/test_panels.py with VRAMWISE_SCREENS set.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devtools.comfy.browser import Frontend, FrontendError
from devtools.comfy.server import ComfyServer, ComfyServerError
from devtools.workflows.export import NAMES, read_workflow, workflow_files

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = 1440, 900
# of the frontend that ComfyUI 0.3.75 brings, and of newer ones
TAB = ".vramwise-tab-button, [data-testid=vramwise-tab-button]"
EXECUTE = "id => { window.app.extensionManager.command.execute(id) }"
NARROW = """() => document.querySelectorAll('.side-bar-panel, .p-splitterpanel').forEach(one => {
    if (one.querySelector('.node-help-content, .vw-sidebar')) one.style.flexBasis = '300px'
})"""
ALONE = """type => {
    const { app, LiteGraph } = window
    app.clean()
    const node = LiteGraph.createNode(type)
    node.pos = [620, 220]
    app.graph.add(node)
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [0, 0]
    app.canvas.selectNode(node)
}"""
FETCHED = """async title => {
    const asked = await fetch(`/api/workflow_templates/vramwise/${encodeURIComponent(title)}.json`)
    return await asked.json()
}"""
HELPED = ("VramwiseOCR", "VramwiseOCRModelLoader", "VramwiseModelAdvisor", "VramwiseSaveText")
RUNNING = ("read_text", "translate_a_poster", "what_can_my_gpu_run", "pdf_to_markdown")


class Screens:
    """One page and where its pictures go. Each method makes some of them."""

    def __init__(self, frontend: Frontend, folder: Path, lang: str) -> None:
        self.frontend, self.folder, self.lang = frontend, folder, lang

    @property
    def page(self) -> Page:
        return self.frontend.page

    def keep(self, name: str, milliseconds: int = 700) -> None:
        self.page.wait_for_timeout(milliseconds)
        self.page.screenshot(path=self.folder / f"{name}.png")
        print(self.folder / f"{name}.png", flush=True)

    def templates(self) -> None:
        self.page.evaluate(EXECUTE, "Comfy.BrowseTemplates")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text(re.compile("^vramwise$", re.IGNORECASE)).first.click()
        dialog.locator("[data-testid^='template-workflow-'] img").first.wait_for()
        self.keep("templates", 2500)
        self.page.keyboard.press("Escape")

    def workflows(self) -> None:
        for workflow in workflow_files():
            name = NAMES[workflow.stem]
            self.frontend.load_workflow(self.told(workflow), workflow.stem)
            self.keep(f"workflow_{name}", 2000)
            if name not in RUNNING:
                continue
            try:
                self.frontend.run_and_wait()
                self.frontend.wait_for_pictures()
            except FrontendError as problem:
                print(f"{name}: {problem}", flush=True)
            self.keep(f"workflow_{name}_ran", 2000)

    def told(self, workflow: Path) -> Any:
        """The example as the template browser opens it: in the language of the page."""
        words = workflow.parent / "words" / f"{self.lang}.json"
        if not words.is_file():
            return read_workflow(workflow)
        title = json.loads(words.read_text(encoding="utf-8"))["examples"][workflow.stem]["title"]
        return self.page.evaluate(FETCHED, title)

    def help(self) -> None:
        for kind in HELPED:
            self.page.evaluate(ALONE, kind)
            self.page.get_by_test_id("info-button").dispatch_event("click")
            self.page.locator(".node-help-content").wait_for()
            self.page.evaluate(NARROW)
            self.keep(f"help_{kind}")
        self.page.evaluate("() => window.app.clean()")

    def sidebar(self) -> None:
        self.page.locator(TAB).click()
        self.page.locator(".vw-fits h4").first.wait_for()
        self.keep("sidebar")
        self.page.locator(".vw-fits input[type=text]").fill("RTX 4060 Ti")
        self.page.keyboard.press("Enter")
        self.page.get_by_text("8 G").first.wait_for()
        self.page.locator(".vw-fits > details > summary").click()
        self.page.evaluate(NARROW)
        self.keep("sidebar_card", 1500)
        self.page.locator(TAB).click()

    def loader(self) -> None:
        for model in ("rapid", "qwen3_vl_2b"):
            self.page.evaluate(ALONE, "VramwiseOCRModelLoader")
            self.page.evaluate(
                """model => {
                    const widget = window.app.graph.nodes[0].widgets.find(one => one.name === 'model')
                    widget.value = model
                    widget.callback?.(model)
                }""",
                model,
            )
            self.page.locator(".vw-loader tr").first.wait_for()
            self.keep(f"loader_{model}", 1500)
        self.page.evaluate("() => window.app.clean()")

    def search(self) -> None:
        self.page.evaluate("() => window.app.clean()")
        self.page.mouse.dblclick(900, 700)
        self.page.keyboard.type("vramwise", delay=30)
        self.keep("search", 1500)
        self.page.keyboard.press("Escape")

    def settings(self) -> None:
        self.page.evaluate(EXECUTE, "Comfy.ShowSettingsDialog")
        self.page.get_by_role("dialog").get_by_text("VRAMwise", exact=True).first.click()
        self.keep("settings")
        self.page.keyboard.press("Escape")


PARTS: dict[str, Callable[[Screens], Any]] = {
    name: getattr(Screens, name)
    for name in ("search", "loader", "help", "sidebar", "settings", "templates", "workflows")
}


def look(url: str, folder: Path, lang: str, nodes2: bool, parts: list[str]) -> int:
    """Make the pictures of these parts; answers how many parts could not be pictured."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    with Frontend(*SIZE, timeout_s=40) as frontend:
        for part in parts:
            frontend.open(url, locale=lang, nodes2=nodes2)
            try:
                PARTS[part](Screens(frontend, folder, lang))
            except Exception as problem:  # the other parts are still worth a look
                frontend.page.screenshot(path=folder / f"failed_{part}.png")
                print(f"{part}: {problem}", file=sys.stderr, flush=True)
                failed += 1
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py screens", description="Pictures of what a person sees.")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--lang", default="en", help="en, ru or zh")
    parser.add_argument("--nodes2", action="store_true", help="in Nodes 2.0")
    parser.add_argument("--frontend", type=Path, help="a frontend's folder in place of ComfyUI's own")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of: {', '.join(PARTS)}")
    args = parser.parse_args()
    parts = args.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"--only takes {', '.join(PARTS)}, not {', '.join(unknown)}")
    root = ["--front-end-root", str(args.frontend.resolve())] if args.frontend else []
    try:
        with ComfyServer(extra_args=root) as server:
            server.wait_ready()
            return min(1, look(server.url, args.folder, args.lang, args.nodes2, parts))
    except (ComfyServerError, FrontendError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
