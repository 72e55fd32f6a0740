"""axe-core on every panel and the sidebar tab, in ComfyUI's dark and light palettes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web import graphs

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend

pytestmark = [pytest.mark.web, pytest.mark.comfy]

HERE = Path(__file__).resolve().parent

RECORD = {
    "text": "OPEN",
    "markdown": "# OPEN\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n\n`code`",
    "regions": [
        {"text": word, "polygon": [[9, top], [99, top], [99, top + 30], [9, top + 30]], "confidence": 0.9}
        for top, word in ((10, "OP"), (60, "EN"))
    ],
    "width": 200,
    "height": 100,
}
OFFERS = [
    {
        "task": "OCR",
        "model": f"m{number}",
        "name": f"Model {number}",
        "precision": "int8",
        "verdict": verdict,
        "optimal_bytes": 2**31,
        "resident_bytes": 2**31,
        "floor_bytes": None,
        "licence": "MIT",
        "installed": True,
        "reason": "because",
    }
    for number, verdict in enumerate(("fits", "tight", "reduced", "streams", "no", "unavailable", "unknown"))
]
SUMMARY = {"lines": [{"task": "OCR", "text": "OCR: Model 0 fits."}], "rows": []}
FAULTY = {**SUMMARY, "own_rows": ["gpus.csv, line 2, column vram_gib: '-3' is no size."]}
RELEASE = {
    "device": "cuda:0",
    "before": 1,
    "after": 9,
    "process_before": 9,
    "process_after": 4,
    "released": [],
}
PIECES = [["same", "OP"], ["missing", "E"], ["extra", "F"], ["same", "N"]]
WRONG = {"cer": 0.5, "wer": 1.0, "exact": False, "read": "OPFN", "expected": "OPEN", "pieces": PIECES}
# node, what a run of it shows, and the tab to open
PANELS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str | None]] = {
    "loader": ("VramwiseOCRModelLoader", {"model": "qwen3_vl_2b"}, {}, None),
    "remote": ("VramwiseRemoteOCRModel", {}, {"text": ["Read by the endpoint.\nNobody answers."]}, None),
    "probe": ("VramwiseGPUProbe", {}, {}, None),
    "page": ("VramwiseOCR", {}, {"ocr": [RECORD, RECORD]}, None),
    "text": ("VramwiseOCR", {}, {"ocr": [RECORD]}, "Text"),
    "markdown": ("VramwiseOCR", {}, {"ocr": [RECORD]}, "Markdown"),
    "json": ("VramwiseOCR", {}, {"ocr": [RECORD]}, "JSON"),
    "advisor": ("VramwiseModelAdvisor", {}, {"advice": [{"models": OFFERS, "summary": SUMMARY}]}, None),
    "own rows": ("VramwiseModelAdvisor", {}, {"advice": [{"models": OFFERS, "summary": FAULTY}]}, None),
    "score": (
        "VramwiseOCRScore",
        {},
        {"score": [{"best_index": 0, "passed": False, "images": [WRONG, WRONG]}]},
        None,
    ),
    "release": ("VramwiseMemoryRelease", {}, {"release": [RELEASE]}, None),
}
RUN_AXE = """async where => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']
    const rules = { runOnly: { type: 'tag', values: tags },
        // of a part of a page these are the page's business
        rules: { region: { enabled: false }, 'page-has-heading-one': { enabled: false } } }
    // a copy on top of all: over the canvas lie clear elements, and axe then says nothing of contrast
    const stage = document.createElement('div')
    stage.style.cssText = 'position:fixed; left:0; top:0; width:520px; height:800px; z-index:99999'
    stage.style.background = 'var(--comfy-menu-bg)'
    stage.append(document.querySelector(where).cloneNode(true))
    document.body.append(stage)
    const found = await window.axe.run(stage, rules)
    stage.remove()
    return found.violations.flatMap(broken => broken.nodes.map(node =>
        `${broken.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`))
}"""
PALETTE = "id => window.app.extensionManager.setting.set('Comfy.ColorPalette', id)"


@pytest.fixture
def checked(
    visit: Callable[..., Frontend], require: Callable[[object, str], None]
) -> Callable[[str, str], tuple[Frontend, Callable[[str], list[str]]]]:
    """``checked(palette)``: the frontend in that palette, and what axe finds at a selector."""
    name = "axe_playwright_python"
    require(
        importlib.util.find_spec(name), f"{name} is missing: run `python dev.py test`, which installs it."
    )
    script = (resources.files(name) / "axe.min.js").read_text(encoding="utf-8")

    def opened(palette: str) -> tuple[Frontend, Callable[[str], list[str]]]:
        frontend = visit()
        page = frontend.page
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(script)
        page.evaluate(PALETTE, palette)
        return frontend, lambda where: list(page.evaluate(RUN_AXE, where))

    return opened


@pytest.fixture(autouse=True)
def dark_again(visit: Callable[..., Frontend]) -> Iterator[None]:
    yield
    visit().page.evaluate(PALETTE, "dark")


@pytest.mark.parametrize("palette", ["dark", "light"])
@pytest.mark.parametrize("name", PANELS)
def test_axe_finds_nothing_in_a_panel(checked: Callable[..., Any], palette: str, name: str) -> None:
    frontend, axe = checked(palette)
    kind, values, output, tab = PANELS[name]
    ids = graphs.build(frontend, [("node", kind, (0, 0), values)])
    frontend.page.evaluate("id => window.app.graph.getNodeById(id).setSize([480, 420])", ids["node"])
    if output:
        graphs.give(frontend, ids["node"], output)
    panel = frontend.page.locator("section.vw-panel")
    panel.wait_for()
    if tab:
        panel.get_by_role("tab", name=tab).click()
    if name == "advisor":
        panel.get_by_label("only what runs").uncheck()
        panel.locator("details summary").first.click()
    if name == "own rows":
        panel.get_by_text("of your own files").click()
        panel.get_by_text("gpus.csv, line 2").wait_for()
    panel.locator("table, [role=img], [role=tabpanel], ol, .vw-device, .vw-lines").first.wait_for()
    assert axe("section.vw-panel") == []


def test_axe_would_see_pale_text_and_a_button_without_a_name(checked: Callable[..., Any]) -> None:
    frontend, axe = checked("dark")
    ids = graphs.build(frontend, [("node", "VramwiseOCR", (0, 0), {})])
    graphs.give(frontend, ids["node"], {"ocr": [RECORD]})
    frontend.page.locator("section.vw-panel").evaluate(
        """panel => {
            const pale = document.createElement('p')
            pale.textContent = 'pale'
            pale.style.color = 'rgb(60, 60, 60)'
            panel.prepend(document.createElement("button"), pale)
        }"""
    )
    found = {said.split(":")[0] for said in axe("section.vw-panel")}
    assert {"button-name", "color-contrast"} <= found


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_axe_finds_nothing_in_the_sidebar_tab(checked: Callable[..., Any], palette: str) -> None:
    frontend, axe = checked(palette)
    page = frontend.page
    page.evaluate(graphs.EMPTY)
    graphs.open_tab(page)
    page.get_by_role("heading", name="On ").wait_for()
    page.locator(".vw-sidebar summary").first.click()
    page.locator(".vw-sidebar .vw-offers [data-model]").first.wait_for()
    assert axe(".vw-sidebar") == []
    graphs.close_tab(page)


def test_the_panel_says_what_of_a_page_is_missing(visit: Callable[..., Frontend]) -> None:
    """Under the page that it is about, and no more under the next."""
    frontend = visit()
    ids = graphs.build(frontend, [("node", "VramwiseOCR", (0, 0), {})])
    cut = {**RECORD, "notes": ["One.", "The answer reached its limit."]}
    graphs.give(frontend, ids["node"], {"ocr": [cut, RECORD]})
    panel = frontend.page.locator("section.vw-panel")
    said = panel.locator(":scope > .vw-status")
    assert said.inner_text() == "One. The answer reached its limit." and said.is_visible()
    panel.get_by_role("button", name="Next page").click()
    assert not said.is_visible()
    panel.get_by_role("button", name="Previous page").click()
    assert said.inner_text().endswith("its limit.")
    kept = {**cut, "notes": ["Erste."], "in": {"en": {"notes": ["One."]}}}  # of somebody else's run
    graphs.give(frontend, ids["node"], {"ocr": [kept]})
    assert said.inner_text() == "One."
    panel.get_by_role("tab", name="JSON").click()
    assert '"in"' not in panel.inner_text()


def test_tab_goes_through_the_controls_in_the_order_they_are_read(visit: Callable[..., Frontend]) -> None:
    frontend = visit()
    ids = graphs.build(frontend, [("node", "VramwiseOCR", (0, 0), {})])
    graphs.give(frontend, ids["node"], {"ocr": [RECORD, RECORD]})
    panel = frontend.page.locator("section.vw-panel")
    panel.get_by_role("button", name="Previous page").focus()
    order = []
    for _ in range(5):
        order.append(
            frontend.page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
            )
        )
        frontend.page.keyboard.press("Tab")
    assert order == ["Previous page", "Next page", "Page", "Page", "OP (90 %)"]
