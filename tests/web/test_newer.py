"""What newer ComfyUI has and 0.3.75 has not, in its real frontend: apps made of our nodes, and types that are
followed through a node. Run by `dev.py test --comfy DIR`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.graphs import SAMPLE, build

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend

pytestmark = [pytest.mark.web, pytest.mark.comfy]

READ = [
    ("picture", "LoadImage", (0, 0), {"image": SAMPLE}),
    ("ocr", "VramwiseOCR", (350, 0), {}),
]
LINKS = [("picture", 0, "ocr", "image")]
# node of the result -> the graph's other nodes and links, the widgets on the app's side, what the app shows
APPS: dict[str, tuple[Sequence[Any], Sequence[Any], dict[str, list[str]], str]] = {
    "VramwiseOCR": ([], [], {"picture": ["image"], "ocr": ["task", "language"]}, "Cinnamon roll 2.95"),
    "VramwiseSaveText": (
        [("result", "VramwiseSaveText", (800, 0), {"filename_prefix": "app/read"})],
        [("ocr", 0, "result", "text")],
        {"picture": ["image"], "result": ["format", "filename_prefix"]},
        "Cinnamon roll 2.95",
    ),
    "VramwiseGPUProbe": (
        [("result", "VramwiseGPUProbe", (800, 0), {})],
        [],
        {"result": ["device", "refresh"]},
        "GiB",
    ),
    "VramwiseModelAdvisor": (
        [("result", "VramwiseModelAdvisor", (800, 0), {"what_if": "RTX 3060 12 GB", "task": "OCR"})],
        [],
        {"result": ["what_if", "task"]},
        "RTX 3060",
    ),
    "VramwiseOCRScore": (
        [("result", "VramwiseOCRScore", (800, 0), {"expected": "Soup of the day 6.20"})],
        [("picture", 0, "result", "image")],
        {"result": ["expected", "metric"]},
        "CER",
    ),
}
TYPES = """ids => ids.map(id => {
    const node = window.app.graph.getNodeById(id)
    return node.outputs[0].type
})"""
CONNECT = """([from, to]) => {
    const { graph } = window.app
    return Boolean(graph.getNodeById(from).connect(0, graph.getNodeById(to), 0))
}"""


@pytest.fixture
def newer(comfy_has: Callable[[str], bool]) -> None:
    if not comfy_has("comfy_execution.jobs.count_previewable_outputs"):
        pytest.skip("This ComfyUI shows no text in apps.")


@pytest.fixture
def types_followed(comfy_has: Callable[[str], bool]) -> None:
    from devtools.comfy.server import default_comfy_dir

    validation = default_comfy_dir() / "comfy_execution" / "validation.py"
    if "MatchType" not in validation.read_text(encoding="utf-8"):
        pytest.skip("This ComfyUI follows no type through a node.")


def test_what_passes_through_memory_release_keeps_its_type(
    types_followed: None, visit: Callable[..., Frontend]
) -> None:
    frontend = visit()
    kinds = {"EmptyImage": "IMAGE", "SolidMask": "MASK", "VramwiseOCRModelLoader": "VRAMWISE_OCR_MODEL"}
    for at, (kind, type_) in enumerate(kinds.items()):
        ids = build(
            frontend,
            [
                ("source", kind, (0, 0), {}),
                ("release", "VramwiseMemoryRelease", (350, 0), {}),
                ("shown", "PreviewImage", (800, 0), {}),
            ],
            [("source", 0, "release", "anything")],
        )
        assert frontend.page.evaluate(TYPES, [ids["release"]]) == [type_]
        fits = frontend.page.evaluate(CONNECT, [ids["release"], ids["shown"]])
        assert fits is (type_ == "IMAGE"), at
        if fits:
            frontend.run_and_wait()


@pytest.mark.parametrize("kind", APPS)
def test_an_app_of_ours_has_its_inputs_runs_and_shows_the_result(
    newer: None, visit: Callable[..., Frontend], kind: str
) -> None:
    frontend = visit()
    page = frontend.page
    nodes, links, widgets, shown = APPS[kind]
    needs_page = any(name in widgets for name in ("picture", "ocr")) or bool(links)
    ids = build(frontend, [*(READ if needs_page else []), *nodes], [*(LINKS if needs_page else []), *links])
    ui = frontend.serialize()
    inputs = [[ids[node], name] for node, names in widgets.items() for name in names]
    result = ids.get("result", ids.get("ocr"))
    ui["extra"]["linearData"] = {"inputs": inputs, "outputs": [result]}
    ui["extra"]["linearMode"] = True
    frontend.load_workflow(ui, f"app_{kind}")
    controls = page.get_by_test_id("linear-widgets")
    for _, name in inputs:
        controls.get_by_text(name, exact=True).first.wait_for()
    tour = page.get_by_role("button", name="Skip", exact=True)  # newer frontends explain apps at the first
    page.add_locator_handler(tour, lambda skip: skip.click())
    page.get_by_test_id("linear-run-button").get_by_role("button").last.click()
    page.get_by_role("article").get_by_text(shown).first.wait_for()
