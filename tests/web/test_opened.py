"""Graphs opened, run and looked at as a whole: in Nodes 2.0, in a subgraph, on a phone, in app mode, and what
the console says meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from devtools.workflows.export import read_workflow, workflow_of
from tests.web import graphs
from tests.web.graphs import SAMPLE, SAMPLE_LINES, build, set_widget

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from devtools.comfy.browser import Frontend
    from devtools.comfy.client import ComfyClient

pytestmark = [pytest.mark.web, pytest.mark.comfy]

READ_TEXT = workflow_of("read_text")
PHONE = (390, 844)
SAMPLE_LINE = "Cinnamon roll 2.95"
EXECUTE = "id => window.app.extensionManager.command.execute(id)"
SELECT = """ids => {
    const { canvas, graph } = window.app
    canvas.deselectAll()
    for (const id of ids) canvas.select(graph.getNodeById(id))
}"""
SUBGRAPH = "() => Number(window.app.graph.nodes.find(node => node.subgraph).id)"
ENTER = """id => {
    const { canvas, graph } = window.app
    const node = graph.getNodeById(id)
    canvas.openSubgraph(node.subgraph, node)
    canvas.ds.scale = 1
    const inner = node.subgraph.nodes.find(node => node.comfyClass === 'VramwiseOCR')
    canvas.ds.offset = [150 - inner.pos[0], 150 - inner.pos[1]]
    canvas.setDirty(true, true)
}"""
LEAVE = "() => window.app.canvas.setGraph(window.app.graph)"
# the pointer over a widget of the inner node, where the frontend's command looks for it
POINT_AT = """name => {
    const { canvas } = window.app
    const node = canvas.graph.nodes.find(node => node.comfyClass === 'VramwiseOCR')
    const widget = node.widgets.find(widget => widget.name === name)
    canvas.draw(true, true)
    if (!widget.last_y) // Nodes 2.0 has its widgets on the page, and the canvas knows no place of them
        node.widgets.forEach((other, at) => (other.y = other.last_y = 30 + 24 * at))
    canvas.visible_nodes = [node]
    canvas.graph_mouse[0] = node.pos[0] + 30
    canvas.graph_mouse[1] = node.pos[1] + widget.y + 6
}"""
# The field `language` of a new node and of a changed one's copy, each the first of a graph that was emptied,
# so that a node of another kind had its number.
HELD = """() => {
    const { app, LiteGraph } = window
    const field = node => node.widgets.find(widget => widget.name === 'language')
    const first = node => {
        app.clean()
        app.clean() // the first leaves an id of its own, the second nothing but zeros
        app.graph.add(node)
        return node
    }
    const one = type => first(LiteGraph.createNode(type))
    field(one('VramwiseOCR')).value = 'ru'
    const created = one('VramwiseModelAdvisor')
    const asCreated = field(created).value
    const changed = one('VramwiseOCR')
    field(changed).value = 'ja'
    const copy = changed.clone()
    one('VramwiseModelAdvisor')
    return [asCreated, field(first(copy)).value]
}"""
OURS = "() => Object.keys(window.LiteGraph.registered_node_types).filter(type => type.startsWith('Vramwise'))"


@pytest.fixture(params=[False, True], ids=["canvas", "nodes2"], scope="module")
def nodes2(request: pytest.FixtureRequest) -> bool:
    """Which renderer. Of the module, so that a page serves all tests of a renderer."""
    return bool(request.param)


def read_with(frontend: Frontend, **values: Any) -> dict[str, int]:
    """A picture, the node that reads it, and a plain output of the text."""
    return build(
        frontend,
        [
            ("picture", "LoadImage", (0, 0), {"image": SAMPLE}),
            ("ocr", "VramwiseOCR", (350, 0), values),
            ("shown", "PreviewAny", (800, 0), {}),
        ],
        [("picture", 0, "ocr", "image"), ("ocr", 0, "shown", "source")],
    )


# --- an example in Nodes 2.0 ------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes2", [True], ids=["nodes2"], indirect=True, scope="module")
def test_in_nodes_2_the_workflow_opens_and_reads_too(visit: Callable[..., Frontend], nodes2: bool) -> None:
    frontend = visit(nodes2=nodes2)
    ui = read_workflow(READ_TEXT)
    frontend.load_workflow(ui, "read_text")
    nodes = frontend.page.locator("[data-node-id]")
    frontend.page.wait_for_function(
        "n => document.querySelectorAll('[data-node-id]').length === n", arg=len(ui["nodes"])
    )
    assert sorted(nodes.evaluate_all("all => all.map(node => Number(node.dataset.nodeId))")) == sorted(
        node["id"] for node in ui["nodes"]
    )
    frontend.run_and_wait()
    boxes = nodes.evaluate_all(
        """all => all.map(node => [node.dataset.nodeId, node.getBoundingClientRect()])
            .map(([id, box]) => [id, box.x, box.y, box.width, box.height])"""
    )
    assert graphs.overlapping(boxes) == []
    for line in SAMPLE_LINES:
        graphs.wait_for_line(frontend, graphs.node_showing_the_text(READ_TEXT), line)
    frontend.wait_for_pictures()
    assert frontend.toasts() == []


# --- the console ------------------------------------------------------------------------------------------


def test_every_node_opened_run_and_the_tab_beside_it_leave_the_console_silent(
    visit: Callable[..., Frontend], nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2)
    page = frontend.page
    kinds = page.evaluate(OURS)
    assert len(kinds) >= 13
    build(frontend, [(kind, kind, (450 * (at % 4), 500 * (at // 4)), {}) for at, kind in enumerate(kinds)])
    frontend.look_at()
    page.wait_for_function("() => document.querySelectorAll('section.vw-panel').length >= 3")
    graphs.open_tab(page).get_by_role("heading", name="On ").wait_for()
    graphs.close_tab(page)
    read_with(frontend)
    frontend.run_and_wait()
    page.locator("section.vw-pages").wait_for()
    assert frontend.console == []


@pytest.mark.parametrize("nodes2", [False], ids=["canvas"], indirect=True, scope="module")
def test_an_error_in_a_file_of_ours_and_a_warning_that_names_us_would_be_seen(
    visit: Callable[..., Frontend], client: ComfyClient, nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2)
    page, address = frontend.page, f"{client.url}/extensions/vramwise/thrown.js"
    page.route(
        "**/vramwise/thrown.js", lambda route: route.fulfill(body="null.x", content_type="text/javascript")
    )
    with page.expect_event("pageerror"):
        page.add_script_tag(url=address)
    page.unroute("**/vramwise/thrown.js")
    with page.expect_console_message():
        page.evaluate("() => console.warn('VRAMwise has a complaint')")
    thrown, warned = frontend.console
    frontend.console.clear()
    assert thrown.startswith("uncaught: ") and "thrown.js" in thrown
    assert warned.startswith("warning: VRAMwise has a complaint")


# --- inside a subgraph ------------------------------------------------------------------------------------


def test_inside_a_subgraph_a_node_runs_and_has_its_panel(
    visit: Callable[..., Frontend], nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2)
    page = frontend.page
    ids = read_with(frontend)
    page.evaluate(SELECT, [ids["ocr"]])
    page.evaluate(EXECUTE, "Comfy.Graph.ConvertToSubgraph")
    outer = page.evaluate(SUBGRAPH)
    assert "ocr" not in json.dumps(sorted(frontend.widgets()[str(outer)]))
    try:
        page.evaluate(ENTER, outer)
        page.evaluate(POINT_AT, "task")
        page.evaluate(EXECUTE, "Comfy.Graph.ToggleWidgetPromotion")
        page.evaluate(LEAVE)
        (name,) = [name for name in frontend.widgets()[str(outer)] if "task" in name]
        set_widget(frontend, outer, name, "layout")
        sent = frontend.prompt_of_graph()
        (inner,) = [key for key, node in sent.items() if node["class_type"] == "VramwiseOCR"]
        assert inner.startswith(f"{outer}:") and sent[inner]["inputs"]["task"] == "layout"
        set_widget(frontend, outer, name, "text")
        frontend.run_and_wait()
        assert SAMPLE_LINE in graphs.plain_text(frontend, ids["shown"])
        page.evaluate(ENTER, outer)
        panel = page.locator("section.vw-pages")
        panel.locator("polygon").nth(7).wait_for()
        panel.get_by_role("tab", name="Text").click()
        assert SAMPLE_LINE in panel.get_by_role("tabpanel").inner_text()
    finally:
        page.evaluate(LEAVE)


# --- on a phone, and in app mode, where no panel is -------------------------------------------------------


def without_our_scripts(page: Page) -> None:
    """Serve this pack's script empty, as if its web folder were not there."""

    def nothing(route: Route) -> None:
        route.fulfill(body="", content_type="text/javascript")

    page.route("**/extensions/vramwise/**/*.js", nothing)
    page.route("**/extensions/vramwise/*.js", nothing)


