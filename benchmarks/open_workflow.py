"""What our browser files add to the opening of a workflow with 50 of our nodes: milliseconds, median of 10.

The peer is the same page without them: the server's list of extensions is handed to it without ours, which is
what a deleted web/ folder gives. An opening ends with the second frame after the graph is loaded.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from devtools.comfy.browser import Frontend

ROOT = Path(__file__).resolve().parents[1]
NODES = 50
ROUNDS = 5  # of each page; every page is opened twice
KINDS = (
    "VramwiseOCRModelLoader",
    "VramwiseOCR",
    "VramwiseGPUProbe",
    "VramwiseMemoryRelease",
    "VramwiseModelAdvisor",
)
BUILD = """([kinds, count]) => {
    const { app, LiteGraph } = window
    app.graph.clear()
    for (let at = 0; at < count; at++) {
        const node = LiteGraph.createNode(kinds[at % kinds.length])
        node.pos = [(at % 10) * 420, Math.floor(at / 10) * 640]
        app.graph.add(node)
    }
    app.canvas.ds.scale = 0.35
    app.canvas.ds.offset = [200, 200]
    return JSON.stringify(app.graph.serialize())
}"""
OPEN = """async text => {
    window.app.graph.clear()
    const frame = () => new Promise(done => requestAnimationFrame(done))
    await frame()
    const begun = performance.now()
    await window.app.loadGraphData(JSON.parse(text), true, false)
    await frame()
    await frame()
    return performance.now() - begun
}"""


def without_ours(page: Page) -> None:
    """As if web/ were not there."""

    def filtered(route: Route) -> None:
        answer = route.fetch()
        kept = [script for script in answer.json() if "/vramwise/" not in script]
        route.fulfill(response=answer, body=json.dumps(kept))

    page.route("**/api/extensions", filtered)


def openings(
    frontend: Frontend, url: str, prepare: Callable[[Page], None] | None, nodes2: bool, text: str = ""
) -> tuple[list[float], str]:
    """Milliseconds of each opening, the first one left out, and the workflow that was opened."""
    frontend.open(url, nodes2=nodes2, prepare=prepare)
    text = text or str(frontend.page.evaluate(BUILD, [list(KINDS), NODES]))
    took = [float(frontend.page.evaluate(OPEN, text)) for _ in range(ROUNDS + 1)]
    return took[1:], text


def measure(url: str) -> dict[str, Any]:
    """Medians with and without, in both renderers. In turns, so that a busy machine counts for both."""
    from devtools.comfy.browser import Frontend

    found: dict[str, Any] = {}
    with Frontend() as frontend:
        for name, nodes2 in (("canvas", False), ("nodes2", True)):
            bare, text = openings(frontend, url, without_ours, nodes2)
            ours = [
                *openings(frontend, url, None, nodes2, text)[0],
                *openings(frontend, url, None, nodes2, text)[0],
            ]
            bare += openings(frontend, url, without_ours, nodes2, text)[0]
            medians = {"without_ms": statistics.median(bare), "with_ms": statistics.median(ours)}
            found[name] = {**medians, "added_ms": medians["with_ms"] - medians["without_ms"]}
    return found


def run() -> dict[str, Any]:
    """Print and return the figures."""
    from devtools.comfy.server import ComfyServer

    with ComfyServer() as server:
        server.wait_ready()
        figures = measure(server.url)
    for name, row in figures.items():
        print(name, ", ".join(f"{key} {value:.0f}" for key, value in row.items()))
    return figures
