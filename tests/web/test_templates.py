"""Every example workflow, opened in the real frontend as a person would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devtools.comfy.browser import STILL
from devtools.workflows.drawing import draw, draw_blueprint
from devtools.workflows.examples import BLUEPRINTS, DRAWINGS
from devtools.workflows.export import (
    SUBGRAPHS,
    TITLES,
    WORKFLOWS,
    api_twin,
    as_file,
    read_workflow,
    twin_of,
    workflow_files,
    workflow_of,
)
from devtools.workflows.image_models import MODELS
from devtools.workflows.thumbnails import BYTES, SIZE
from tests.web.graphs import (
    EMPTY,
    SAMPLE,
    SAMPLE_LINES,
    build,
    node_showing_the_text,
    open_from_template_browser,
    overlapping,
    plain_text,
)

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend

pytestmark = [pytest.mark.web, pytest.mark.comfy]

READ_TEXT = workflow_of("read_text")
# slow, and about the files: the frontend that draws them is enough
FRONTENDS = ("own",)

each_workflow = pytest.mark.parametrize("workflow", workflow_files(), ids=lambda path: path.stem)


def saved_widgets(node: dict[str, Any]) -> dict[str, Any]:
    """Widget name -> value as the file has them: values by position, names by the inputs beside them."""
    names = [slot["widget"]["name"] for slot in node.get("inputs", ()) if "widget" in slot]
    if node["type"] == "MarkdownNote":
        names = [""]
    if node["properties"].get("proxyWidgets"):
        names = []  # a subgraph: its values are those of its inner nodes
    for seed in ("seed", "noise_seed"):
        if seed in names:
            names.insert(names.index(seed) + 1, "control_after_generate")
    values = node.get("widgets_values") or []
    assert not names or len(names) == len(values), f"{node['type']} has {names} and {values}"
    return dict(zip(names, values, strict=False))


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
ON_PAGE = """() => window.app.graph.nodes.map(node => {
    const box = document.querySelector(`[data-node-id="${node.id}"]`).getBoundingClientRect()
    return [node.title, box.left, box.top, box.width, box.height]
})"""
BOUNDS = """() => {
    const { nodes, groups } = window.app.graph
    const boxes = [...nodes, ...groups].map(one => one.getBounding?.() ?? one.boundingRect)
    const ends = (from, size) => boxes.map(box => box[from] + (size ? box[size] : 0))
    return [Math.min(...ends(0)), Math.min(...ends(1)), Math.max(...ends(0, 2)), Math.max(...ends(1, 3))]
}"""


@each_workflow
def test_no_node_lies_on_another(opened: Frontend, workflow: Path) -> None:
    assert overlapping(opened.page.evaluate(BOXES)) == []


OURS = ("OCR Inference", "OCR Model Loader", "Draw Text", "GPU Probe", "Model Advisor", "Another card")
RUNS_HERE = [workflow_of(name) for name in ("read_text", "translate_a_poster", "what_can_my_gpu_run")]


@pytest.mark.parametrize("workflow", RUNS_HERE, ids=lambda path: path.stem)
@pytest.mark.parametrize("nodes2", [False, True], ids=["canvas", "nodes2"])  # the outer: a page serves three
def test_a_run_makes_no_node_higher_and_none_lies_on_another(
    visit: Callable[..., Frontend], workflow: Path, nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2)
    page = frontend.page
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    page.evaluate(STILL)  # frontend 1.32.9 puts nodes elsewhere where the view changes while they come
    frontend.look_at()
    page.wait_for_function("n => document.querySelectorAll('section.vw-panel').length >= n", arg=1)
    before = page.evaluate(ON_PAGE if nodes2 else BOXES)
    frontend.run_and_wait()
    frontend.wait_for_pictures()
    after = page.evaluate(ON_PAGE if nodes2 else BOXES)
    assert overlapping(after) == []
    ours = {
        node["title"]
        for node in read_workflow(workflow)["nodes"]
        if "Vramwise" in node["type"] and "title" in node
    }
    grown = [old for old, new in zip(before, after, strict=True) if old[0] in ours and new[4] > old[4] + 1]
    assert grown == []


IN_FRAMES = """() => {
    const { scale, offset } = window.app.canvas.ds
    const canvas = window.app.canvas.canvas.getBoundingClientRect()
    return window.app.graph.nodes.map(node => {
        const box = document.querySelector(`[data-node-id="${node.id}"]`).getBoundingClientRect()
        const left = (box.left - canvas.left) / scale - offset[0]
        const top = (box.top - canvas.top) / scale - offset[1]
        return [node.id, left, top, left + box.width / scale, top + box.height / scale]
    })
}"""


def test_in_nodes_2_frames_hold_their_nodes(visit: Callable[..., Frontend]) -> None:
    """Of every example, as it opens; frontend 1.32.9 made nodes a fifth wider and put them elsewhere."""
    frontend = visit(nodes2=True)
    outside = []
    for workflow in workflow_files():
        ui = read_workflow(workflow)
        frontend.load_workflow(ui, workflow.stem)
        frontend.page.evaluate(STILL)
        drawn = {str(node["id"]): node for node in ui["nodes"]}  # an id is a text where newer ones run
        for key, left, top, right, bottom in frontend.page.evaluate(IN_FRAMES):
            x, y = drawn[str(key)]["pos"]
            for one in ui["groups"]:
                frame_x, frame_y, width, height = one["bounding"]
                if frame_x <= x <= frame_x + width and frame_y <= y <= frame_y + height:
                    held = left >= frame_x and top >= frame_y
                    if not (held and right <= frame_x + width and bottom <= frame_y + height):
                        outside.append((workflow.stem, one["title"], drawn[str(key)]["title"]))
    assert outside == []


LOAD_BUTTONS = """() => [...document.querySelectorAll('.vw-loader')].flatMap(panel => {
    const button = panel.querySelector('button')
    const end = one => one.getBoundingClientRect().bottom
    return button?.offsetHeight ? [[button.textContent, end(panel) - end(button)]] : []
})"""


# In Nodes 2.0 first, as the test before; then on the canvas, as the one after: their pages serve.
@pytest.mark.parametrize("name", ["share_a_small_card", "caption_a_folder"])
@pytest.mark.parametrize("nodes2", [True, False], ids=["nodes2", "canvas"])
def test_the_button_that_fetches_the_model_is_seen_as_a_template_opens(
    visit: Callable[..., Frontend], name: str, nodes2: bool
) -> None:
    frontend, workflow = visit(nodes2=nodes2), workflow_of(name)
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    frontend.page.locator(".vw-loader").get_by_role("button", name="Download").first.wait_for()
    frontend.page.evaluate(STILL)
    ((text, room),) = frontend.page.evaluate(LOAD_BUTTONS)
    assert text.startswith("Download") and room >= 0


@each_workflow
def test_at_1440_by_900_a_template_opens_large_enough_to_be_read(opened: Frontend, workflow: Path) -> None:
    """Below 60 % the canvas draws no writing; the frontend fits a graph to three quarters of the window."""
    left, top, right, bottom = opened.page.evaluate(BOUNDS)
    assert min(0.75 * 1440 / (right - left), 0.75 * 900 / (bottom - top)) >= 0.63


@pytest.mark.parametrize(
    ("name", "nodes", "links"), [("translate_a_page", 17, 25), ("replace_the_word", 16, 22)]
)
def test_half_of_what_was_seen_is_folded_away(name: str, nodes: int, links: int) -> None:
    ui = read_workflow(workflow_of(name))
    assert len(ui["nodes"]) <= nodes / 2 and len(ui["links"]) <= links / 2


@each_workflow
def test_groups_are_numbered_steps_from_left_to_right(workflow: Path) -> None:
    groups = sorted(read_workflow(workflow)["groups"], key=lambda group: group["title"])
    assert [group["title"][0] for group in groups] == [str(at + 1) for at in range(len(groups))]
    lefts = [group["bounding"][0] for group in groups]
    assert lefts == sorted(lefts) and len(groups) >= 3


@each_workflow
def test_no_title_of_a_group_runs_under_the_badge_of_its_first_node(workflow: Path) -> None:
    """The canvas draws the pack's name above a node's right end, beside the group's title."""
    badge, letter = 75, 0.47
    for group in read_workflow(workflow)["groups"]:
        written = len(group["title"]) * letter * group["font_size"]
        assert written + badge <= group["bounding"][2], group["title"]


