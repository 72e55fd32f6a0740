"""A workflow as a few lines of Python, drawn by the real frontend into the file that ComfyUI opens.

    page = Drawing("read_text")
    page.note("Read the text of a picture", "Press **Run**.", width=660, height=140)
    picture = page.node("LoadImage", "1. Your picture", image="vramwise_sample.png")
    page.node("VramwiseOCR", "2. Read", column=1, image=picture["IMAGE"], language="auto")
    frontend_drawn = draw(frontend, page)

An input is given a value, or an output of an earlier node. Nodes stand in columns, each at least as high as
the frontend makes it, with room for the panel that it gets when it has run. Numbered titles mark the nodes
that a person changes; they are coloured. Because the frontend makes the nodes, a file always fits them as
they are now.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend, Workflow

GAP_X, GAP_Y = 50, 60  # the title bar of a node stands in the gap above it
NOTE_COLOURS = ("#432", "#653")
STEP_COLOURS = ("#2a363b", "#3f5159")
OURS = "Vramwise"
# The panel that web/vramwise.js puts on a node, and the room in pixels that it may take. Its height depends
# on what the server has answered, so it is not measured.
PANEL = "vramwise_panel"
PANELS = {
    "VramwiseOCR": 300,
    "VramwiseOCRScore": 240,
    "VramwiseModelAdvisor": 300,
    "VramwiseMemoryRelease": 150,
    "VramwiseOCRModelLoader": 140,
    "VramwiseGPUProbe": 170,
}

DRAW = """async spec => {
    const { app, LiteGraph } = window
    await app.loadGraphData({ last_node_id: 0, last_link_id: 0, nodes: [], links: [], version: 0.4 })
    const graph = app.graph
    const made = []
    for (const part of spec.nodes) {
        const node = LiteGraph.createNode(part.type)
        if (!node) throw new Error(`there is no node ${part.type}`)
        graph.add(node)
        node.title = part.title
        for (const [name, value] of Object.entries(part.values)) {
            const widget = name ? node.widgets.find(widget => widget.name === name) : node.widgets[0]
            if (!widget) throw new Error(`${part.type} has no widget ${name}`)
            if (part.ours && widget.type === 'combo' && !widget.options.values.includes(value))
                throw new Error(`${name} of ${part.type} cannot be ${value}`)
            widget.value = value
        }
        const fixed = (node.widgets ?? []).find(widget => widget.name === 'control_after_generate')
        if (fixed) fixed.value = 'fixed'
        if (part.colours) [node.color, node.bgcolor] = part.colours
        made.push(node)
    }
    spec.nodes.forEach((part, at) => {
        for (const [name, [from, output]] of Object.entries(part.links)) {
            const slot = made[from].outputs.findIndex(widget => widget.name === output)
            const input = made[at].inputs.findIndex(widget => widget.name === name)
            if (slot < 0 || input < 0)
                throw new Error(`no ${output} of ${made[from].type}, or no ${name} of ${part.type}`)
            if (!made[from].connect(slot, made[at], input))
                throw new Error(`${output} does not go into ${name} of ${part.type}`)
        }
    })
    const tops = spec.columns.map(column => column.top)
    spec.nodes.forEach((part, at) => {
        const node = made[at]
        const panel = (node.widgets ?? []).findIndex(widget => widget.name === spec.panel)
        const kept = panel < 0 ? [] : node.widgets.splice(panel, 1)
        const wanted = Math.max(part.height, node.computeSize()[1] + part.panel)
        node.widgets?.push(...kept)
        const width = part.width ?? spec.columns[part.column].width
        node.setSize([width, Math.ceil(wanted / 10) * 10])
        node.pos = part.note ? [0, 0] : [spec.columns[part.column].left, tops[part.column]]
        if (!part.note) tops[part.column] += node.size[1] + spec.gap
    })
}"""
ENCLOSE = """([ids, name, exposed]) => {
    const graph = window.app.graph
    const inner = graph.nodes.filter(node => ids.includes(Number(node.id)))
    const { subgraph, node } = graph.convertToSubgraph(new Set(inner))
    subgraph.name = name
    node.title = name
    node.properties.proxyWidgets = exposed.map(([id, widget]) => [String(id), widget])
    return Number(node.id)
}"""


class Node:
    """A node that was put on a drawing; `node["IMAGE"]` is its output of that name."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getitem__(self, output: str) -> Output:
        return Output(self, output)


@dataclass(frozen=True)
class Output:
    node: Node
    name: str


