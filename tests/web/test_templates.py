"""Every example workflow, opened in the real frontend as a person would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devtools.workflows.drawing import draw, draw_blueprint
from devtools.workflows.examples import BLUEPRINTS, DRAWINGS
from devtools.workflows.export import (
    PREVIEW_BYTES,
    SUBGRAPHS,
    WORKFLOWS,
    api_twin,
    as_file,
    left_out,
    read_workflow,
    twin_of,
    workflow_files,
)
from tests.web.graphs import SAMPLE_LINES, node_showing_the_text, overlapping

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend

pytestmark = [pytest.mark.web, pytest.mark.comfy]

READ_TEXT = WORKFLOWS / "read_text.json"
# slow, and about the files: the frontend that draws them is enough
FRONTENDS = ("own",)

each_workflow = pytest.mark.parametrize("workflow", workflow_files(), ids=lambda path: path.stem)


def saved_widgets(node: dict[str, Any]) -> dict[str, Any]:
    """Widget name -> value as the file has them: values by position, names by the inputs beside them."""
    names = [slot["widget"]["name"] for slot in node.get("inputs", ()) if "widget" in slot]
    if node["type"] == "MarkdownNote":
        names = [""]
    for seed in ("seed", "noise_seed"):
        if seed in names:
            names.insert(names.index(seed) + 1, "control_after_generate")
    values = node.get("widgets_values") or []
    assert not names or len(names) == len(values), f"{node['type']} has {names} and {values}"
    return dict(zip(names, values, strict=False))


def open_from_template_browser(frontend: Frontend, name: str) -> None:
    """Templates, our pack under Extensions, the card: three clicks."""
    page = frontend.page
    page.locator(".templates-tab-button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("vramwise", exact=True).click()
    card = dialog.get_by_test_id(f"template-workflow-{name}")
    card.locator("img").first.wait_for()
    page.wait_for_function(
        "name => document.querySelector(`[data-testid=template-workflow-${name}] img`)?.naturalWidth > 0",
        arg=name,
    )
    assert card.locator("img").first.evaluate("image => image.src").startswith("blob:"), "no preview picture"
    card.click()
    dialog.wait_for(state="detached")


@pytest.fixture
def opened(visit: Callable[..., Frontend], request: pytest.FixtureRequest) -> Iterator[Frontend]:
    """The workflow of a parametrised test, loaded; nothing may pop up over it."""
    frontend = visit()
    workflow: Path = request.getfixturevalue("workflow")
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    yield frontend
    assert frontend.toasts() == []


@each_workflow
def test_the_api_twin_is_what_the_frontend_would_send(opened: Frontend, workflow: Path) -> None:
    committed = twin_of(workflow).read_text(encoding="utf-8")
    assert api_twin(opened, workflow) == committed, "run `python dev.py workflows`"


@each_workflow
def test_every_widget_has_the_value_that_the_file_gives_it(opened: Frontend, workflow: Path) -> None:
    shown = opened.widgets()
    for node in read_workflow(workflow)["nodes"]:
        values = shown[str(node["id"])]
        for name, saved in saved_widgets(node).items():
            shown_value = values[name] if name else next(iter(values.values()))
            assert shown_value == saved, f"{name} of {node['type']} (node {node['id']})"


BOXES = "() => window.app.graph.nodes.map(node => [node.title, ...node.getBounding()])"


@each_workflow
def test_no_node_lies_on_another(opened: Frontend, workflow: Path) -> None:
    assert overlapping(opened.page.evaluate(BOXES)) == []


@pytest.mark.parametrize(
    "workflow",
    [path for path in workflow_files() if "CheckpointLoaderSimple" not in path.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_no_node_lies_on_another_after_a_run_either(opened: Frontend, workflow: Path) -> None:
    absent = left_out(read_workflow(workflow))
    opened.page.evaluate(
        "ids => window.app.graph.nodes.forEach(n => { if (ids.includes(n.id)) n.mode = 2 })", absent
    )
    opened.run_and_wait()
    opened.wait_for_pictures()
    assert overlapping(opened.page.evaluate(BOXES)) == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawn: drawn.__name__)
def test_a_workflow_is_as_it_is_drawn(visit: Callable[..., Frontend], drawing: Callable[[], Any]) -> None:
    page = drawing()
    committed = (WORKFLOWS / f"{page.name}.json").read_text(encoding="utf-8")
    assert as_file(draw(visit(), page)) == committed, "run `python dev.py workflows --draw`"


def test_every_workflow_is_drawn() -> None:
    assert sorted(drawing().name for drawing in DRAWINGS) == [path.stem for path in workflow_files()]


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda drawn: drawn.__name__)
def test_a_blueprint_is_as_it_is_drawn(visit: Callable[..., Frontend], blueprint: Callable[[], Any]) -> None:
    part = blueprint()
    committed = (SUBGRAPHS / f"{part.name}.json").read_text(encoding="utf-8")
    assert as_file(draw_blueprint(visit(), part)) == committed, "run `python dev.py workflows --draw`"


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda drawn: drawn.__name__)
def test_a_blueprint_shows_its_widgets_and_sends_what_its_workflow_does(
    visit: Callable[..., Frontend], blueprint: Callable[[], Any]
) -> None:
    part = blueprint()
    frontend = visit()
    ui = read_workflow(SUBGRAPHS / f"{part.name}.json")
    frontend.load_workflow(ui, part.name)
    (node,), (graph,) = ui["nodes"], ui["definitions"]["subgraphs"]
    inner = {str(part_node["id"]): part_node for part_node in graph["nodes"]}
    shown = frontend.widgets()[str(node["id"])]
    for key, widget in node["properties"]["proxyWidgets"]:
        saved = saved_widgets(inner[key])[widget]
        assert saved in [value for name, value in shown.items() if widget in name], f"{widget} of {key}"

    whole = json.loads(twin_of(WORKFLOWS / f"{part.drawing.name}.json").read_text(encoding="utf-8"))
    expected = {}
    for key in inner:
        inputs = {
            name: [f"{node['id']}:{value[0]}", value[1]] if isinstance(value, list) else value
            for name, value in whole[key]["inputs"].items()
            if not isinstance(value, list) or value[0] in inner
        }
        expected[f"{node['id']}:{key}"] = inputs
    assert {key: sent["inputs"] for key, sent in frontend.prompt_of_graph().items()} == expected
    assert frontend.toasts() == []


@each_workflow
def test_a_workflow_has_a_preview_picture_of_a_modest_size(workflow: Path) -> None:
    assert 0 < workflow.with_suffix(".jpg").stat().st_size <= PREVIEW_BYTES


def test_no_api_twin_is_left_without_its_workflow() -> None:
    assert sorted((WORKFLOWS / "api").iterdir()) == [twin_of(workflow) for workflow in workflow_files()]


def test_read_text_opens_from_the_template_browser_and_reads_the_sample(
    visit: Callable[..., Frontend],
) -> None:
    frontend = visit()
    open_from_template_browser(frontend, "read_text")
    ui = read_workflow(READ_TEXT)
    frontend.page.wait_for_function("n => window.app.graph.nodes.length === n", arg=len(ui["nodes"]))
    assert frontend.missing_nodes() == []
    assert frontend.page.get_by_role("dialog").count() == 0
    assert frontend.toasts() == []

    frontend.run_and_wait()
    text = frontend.widgets()[node_showing_the_text(READ_TEXT)]["preview"].splitlines()
    assert [line for line in SAMPLE_LINES if line not in text] == []
    frontend.page.get_by_text("Please order at the counter.").filter(visible=True).first.wait_for()
    frontend.wait_for_pictures()
    assert frontend.toasts() == []