def test_on_a_phone_without_our_scripts_values_are_set_and_the_text_is_read(
    visit: Callable[..., Frontend], nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2, size=PHONE, prepare=without_our_scripts)
    frontend.load_workflow(read_workflow(READ_TEXT), "read_text")
    (ocr,) = (node["id"] for node in read_workflow(READ_TEXT)["nodes"] if node["type"] == "VramwiseOCR")
    set_widget(frontend, ocr, "language", "en")
    assert frontend.prompt_of_graph()[str(ocr)]["inputs"]["language"] == "en"
    frontend.run_and_wait()
    assert SAMPLE_LINE in graphs.plain_text(frontend, graphs.node_showing_the_text(READ_TEXT))
    assert frontend.page.locator(".vw-panel").count() == 0


# the frontend of ComfyUI 0.3.75 has no apps yet: its linear mode shows pictures only
@pytest.mark.parametrize("which", ["newest"], indirect=True, scope="package")
@pytest.mark.parametrize("nodes2", [False], ids=["canvas"], indirect=True, scope="module")
def test_in_app_mode_on_a_phone_a_person_sets_a_value_runs_and_reads_the_text(
    visit: Callable[..., Frontend], nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2, size=PHONE, prepare=without_our_scripts)
    page = frontend.page
    build(
        frontend,
        [
            ("picture", "LoadImage", (0, 0), {"image": SAMPLE}),
            ("ocr", "VramwiseOCR", (350, 0), {}),
            ("saved", "VramwiseSaveText", (800, 0), {"filename_prefix": "phone/app"}),
        ],
        [("picture", 0, "ocr", "image"), ("ocr", 0, "saved", "text")],
    )
    ui = frontend.serialize()
    ids = {node["type"]: node["id"] for node in ui["nodes"]}
    ui["extra"]["linearData"] = {
        "inputs": [[ids["LoadImage"], "image"], [ids["VramwiseOCR"], "prompt"]],
        "outputs": [ids["VramwiseSaveText"]],
    }
    ui["extra"]["linearMode"] = True
    frontend.load_workflow(ui, "app")
    phone = page.get_by_test_id("linear-mobile")
    phone.wait_for()
    phone.get_by_role("tab").first.click()
    phone.get_by_role("textbox").last.fill("Read every line.")
    with page.expect_request("**/api/prompt") as asked:
        phone.get_by_test_id("linear-run-button").click()
    sent = asked.value.post_data_json["prompt"]
    assert sent[str(ids["VramwiseOCR"])]["inputs"]["prompt"] == "Read every line."
    phone.get_by_role("tab").nth(1).click()
    phone.get_by_role("article").get_by_text(SAMPLE_LINE).wait_for()


