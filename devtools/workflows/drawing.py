"""A workflow as a few lines of Python, drawn by the real frontend into the file that ComfyUI opens.

    page = Drawing("read_text", "Read the text of a picture", widths=(310, 340))
    page.note("Press **Run**.", height=140)
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", image="vramwise_sample.png")
    with page.group("2 Read", column=1):
        page.node("VramwiseOCR", "Read", image=picture["IMAGE"], language="auto")
    drawn_by_the_frontend = draw(frontend, page)

An input is given a value, or an output of an earlier node. Groups stand in columns, one under the other, and
nodes in groups, each at least as high as the frontend makes it, with room for the panel that it gets when it
has run. What nobody changes is drawn `with page.fold(...)`: it becomes one node, a subgraph, with the widgets
that are named. Because the frontend makes the nodes, a file always fits them as they are now.

A template opens fitted to the window: at 1440 x 900 pixels a drawing of 1440 x 900 is shown at 75 %, about
the least at which it is read without zooming; below 60 % the frontend leaves the writing out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devtools.workflows.image_models import MODELS

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend, Workflow

GAP_X, GAP_Y = 44, 40  # between columns, and from node to node: the title bar of a node stands in it
GROUP_TITLE, GROUP_MARGIN = 30, 12
TITLE_BAR = 30  # of a node, above its place
NOTE_COLOURS = ("#432", "#653")
GROUP_COLOUR = "#88b4d8"
OURS = "Vramwise"
# The panel that web/vramwise.js puts on a node, and the room in pixels that it may take. Its height depends
# on what the server has answered, so it is not measured.
PANEL = "vramwise_panel"
PANELS = {
    "VramwiseOCR": 230,
    "VramwiseOCRScore": 300,
    "VramwiseModelAdvisor": 340,
    "VramwiseMemoryRelease": 134,
    "VramwiseOCRModelLoader": 160,
    "VramwiseGPUProbe": 140,
}
LEAST_PANEL = 48  # of it, where nothing more is left
FOOTER = 40  # of a subgraph in Nodes 2.0: the button that opens it
# What a template opens at, in pixels of the window: fitted to 1440 x 900, clear of the frontend's bars.
VIEW_LEFT, VIEW_TOP, VIEW_WIDTH, VIEW_HEIGHT = 80, 130, 1330, 730

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
    const place = (node, part, width, left, top) => {
        const panel = (node.widgets ?? []).findIndex(widget => widget.name === spec.panel)
        const kept = panel < 0 ? [] : node.widgets.splice(panel, 1)
        // rows of Nodes 2.0 are higher than the canvas draws them: what a panel cannot give up is added
        const count = (node.widgets ?? []).length
        const slots = Math.max(node.outputs.length, node.inputs.filter(input => !input.widget).length)
        const below = (kept.length ? spec.leastPanel : 0) + (node.subgraph ? spec.footer : 0)
        const least = 14 * count + 3 * slots + below
        const wanted = Math.max(part.height, node.computeSize()[1] + Math.max(4 * count + part.panel, least))
        node.widgets?.push(...kept)
        node.setSize([width, Math.ceil(wanted / 2) * 2])
        node.pos = [left, top]
        if (part.collapsed) {
            node.flags.collapsed = true
            return top + 24
        }
        return top + node.size[1] + spec.gap
    }
    // the inner nodes of a fold stand beside each other, in columns of their own
    for (const fold of spec.folds) {
        const tops = {}
        fold.nodes.forEach((number, at) => {
            const column = Math.floor(at / 3)
            tops[column] = place(made[number], spec.nodes[number], 320, 370 * column, tops[column] ?? 0)
        })
        const inner = new Set(fold.nodes.map(number => made[number]))
        const { subgraph, node } = graph.convertToSubgraph(inner)
        subgraph.name = node.title = fold.title
        node.properties.proxyWidgets = fold.exposed.map(([number, widget]) => [String(number + 1), widget])
        fold.node = node
    }
    const tops = spec.columns.map(() => 0)
    const boxes = new Map()
    for (const { node: number, fold, column, group } of spec.order) {
        const { left, width } = spec.columns[column]
        const node = fold === null ? made[number] : spec.folds[fold].node
        const part = fold === null ? spec.nodes[number] : spec.folds[fold]
        if (group === null) tops[column] ||= spec.titleBar // as high as the frames beside it
        if (group !== null && !boxes.has(group)) {
            // under what stands above: the frame's title, then the first node's own
            boxes.set(group, { top: tops[column] ? tops[column] - 16 : 0, left, width })
            tops[column] = boxes.get(group).top + spec.groupTitle + 36
        }
        tops[column] = place(node, part, width, left, tops[column])
        if (group !== null) {
            const box = boxes.get(group)
            box.bottom = tops[column] - (part.collapsed ? 0 : spec.gap) + spec.groupMargin
            tops[column] = box.bottom + spec.gap
        }
    }
    for (const [title, box] of boxes) {
        const frame = new LiteGraph.LGraphGroup(title)
        frame.color = spec.groupColour
        frame.font_size = 22
        graph.add(frame)
        frame.pos = [box.left - spec.groupMargin, box.top]
        frame.size = [box.width + 2 * spec.groupMargin, box.bottom - box.top]
    }
    // saved at once: a panel whose answer comes late makes a new node as high as it wants
    return JSON.stringify({ folds: spec.folds.map(fold => Number(fold.node.id)), saved: graph.serialize() })
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
class Fold:
    """Nodes that are shown as one, a subgraph: what is linked to others becomes its inputs and outputs."""

    title: str
    height: int
    nodes: list[int] = field(default_factory=list)
    exposed: list[tuple[int, str]] = field(default_factory=list)

    def show(self, node: Node, *widgets: str) -> None:
        """Put these widgets of an inner node on the outer one, under those that are there."""
        self.exposed += [(node.number, widget) for widget in widgets]


@dataclass
class Drawing:
    """A workflow under construction. `name` is its twin's in workflows/api, `title` what the template browser
    shows and so the file's name; `widths` are those of its
    columns in pixels, from the left.
    """

    name: str
    title: str
    widths: Sequence[int] = (310, 310, 310)
    parts: list[dict[str, Any]] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    order: list[dict[str, Any]] = field(default_factory=list)
    _group: tuple[str | None, int] = (None, 0)
    _fold: Fold | None = None

    def note(self, text: str, height: int, column: int = 0) -> None:
        """What it does, what to change, which files: below a column's groups, titled as the workflow. In
        Nodes 2.0 it may be twice as high as on the canvas.
        """
        self._group = (None, column)
        self._put("MarkdownNote", self.title, {"": text}, {}, NOTE_COLOURS, height)

    @contextmanager
    def group(self, title: str, column: int = 0) -> Iterator[None]:
        """A frame with a title, a step of the way: what is drawn inside stands in it."""
        self._group = (title, column)
        yield
        self._group = (None, column)

    @contextmanager
    def fold(self, title: str, tall: int = 0) -> Iterator[Fold]:
        """What is drawn inside becomes one node, at this place."""
        made = Fold(title, tall)
        self._fold = made
        yield made
        self._fold = None
        self._place(fold=len(self.folds))
        self.folds.append(made)

    def node(
        self,
        type: str,
        title: str,
        tall: int = 0,
        panel: int | None = None,
        collapsed: bool = False,
        **inputs: Any,
    ) -> Node:
        """A node under the last one of its column, at least `tall` pixels high; `panel` pixels of them are
        its panel's, unless given as many as is usual. Of a `collapsed` one only the title is seen.
        """
        links = {name: value for name, value in inputs.items() if isinstance(value, Output)}
        values = {name: value for name, value in inputs.items() if name not in links}
        node = self._put(type, title, values, links, None, tall)
        self.parts[node.number]["collapsed"] = collapsed
        if panel is not None:
            self.parts[node.number]["panel"] = panel
        return node

    def _put(
        self,
        type: str,
        title: str,
        values: dict[str, Any],
        links: dict[str, Output],
        colours: tuple[str, str] | None,
        height: int,
    ) -> Node:
        number = len(self.parts)
        self.parts.append(
            {
                "type": type,
                "title": title,
                "values": values,
                "links": {name: [value.node.number, value.name] for name, value in links.items()},
                "colours": colours,
                "height": height,
                "panel": PANELS.get(type, 0),
                "collapsed": False,
                "ours": type.startswith(OURS),
            }
        )
        if self._fold is None:
            self._place(node=number)
        else:
            self._fold.nodes.append(number)
        return Node(number)

    def _place(self, node: int | None = None, fold: int | None = None) -> None:
        group, column = self._group
        self.order.append({"node": node, "fold": fold, "column": column, "group": group})

    def _is_note(self, placed: dict[str, Any]) -> bool:
        number = placed["node"]
        return number is not None and self.parts[number]["type"] == "MarkdownNote"

    def spec(self) -> dict[str, Any]:
        """What the page's script draws."""
        columns, left = [], 0
        for width in self.widths:
            columns.append({"left": left, "width": width})
            left += width + GAP_X
        folds = [
            {"title": one.title, "height": one.height, "panel": 0, "nodes": one.nodes, "exposed": one.exposed}
            for one in self.folds
        ]
        return {
            "nodes": self.parts,
            "folds": folds,
            "order": sorted(self.order, key=self._is_note),
            "columns": columns,
            "gap": GAP_Y,
            "panel": PANEL,
            "leastPanel": LEAST_PANEL,
            "footer": FOOTER,
            "titleBar": TITLE_BAR,
            "groupTitle": GROUP_TITLE,
            "groupMargin": GROUP_MARGIN,
            "groupColour": GROUP_COLOUR,
        }