@each_workflow
def test_a_note_has_no_code_which_nodes_2_draws_blue_on_brown(workflow: Path) -> None:
    (note,) = [node for node in read_workflow(workflow)["nodes"] if node["type"] == "MarkdownNote"]
    assert "`" not in note["widgets_values"][0]


@each_workflow
def test_a_checkpoint_says_where_it_comes_from(workflow: Path) -> None:
    for node in read_workflow(workflow)["nodes"]:
        if node["type"] == "CheckpointLoaderSimple":
            (model,) = node["properties"]["models"]
            assert model == MODELS[node["widgets_values"][0]]
            assert model["url"].startswith("https://huggingface.co/") and model["url"].endswith(model["name"])


@each_workflow
def test_a_note_names_no_command_that_an_installation_may_lack(workflow: Path) -> None:
    """`vramwise` is a command only after pip; a button comes first, the script runs everywhere."""
    notes = [one["widgets_values"][0] for one in read_workflow(workflow)["nodes"] if "Note" in one["type"]]
    assert notes and not [note for note in notes if re.search(r"[`*]vramwise [a-z]", note)]
    for note in notes:
        if "scripts/vramwise.py" in note:
            assert "press the button" in note.split("scripts/vramwise.py")[0]


@pytest.mark.parametrize("which", ["own", "newest"], indirect=True, scope="package")
def test_a_run_that_leaves_something_out_says_so(visit: Callable[..., Frontend]) -> None:
    """The OCR of this workflow is queued, the painting is not: the server calls that a success."""
    frontend = visit()
    page = frontend.page
    frontend.load_workflow(read_workflow(workflow_of("replace_the_word")), "word")
    with page.expect_response("**/api/prompt"):
        page.evaluate("() => { window.app.queuePrompt(0) }")
    page.get_by_text("Not everything can run").first.wait_for()
    page.get_by_text("flux1-schnell-fp8.safetensors").last.wait_for()
    page.wait_for_function("() => Object.keys(window.vramwiseRuns).length > 0")
    frontend.opened_with = None  # type: ignore[attr-defined]  # the next test gets a page without the toast