PROMPT = "() => window.app.graphToPrompt().then(({ output, workflow }) => [output, workflow])"


def test_a_widget_in_the_name_of_save_text_is_filled_in_as_the_prompt_is_sent(
    visit: Callable[..., Frontend],
) -> None:
    """What the server knows itself (dates, sizes) is left to it, and the saved workflow keeps the tokens."""
    frontend = visit()
    name = "%PrimitiveInt.value%/%date:yyyy%_%width%_%nobody.seed%"
    ids = build(
        frontend,
        [
            ("number", "PrimitiveInt", (0, 0), {"value": 41}),
            ("saved", "VramwiseSaveText", (350, 0), {"filename_prefix": name}),
        ],
    )
    output, workflow = frontend.page.evaluate(PROMPT)
    assert output[str(ids["saved"])]["inputs"]["filename_prefix"] == name.replace(
        "%PrimitiveInt.value%", "41"
    )
    assert name in next(node for node in workflow["nodes"] if node["id"] == ids["saved"])["widgets_values"]


def test_a_new_node_holds_its_own_values_whatever_another_of_its_number_held(
    visit: Callable[..., Frontend],
) -> None:
    """Frontend 1.49.6 keeps a field's value by graph, number and name, those of an emptied one for ever."""
    assert visit().page.evaluate(HELD) == ["en", "ja"]