def draw(frontend: Frontend, drawing: Drawing) -> Workflow:
    """The workflow as the frontend saves it, without what differs from one save to the next."""
    saved, _ = _drawn(frontend, drawing)
    return tidied(saved, drawing.name)


def _drawn(frontend: Frontend, drawing: Drawing) -> tuple[Workflow, list[int]]:
    """The graph as the frontend saves it, and the ids of its folds."""
    answer = json.loads(frontend.page.evaluate(DRAW, drawing.spec()))
    return answer["saved"], answer["folds"]


@dataclass(frozen=True)
class Blueprint:
    """The fold of a drawing, as one node for other graphs: what stands in subgraphs/ under `name`, with what
    the search of nodes says of it."""

    name: str
    description: str
    drawing: Drawing
    fold: int = 0


def draw_blueprint(frontend: Frontend, blueprint: Blueprint) -> Workflow:
    """The file for subgraphs/: one node, and the graph that is in it."""
    saved, folds = _drawn(frontend, blueprint.drawing)
    outer = folds[blueprint.fold]
    whole = tidied(saved, blueprint.name)
    node = next(candidate for candidate in whole["nodes"] if candidate["id"] == outer)
    graph = next(one for one in whole["definitions"]["subgraphs"] if one["id"] == node["type"])
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vramwise/{blueprint.name}"))
    graph["id"] = node["type"] = identity
    graph["name"] = node["title"] = blueprint.name
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
        "extra": {"BlueprintDescription": blueprint.description},
        "version": 0.4,
    }