def test_what_was_left_out_is_said_in_words_and_leaves_the_run_button_again(
    visit: Callable[..., Frontend],
) -> None:
    """An input without a link is no name alone; the message lies over the button that is pressed next."""
    frontend = visit(locale="ru")
    page = frontend.page
    nodes = [("picture", "LoadImage", (0, 0), {"image": SAMPLE})]
    nodes += [(name, "VramwiseOCR", (300, 0), {}) for name in ("ocr", "alone")]
    build(frontend, nodes, [("picture", 0, "ocr", "image")])
    told = page.evaluate(
        """async () => {
            const said = [], toast = window.app.extensionManager.toast, add = toast.add
            toast.add = (one) => said.push(one)
            await window.app.queuePrompt(0)
            for (let n = 0; n < 100 && !said.length; n++) await new Promise(done => setTimeout(done, 50))
            toast.add = add
            return said
        }"""
    )
    (toast,) = told
    assert 5000 <= toast["life"] <= 30_000
    first = toast["detail"].splitlines()[0]
    words = json.loads((SUBGRAPHS.parent / "web" / "words" / "ru.json").read_text(encoding="utf-8"))
    assert first.endswith(words["not_linked"].format(input="image")) and "image" in first
    page.evaluate(EMPTY)


def skip_where_nodes_have_other_sizes(frontend: Frontend) -> None:
    """The files are drawn by the frontend of .comfy; newer ones, told by what they save, size nodes anew."""
    if any("widgets_values_named" in node for node in frontend.serialize()["nodes"]):
        pytest.skip("This frontend gives nodes other sizes than the one that draws the files.")


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawn: drawn.__name__)
def test_a_workflow_is_as_it_is_drawn(visit: Callable[..., Frontend], drawing: Callable[[], Any]) -> None:
    page = drawing()
    committed = workflow_of(page.name).read_text(encoding="utf-8")
    frontend = visit()
    drawn = as_file(draw(frontend, page))
    skip_where_nodes_have_other_sizes(frontend)
    assert drawn == committed, "run `python dev.py workflows --draw`"


def test_every_workflow_is_drawn() -> None:
    assert sorted(drawing().title for drawing in DRAWINGS) == [path.stem for path in workflow_files()]


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda drawn: drawn.__name__)
def test_a_blueprint_is_as_it_is_drawn(visit: Callable[..., Frontend], blueprint: Callable[[], Any]) -> None:
    part = blueprint()
    committed = (SUBGRAPHS / f"{part.name}.json").read_text(encoding="utf-8")
    frontend = visit()
    drawn = as_file(draw_blueprint(frontend, part))
    skip_where_nodes_have_other_sizes(frontend)
    assert drawn == committed, "run `python dev.py workflows --draw`"


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

    # its widgets and inner links are those of the workflow, by the titles of the nodes
    whole = json.loads(twin_of(workflow_of(part.drawing.name)).read_text(encoding="utf-8"))
    assert sorted(sent_by_title(frontend.prompt_of_graph()).items() - sent_by_title(whole).items()) == []
    assert frontend.toasts() == []


def sent_by_title(prompt: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(title, input) -> the value that is sent, for what is no link."""
    return {
        (node["_meta"]["title"], name): json.dumps(value)
        for node in prompt.values()
        for name, value in node["inputs"].items()
        if not isinstance(value, list)
    }


@each_workflow
def test_a_workflow_has_a_thumbnail_of_three_to_two(workflow: Path) -> None:
    from PIL import Image

    picture = workflow.with_suffix(".jpg")
    assert 0 < picture.stat().st_size <= BYTES
    with Image.open(picture) as found:
        assert found.size == SIZE and 2 * found.width == 3 * found.height


def test_no_api_twin_is_left_without_its_workflow() -> None:
    assert sorted((WORKFLOWS / "api").iterdir()) == sorted(map(twin_of, workflow_files()))


def test_read_text_opens_from_the_template_browser_and_reads_the_sample(
    visit: Callable[..., Frontend],
) -> None:
    frontend = visit()
    open_from_template_browser(frontend, TITLES["read_text"])
    ui = read_workflow(READ_TEXT)
    frontend.page.wait_for_function("n => window.app.graph.nodes.length === n", arg=len(ui["nodes"]))
    assert frontend.missing_nodes() == []
    assert frontend.page.get_by_role("dialog").count() == 0
    assert frontend.toasts() == []

    frontend.run_and_wait()
    text = plain_text(frontend, node_showing_the_text(READ_TEXT)).split("\n\n")
    assert [line for line in SAMPLE_LINES if line not in text] == []
    frontend.page.get_by_text("Please order at the counter.").filter(visible=True).first.wait_for()
    frontend.wait_for_pictures()
    assert frontend.toasts() == []