@dataclass
class Drawing:
    """A workflow under construction. `widths` are those of its columns in pixels, from the left."""

    name: str
    widths: Sequence[int] = (310, 310, 310)
    parts: list[dict[str, Any]] = field(default_factory=list)
    note_size: tuple[int, int] = (0, 0)

    def note(self, title: str, text: str, width: int, height: int) -> None:
        """A note in the upper left corner; the columns below it begin under it."""
        self.note_size = (width, height)
        self._put("MarkdownNote", title, {"": text}, {}, 0, NOTE_COLOURS, width, height)["note"] = True

    def node(self, type: str, title: str, column: int = 0, tall: int = 0, **inputs: Any) -> Node:
        """A node under the last one of its column, at least `tall` pixels high."""
        links = {name: value for name, value in inputs.items() if isinstance(value, Output)}
        values = {name: value for name, value in inputs.items() if name not in links}
        colours = STEP_COLOURS if title[:1].isdigit() else None
        self._put(type, title, values, links, column, colours, None, tall)
        return Node(len(self.parts) - 1)

    def _put(
        self,
        type: str,
        title: str,
        values: dict[str, Any],
        links: dict[str, Output],
        column: int,
        colours: tuple[str, str] | None,
        width: int | None,
        height: int,
    ) -> dict[str, Any]:
        part = {
            "type": type,
            "title": title,
            "values": values,
            "links": {name: [value.node.number, value.name] for name, value in links.items()},
            "column": column,
            "colours": colours,
            "width": width,
            "height": height,
            "panel": PANELS.get(type, 0),
            "note": False,
            "ours": type.startswith(OURS),
        }
        self.parts.append(part)
        return part

    def spec(self) -> dict[str, Any]:
        """What the page's script draws."""
        columns, left = [], 0
        for width in self.widths:
            top = self.note_size[1] + GAP_Y if left < self.note_size[0] else 0
            columns.append({"left": left, "top": top, "width": width})
            left += width + GAP_X
        return {"nodes": self.parts, "columns": columns, "gap": GAP_Y, "panel": PANEL}


def draw(frontend: Frontend, drawing: Drawing) -> Workflow:
    """The workflow as the frontend saves it, without what differs from one save to the next."""
    frontend.page.evaluate(DRAW, drawing.spec())
    return tidied(frontend.serialize(), drawing.name)


@dataclass(frozen=True)
class Blueprint:
    """A part of a drawing as one node for other graphs, with the widgets that it shows.

    `nodes` are the inner ones; what is linked to others becomes the inputs and outputs. `exposed` names
    widgets of inner nodes.
    """

    name: str
    drawing: Drawing
    nodes: Sequence[Node]
    exposed: Sequence[tuple[Node, str]]


def draw_blueprint(frontend: Frontend, blueprint: Blueprint) -> Workflow:
    """The file for subgraphs/: one node, and the graph that is in it."""
    frontend.page.evaluate(DRAW, blueprint.drawing.spec())
    ids = [node.number + 1 for node in blueprint.nodes]
    exposed = [[node.number + 1, widget] for node, widget in blueprint.exposed]
    outer = frontend.page.evaluate(ENCLOSE, [ids, blueprint.name, exposed])
    whole = tidied(frontend.serialize(), blueprint.name)
    node = next(candidate for candidate in whole["nodes"] if candidate["id"] == outer)
    (graph,) = whole["definitions"]["subgraphs"]
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vramwise/{blueprint.name}"))
    graph["id"] = node["type"] = identity
    for slot in node.get("inputs", []):
        slot["link"] = None
    for slot in node.get("outputs", []):
        slot["links"] = None
    node.update(id=1, pos=[0, 0], order=0)
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "definitions": {"subgraphs": [graph]},
        "version": 0.4,
    }


def tidied(saved: Workflow, name: str) -> Workflow:
    """A saved graph without versions, view and random ids, positions as whole numbers."""
    kept = {key: saved[key] for key in ("last_node_id", "last_link_id", "nodes", "links", "groups")}
    if saved.get("definitions"):
        kept["definitions"] = saved["definitions"]
        for number, graph in enumerate(saved["definitions"]["subgraphs"]):
            for slot in (*graph["inputs"], *graph["outputs"]):
                slot["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vramwise/{name}/{number}/{slot['name']}"))
            graph["extra"] = {}
            _tidy_nodes(graph["nodes"])
    _tidy_nodes(kept["nodes"])
    return {"revision": 0, **kept, "config": {}, "version": saved["version"], "extra": {}}


def _tidy_nodes(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        node["pos"] = [round(value) for value in node["pos"]]
        node["size"] = [round(value) for value in node["size"]]
        properties = {} if node["type"] == "MarkdownNote" else {"Node name for S&R": node["type"]}
        if "proxyWidgets" in node["properties"]:
            properties = {"proxyWidgets": node["properties"]["proxyWidgets"]}
        else:
            properties["cnr_id"] = "vramwise" if node["type"].startswith(OURS) else "comfy-core"
        node["properties"] = properties
        node.pop("showAdvanced", None)