def tidied(saved: Workflow, name: str) -> Workflow:
    """A saved graph without versions, view and random ids, positions as whole numbers."""
    kept = {key: saved[key] for key in ("last_node_id", "last_link_id", "nodes", "links", "groups")}
    for number, group in enumerate(kept["groups"], start=1):
        group.update(id=number, bounding=[round(value) for value in group["bounding"]], flags={})
    if saved.get("definitions"):
        kept["definitions"] = saved["definitions"]
        for number, graph in enumerate(saved["definitions"]["subgraphs"]):
            identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vramwise/{name}/{number}"))
            for node in kept["nodes"]:
                if node["type"] == graph["id"]:
                    node["type"] = identity
            graph["id"] = identity
            for slot in (*graph["inputs"], *graph["outputs"]):
                slot["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vramwise/{name}/{number}/{slot['name']}"))
            graph["extra"] = {}
            _tidy_nodes(graph["nodes"])
    _tidy_nodes(kept["nodes"])
    # Frontend 1.32.9 would make it a fifth larger in Nodes 2.0 and, fitting the view as its nodes come, move
    # them out of their frames.
    extra = {"workflowRendererVersion": "Vue-corrected", "ds": _view(kept["nodes"], kept["groups"])}
    return {"revision": 0, **kept, "config": {}, "version": saved["version"], "extra": extra}


def _view(nodes: list[dict[str, Any]], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The scale and offset at which all of it is seen."""
    boxes = [(x, y - TITLE_BAR, x + w, y + h) for (x, y), (w, h) in ((n["pos"], n["size"]) for n in nodes)]
    boxes += [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in groups)]
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
    scale = round(min(VIEW_WIDTH / (right - left), VIEW_HEIGHT / (bottom - top), 1.0), 3)
    return {"scale": scale, "offset": [round(VIEW_LEFT / scale - left), round(VIEW_TOP / scale - top)]}


def _tidy_nodes(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        node["pos"] = [round(value) for value in node["pos"]]
        node["size"] = [round(value) for value in node["size"]]
        if node.get("flags", {}).get("collapsed"):
            node["size"][1] = TITLE_BAR  # Nodes 2.0 of frontend 1.32.9 keeps the height of what is folded
        properties = {} if node["type"] == "MarkdownNote" else {"Node name for S&R": node["type"]}
        if "proxyWidgets" in node["properties"]:
            properties = {"proxyWidgets": node["properties"]["proxyWidgets"]}
        else:
            properties["cnr_id"] = "vramwise" if node["type"].startswith(OURS) else "comfy-core"
        if node["type"] == "CheckpointLoaderSimple":
            properties["models"] = [MODELS[file] for file in node["widgets_values"] if file in MODELS]
        node["properties"] = properties
        node.pop("showAdvanced", None)
        node.pop("widgets_values_named", None)  # newer frontends write the values twice
