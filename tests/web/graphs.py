"""Small graphs built in the page, and where to look. Not a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from devtools.frontend import Frontend

BUILD = """([nodes, links]) => {
    const { app, LiteGraph } = window
    app.graph.clear()
    const made = {}
    for (const [name, type, pos, values] of nodes) {
        const node = LiteGraph.createNode(type)
        node.pos = pos
        app.graph.add(node)
        for (const [key, value] of Object.entries(values)) {
            const widget = node.widgets.find(one => one.name === key)
            widget.value = value
            widget.callback?.(value)
        }
        made[name] = node
    }
    for (const [from, slot, to, input] of links)
        made[from].connect(slot, made[to], made[to].inputs.findIndex(one => one.name === input))
    app.canvas.deselectAll()
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [110, 130]
    app.canvas.setDirty(true, true)
    return Object.fromEntries(Object.entries(made).map(([name, node]) => [name, Number(node.id)]))
}"""
SET = """([id, name, value]) => {
    const widget = window.app.graph.getNodeById(id).widgets.find(one => one.name === name)
    widget.value = value
    widget.callback?.(value)
}"""
SHOWN = "([id, output]) => window.app.graph.getNodeById(id).onExecuted(output)"
SAMPLE = "vramwise_sample.png"
# of the frontend that ComfyUI 0.3.75 brings, and of newer ones
TAB_BUTTON = ".vramwise-tab-button, [data-testid=vramwise-tab-button]"
MENU_BUTTON = ".comfy-menu-button-wrapper, .comfyui-logo-wrapper, button:has(.comfyui-logo)"

Node = tuple[str, str, tuple[int, int], Mapping[str, Any]]
Link = tuple[str, int, str, str]


def build(frontend: Frontend, nodes: Sequence[Node], links: Sequence[Link] = ()) -> dict[str, int]:
    """Replace the graph: nodes are (name, type, position, widget values), links (from, slot, to, input).
    Answers the nodes' ids by name.
    """
    return dict(frontend.page.evaluate(BUILD, [list(map(list, nodes)), list(map(list, links))]))


def set_widget(frontend: Frontend, node: int, name: str, value: Any) -> None:
    frontend.page.evaluate(SET, [node, name, value])


def give(frontend: Frontend, node: int, output: Mapping[str, Any]) -> None:
    """Hand a node what a run of it would have shown."""
    frontend.page.evaluate(SHOWN, [node, output])


def texts(found: Locator) -> list[str]:
    return [text.strip() for text in found.all_inner_texts()]
