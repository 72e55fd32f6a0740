"""The panels on our nodes, driven as a person would, in both renderers of the frontend."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web import graphs
from tests.web.graphs import SAMPLE, altered, answered, build, give, set_widget, texts

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from devtools.comfy.browser import Frontend
    from devtools.comfy.client import ComfyClient

pytestmark = [pytest.mark.web, pytest.mark.comfy]

HERE = Path(__file__).resolve().parent
SCREENS = HERE.parents[1] / "docs" / "screens"

GIB = 1024**3
# A picture for everyone shows no folder of the machine that it was made on.
PLAIN_PATHS = """panel => panel.querySelectorAll('dd').forEach(entry => {
    entry.textContent = entry.textContent.replace(/^.*\\/models\\//, 'ComfyUI/models/')
})"""
# ... and its node as high as it needs, in a window in which it is whole.
SIZES = {"ocr": [520, 1020], "score": [420, 800], "advisor": [640, 760]}
SIZED = """(panel, size) => {
    const node = window.app.graph.nodes.find(one => one.widgets?.some(widget => widget.element === panel))
    if (size) node.setSize(size)
    window.app.canvas.setDirty(true, true)
}"""
SAMPLE_LINE = "Cinnamon roll"
# The sample's text but for one letter.
ALMOST = """The Lighthouse Cafe
Open daily from 7:30 to 19:00
Flat wite 3.40
Cinnamon roll 2.95
Soup of the day 6.20
\u4eca\u65e5\u7279\u4ef7\uff1a\u624b\u5de5\u9762\u5305
Please order at the counter."""
# What a hostile page could make a model say, in every place where text is shown.
HOSTILE = (
    '<img src=x onerror="window.hacked=1"> <script>window.hacked=2</script> [go](javascript:window.hacked=3)'
)
HOSTILE_MARKDOWN = (
    f"# {HOSTILE}\n\n- {HOSTILE}\n\n| a | b |\n|---|---|\n| {HOSTILE} | ![x](x.png) |\n\n"
    '<table><tr><td onclick="window.hacked=4"><img src=x onerror="window.hacked=5">cell</td></tr></table>\n\n'
    "```\n</pre><img src=x onerror=window.hacked=6>\n```\n"
)


@pytest.fixture(params=[False, True], ids=["canvas", "nodes2"], scope="module")
def nodes2(request: pytest.FixtureRequest) -> bool:
    """Which renderer: each test here runs in both."""
    return bool(request.param)


@pytest.fixture
def opened(visit: Callable[..., Frontend], nodes2: bool) -> Iterator[Frontend]:
    frontend = visit(nodes2=nodes2)
    yield frontend
    frontend.page.evaluate(graphs.EMPTY)


@pytest.fixture
def keep(nodes2: bool, newest: bool) -> Callable[[Locator, str], None]:
    """``keep(locator, name)``: a picture for the README where VRAMWISE_SCREENS is set, of ComfyUI's own
    frontend on the canvas.
    """

    def save(found: Locator, name: str) -> None:
        if os.environ.get("VRAMWISE_SCREENS") and not (nodes2 or newest):
            found.evaluate(PLAIN_PATHS)
            found.page.set_viewport_size({"width": 1600, "height": 1500})
            found.evaluate(SIZED, SIZES.get(name))
            found.page.wait_for_timeout(600)
            found.screenshot(path=SCREENS / f"panel_{name}.png")

    return save


def gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def loader(frontend: Frontend, **values: Any) -> int:
    ids = build(frontend, [("loader", "VramwiseOCRModelLoader", (0, 0), values)])
    return int(ids["loader"])


def ocr(frontend: Frontend) -> int:
    ids = build(
        frontend,
        [
            ("picture", "LoadImage", (0, 0), {"image": SAMPLE}),
            ("ocr", "VramwiseOCR", (350, 0), {}),
        ],
        [("picture", 0, "ocr", "image")],
    )
    return int(ids["ocr"])


def record(text: str, markdown: str = "", **more: Any) -> dict[str, Any]:
    region = {
        "text": text,
        "polygon": [[10, 10], [190, 10], [190, 50], [10, 50]],
        "order": 0,
        "category": "text",
        "confidence": 0.5,
        "words": [],
    }
    return {"text": text, "markdown": markdown, "regions": [region], "width": 200, "height": 100, **more}


# --- OCR Model Loader -------------------------------------------------------------------------------------


def test_the_loader_says_of_every_precision_what_it_needs_and_whether_it_fits(
    opened: Frontend, client: ComfyClient, keep: Callable[[Locator, str], None]
) -> None:
    loader(opened, model="qwen3_vl_2b")
    panel = opened.page.locator("section.vw-loader")
    panel.get_by_role("row").nth(4).wait_for()
    plan = client.get_json("/vramwise/plan?model=qwen3_vl_2b")
    for verdict in plan["verdicts"]:
        row = panel.locator(f"tr[data-precision={verdict['precision']}]")
        assert gib(verdict["need_bytes"]) in row.inner_text()
        assert row.locator(".vw-badge").count() == 1
    assert "free" in panel.locator(".vw-head").inner_text()
    chosen = panel.locator("tr.vw-chosen")
    assert chosen.get_attribute("data-precision") == plan["chosen"]
    keep(panel, "loader")


def test_the_verdicts_follow_the_model_and_the_precision(opened: Frontend) -> None:
    node = loader(opened, model="qwen3_vl_2b")
    panel = opened.page.locator("section.vw-loader")
    panel.locator("tr.vw-chosen").wait_for()
    set_widget(opened, node, "precision", "int4")
    panel.locator("tr.vw-chosen[data-precision=int4]").wait_for()
    before = panel.locator("tr[data-precision=int4]").inner_text()
    set_widget(opened, node, "model", "qwen3_vl_8b")
    opened.page.wait_for_function(
        "text => document.querySelector('tr[data-precision=int4]')?.innerText !== text", arg=before
    )
    set_widget(opened, node, "model", "rapid")
    panel.locator("tr[data-precision=own]").wait_for()
    assert panel.get_by_role("row").count() == 2  # a hidden head and its one row


def test_the_largest_picture_of_the_reading_node_counts(opened: Frontend) -> None:
    ids = build(
        opened,
        [
            ("loader", "VramwiseOCRModelLoader", (0, 0), {"model": "qwen3_vl_2b"}),
            ("ocr", "VramwiseOCR", (400, 0), {}),
        ],
        [("loader", 0, "ocr", "ocr_model")],
    )
    row = opened.page.locator("section.vw-loader tr[data-precision=bf16]")
    row.wait_for()
    with opened.page.expect_request(
        lambda asked: "/vramwise/plan" in asked.url and "megapixels=9" in asked.url
    ):
        set_widget(opened, ids["ocr"], "megapixels", 9.0)


def test_a_missing_model_is_fetched_only_by_the_button_and_can_be_stopped(opened: Frontend) -> None:
    """The server's answers about the download are played here: a test fetches nothing."""
    page, posted, state = opened.page, [], {"now": None}

    def download(route: Route) -> None:
        asked = route.request.post_data_json
        posted.append(asked)
        running = {"state": "running", "done_bytes": GIB, "total_bytes": 4 * GIB, "file": "a", "error": ""}
        state["now"] = {**running, "state": "stopped"} if asked.get("cancel") else running
        route.fulfill(json=state["now"])

    plan = altered(lambda told: {**told, "download": state["now"]})
    with answered(page, plan=plan, download=download):
        loader(opened, model="qwen3_vl_2b")
        missing = page.locator(".vw-missing")
        missing.wait_for()
        assert "Qwen/Qwen3-VL-2B-Instruct" in missing.inner_text()
        missing.locator("summary").click()
        missing.get_by_text("none of the folders searched").wait_for()
        assert posted == []
        missing.get_by_role("button", name="Download").click()
        missing.get_by_role("progressbar").wait_for()
        assert "1.0 GiB of 4.0 GiB" in missing.inner_text()
        missing.get_by_role("button", name="Cancel").click()
        missing.get_by_text("Stopped").wait_for()
    assert posted == [
        {"model": "qwen3_vl_2b", "source": ""},
        {"model": "qwen3_vl_2b", "cancel": True},
    ]


@pytest.mark.parametrize(
    ("wanted", "named"),
    [("eslav", "Russian, Ukrainian, Belarusian"), ("pp_doclayout_v3", "PP-DocLayoutV3")],
)
def test_a_refusal_for_want_of_what_can_be_fetched_has_its_button_and_fetches_nothing_by_itself(
    opened: Frontend, wanted: str, named: str
) -> None:
    """The error of a run and the download are played here; what can be added is the server's own answer."""
    page, posted, state = opened.page, [], {"now": None}

    def found(told: Any) -> Any:
        return [{**one, **(state["now"] or {})} if one["id"] == wanted else one for one in told]

    def download(route: Route) -> None:
        posted.append(route.request.post_data_json)
        state["now"] = {"state": "here"}
        route.fulfill(json={})

    with answered(page, recognisers=altered(found), download=download):
        node = ocr(opened)
        said = f"This page needs more. 1: run `vramwise download {wanted}` once. 2: Tesseract."
        page.evaluate(
            "([node, said]) => window.app.api.dispatchEvent(new CustomEvent('execution_error',"
            " {detail: {node_id: String(node), node_type: 'VramwiseOCR', exception_message: said}}))",
            [node, said],
        )
        refused = page.locator(".vw-refused")
        assert said in refused.get_by_role("alert").inner_text()
        button = refused.get_by_role("button")
        button.wait_for()
        assert named in button.inner_text() and posted == []
        button.dispatch_event("click")  # in Nodes 2.0 it may be below the window's edge
        refused.get_by_text("Run once more").wait_for()
    assert posted == [{"model": wanted, "source": ""}]


# --- Remote OCR Model --------------------------------------------------------------------------------------


def test_opening_a_workflow_asks_no_server_and_the_button_does(
    opened: Frontend, keep: Callable[[Locator, str], None]
) -> None:
    from devtools.fakes.chat_server import MODEL, ChatServer

    page = opened.page
    with ChatServer() as server:
        endpoint = f"localhost:{server.port}"
        build(opened, [("remote", "VramwiseRemoteOCRModel", (0, 0), {"endpoint": endpoint})])
        opened.load_workflow(opened.serialize())
        page.evaluate(graphs.HOME)
        panel = page.get_by_role("region", name="Who answers at the endpoint")
        ask = panel.get_by_role("button", name="Ask the endpoint")
        ask.wait_for()
        assert server.headers == {} and panel.get_by_role("listitem").count() == 0
        ask.click()
        panel.get_by_text(f"{endpoint} answers in").wait_for()
        assert MODEL in panel.inner_text() and "1 of 1 server answer" in panel.inner_text()
        assert server.headers != {} and server.pictures == {}
        keep(panel, "remote")
    ask.click()
    panel.get_by_text("0 of 1 server").wait_for()
    (node,) = opened.serialize()["nodes"]
    set_widget(opened, node["id"], "endpoint", "http://somebody.example/v1")
    ask.click()
    panel.get_by_role("status").get_by_text("is an address").wait_for()
    assert panel.get_by_role("listitem").count() == 0


def test_after_a_run_the_panel_shows_the_plan_of_the_remote_model(opened: Frontend) -> None:
    from devtools.fakes.chat_server import MODEL, ChatServer

    with ChatServer() as server:
        values = {"endpoint": f"localhost:{server.port}"}
        build(opened, [("remote", "VramwiseRemoteOCRModel", (0, 0), values)])
        opened.run_and_wait()
        panel = opened.page.get_by_role("region", name="Who answers at the endpoint")
        panel.get_by_text(MODEL).first.wait_for()
        assert panel.get_by_role("listitem").count() >= 3


# --- OCR Inference ----------------------------------------------------------------------------------------


def test_after_a_run_the_page_is_there_with_its_regions_and_a_click_copies(
    opened: Frontend, keep: Callable[[Locator, str], None]
) -> None:
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ocr(opened)
    opened.run_and_wait()
    panel = page.locator("section.vw-pages")
    panel.wait_for()
    picture = panel.locator("img")
    page.wait_for_function("() => document.querySelector('.vw-sheet img')?.naturalWidth > 500")
    assert picture.count() == 1
    regions = panel.locator("polygon")
    assert regions.count() >= 8
    roll = panel.locator(f"polygon[aria-label^='{SAMPLE_LINE}']")
    tip = panel.locator(".vw-tip", has_text=SAMPLE_LINE)
    graphs.until_seen(page, roll.hover, tip)
    assert "%" in tip.inner_text()
    roll.click()
    panel.get_by_role("status").get_by_text("Copied").wait_for()
    assert SAMPLE_LINE in page.evaluate("() => navigator.clipboard.readText()")
    keep(panel, "ocr")


@pytest.mark.parametrize("used", [False, True], ids=["page just opened", "page used before"])
def test_what_was_read_has_more_room_than_the_question(
    visit: Callable[..., Frontend], browser: Frontend, nodes2: bool, newest: bool, used: bool
) -> None:
    """Half of the free room was the prompt's, and the result lay below the fold of a page just opened."""
    if not used:
        browser.opened_with = None  # type: ignore[attr-defined]
    opened = visit(nodes2=nodes2)
    page = opened.page
    if used:
        ocr(opened)
        opened.run_and_wait()
        opened.wait_for_pictures()  # kept by the id that the new node gets
    node = build(opened, [("ocr", "VramwiseOCR", (0, 0), {})])["ocr"]
    question = page.locator("textarea:visible").first
    high = "element => element.offsetHeight"
    # looked for anew each time: what stood on the page before may still be on its way out
    settled = """() => {
        const seen = kind => [...document.querySelectorAll(kind)].map(one => one.offsetHeight).filter(Boolean)
        const [panels, fields] = [seen('.vw-pages'), seen('textarea')]
        return panels.length === 1 && panels[0] > 240 && fields[0] >= 40
    }"""
    page.wait_for_function(settled, timeout=20_000)
    assert question.evaluate(high) <= 80
    if nodes2 and not newest:
        return  # rows of 1.32.9 share what a person adds
    if nodes2:
        taller = """id => {
            const high = document.querySelector(`[data-node-id="${id}"]`).offsetHeight
            window.app.graph.getNodeById(id).setSize([400, high + 400])
        }"""
        before = page.locator(".vw-pages").evaluate(high)
        page.evaluate(taller, node)
        page.wait_for_function(
            "least => document.querySelector('.vw-pages').offsetHeight > least",
            arg=before + 330,
            timeout=20_000,
        )
        assert question.evaluate(high) <= 80, "what a person adds is the panel's"
        return
    score = build(opened, [("score", "VramwiseOCRScore", (0, 0), {})])["score"]
    sized = """id => {
        window.app.graph.getNodeById(id).setSize([400, 1100])
        window.app.canvas.setDirty(true, true)
    }"""
    page.locator(".vw-score").wait_for()
    page.evaluate(sized, score)
    page.wait_for_function("() => document.querySelector('.vw-score')?.offsetHeight > 400", timeout=20_000)
    assert question.evaluate(high) <= 80
    node = build(opened, [("ocr", "VramwiseOCR", (0, 0), {})])["ocr"]
    page.wait_for_function("() => document.querySelector('.vw-pages')?.offsetHeight > 240", timeout=20_000)
    page.evaluate(sized, node)
    page.wait_for_function("() => document.querySelector('.vw-pages').offsetHeight > 450", timeout=10_000)
    assert question.evaluate(high) <= 80, "what a person adds is the panel's"


def test_text_markdown_and_json_are_tabs_and_arrows_move_between_them(opened: Frontend) -> None:
    ocr(opened)
    opened.run_and_wait()
    panel = opened.page.locator("section.vw-pages")
    panel.get_by_role("tab", name="Page").focus()
    opened.page.keyboard.press("ArrowRight")
    assert panel.get_by_role("tab", selected=True).inner_text() == "Text"
    assert SAMPLE_LINE in panel.get_by_role("tabpanel").inner_text()
    opened.page.keyboard.press("ArrowRight")
    assert SAMPLE_LINE in panel.locator(".vw-markdown").inner_text()
    opened.page.keyboard.press("ArrowRight")
    assert SAMPLE_LINE in json.loads(panel.locator("pre").inner_text())["text"]
    opened.page.keyboard.press("ArrowRight")
    assert panel.get_by_role("tab", selected=True).inner_text() == "Page"


def test_regions_are_reached_and_copied_by_keyboard(opened: Frontend) -> None:
    node = ocr(opened)
    two = record("first")
    two["regions"].append({**two["regions"][0], "text": "second", "confidence": None})
    give(opened, node, {"ocr": [two]})
    panel = opened.page.locator("section.vw-pages")
    panel.locator("polygon").first.focus()
    opened.page.keyboard.press("ArrowDown")
    assert panel.locator(".vw-tip").inner_text() == "second"
    opened.page.keyboard.press("Enter")
    panel.get_by_role("status").get_by_text("Copied: second").wait_for()
    assert panel.locator("polygon[tabindex='0']").count() == 1


def test_a_batch_has_a_page_switcher(opened: Frontend) -> None:
    node = ocr(opened)
    give(opened, node, {"ocr": [record("page one"), record("page two"), record("page three")]})
    panel = opened.page.locator("section.vw-pages")
    panel.get_by_text("Page 1 of 3").wait_for()
    panel.get_by_role("tab", name="Text").click()
    panel.get_by_role("button", name="Next page").click()
    assert panel.locator("pre").inner_text() == "page two"
    panel.get_by_role("button", name="Previous page").click()
    panel.get_by_role("button", name="Previous page").click()
    panel.get_by_text("Page 3 of 3").wait_for()


def test_text_is_shown_while_it_is_generated_and_the_result_takes_its_place(opened: Frontend) -> None:
    node = ocr(opened)
    say = "([id, text]) => window.app.api.dispatchCustomEvent('progress_text', { nodeId: String(id), text })"
    opened.page.evaluate(say, [node, "The first wo"])
    log = opened.page.get_by_role("log")
    log.wait_for()
    opened.page.evaluate(say, [node, "The first words <\u200bb>"])
    opened.page.wait_for_function(
        "() => document.querySelector('.vw-running')?.textContent === 'The first words <b>'"
    )
    names = "id => window.app.graph.getNodeById(id).widgets.map(widget => widget.name)"
    assert "$$node-text-preview" not in opened.page.evaluate(names, node)
    give(opened, node, {"ocr": [record("The first words, and the last")]})
    opened.page.get_by_role("tab", name="Page").wait_for()
    assert log.count() == 0


FIRST_LETTERS = """pre => [...pre.firstChild.data.matchAll(/^./gm)].map(({ index }) => {
    const letter = document.createRange()
    letter.setStart(pre.firstChild, index)
    letter.setEnd(pre.firstChild, index + 1)
    const [box, line] = [letter.getBoundingClientRect(), pre.getBoundingClientRect()]
    return box.left > line.left + line.width / 2 ? 'right' : 'left'
})"""


def test_a_line_of_hebrew_begins_at_the_right_and_one_of_english_at_the_left(opened: Frontend) -> None:
    node = ocr(opened)
    give(opened, node, {"ocr": [record("\u05e9\u05dc\u05d5\u05dd 7:30\nOpen daily", "")]})
    opened.page.get_by_role("tab", name="Text").click()
    written = opened.page.get_by_role("tabpanel").locator("pre")
    written.wait_for()
    assert written.evaluate(FIRST_LETTERS) == ["right", "left"]


def test_what_a_model_says_is_never_html(opened: Frontend) -> None:
    page = opened.page
    node = ocr(opened)
    give(opened, node, {"ocr": [record(HOSTILE, HOSTILE_MARKDOWN)]})
    panel = page.locator("section.vw-pages")
    panel.wait_for()
    for name in ("Page", "Text", "Markdown", "JSON"):
        panel.get_by_role("tab", name=name).click()
        panel.get_by_role("tabpanel").hover()
        assert panel.locator("img, script, a, iframe, [onerror], [onclick]").count() == 0, name
    panel.get_by_role("tab", name="Markdown").click()
    assert texts(panel.locator(".vw-markdown td")) == [
        HOSTILE.replace("[go](javascript:window.hacked=3)", "go (javascript:window.hacked=3)"),
        "[x]",
        "cell",
    ]
    # a picture of that address that was asked for before this one has failed before it, too
    page.evaluate(
        "() => new Promise(done => Object.assign(new Image(), { onerror: done, src: 'x?' + Date.now() }))"
    )
    assert page.evaluate("() => window.hacked") is None


# --- GPU Probe --------------------------------------------------------------------------------------------


POLL = "seconds => window.app.extensionManager.setting.set('Vramwise.PollSeconds', seconds)"


def asked_for(page: Page, part: str, milliseconds: int) -> int:
    """How often the page asks the server for ``part`` in that time."""
    found: list[str] = []

    def note(request: Any) -> None:
        if part in request.url:
            found.append(request.url)

    page.on("request", note)
    page.wait_for_timeout(milliseconds)
    page.remove_listener("request", note)
    return len(found)


def test_the_probe_shows_who_holds_the_memory_and_is_silent_out_of_sight(
    opened: Frontend, client: ComfyClient, keep: Callable[[Locator, str], None]
) -> None:
    build(opened, [("probe", "VramwiseGPUProbe", (0, 0), {})])
    page = opened.page
    panel = page.get_by_role("region", name="Memory now")
    panel.get_by_role("img").first.wait_for()
    machine = client.get_json("/vramwise/machine")
    assert panel.locator("[data-device]").count() == len(machine["devices"])
    assert gib(machine["devices"][0]["total_bytes"]) in panel.inner_text()
    assert "free: " in panel.inner_text()
    keep(panel, "probe")
    page.evaluate(POLL, 0.5)
    try:
        for _ in range(2):
            page.wait_for_event("request", lambda asked: "/vramwise/machine" in asked.url)
        page.evaluate(
            "() => { window.app.canvas.ds.offset = [-9000, -9000]; window.app.canvas.setDirty(true, true) }"
        )
        # looks may be under way, and on a busy machine the canvas takes its time to notice
        assert any(asked_for(page, "/vramwise/", 2000) == 0 for _ in range(30))
    finally:
        page.evaluate(POLL, 2)


# --- Model Advisor ----------------------------------------------------------------------------------------


def test_the_advisor_says_a_sentence_a_task_then_a_row_a_model_and_use_sets_the_linked_loader(
    opened: Frontend, keep: Callable[[Locator, str], None]
) -> None:
    page = opened.page
    ids = build(
        opened,
        [
            ("advisor", "VramwiseModelAdvisor", (0, 0), {"what_if": "RTX 4060", "task": "OCR"}),
            ("loader", "VramwiseOCRModelLoader", (900, 0), {}),
        ],
        [("advisor", 1, "loader", "model")],
    )
    page.evaluate("id => window.app.graph.getNodeById(id).setSize([760, 560])", ids["advisor"])
    opened.run_and_wait()
    panel = page.get_by_role("region", name="Models that fit")
    rows = panel.locator("[data-model]")
    rows.first.wait_for()
    keep(panel, "advisor")
    assert texts(panel.locator(".vw-picks li")) == [panel.locator("[data-task=OCR]").inner_text().strip()]
    everything = rows.count()
    models = rows.evaluate_all("all => all.map(one => one.dataset.model)")
    assert len(set(models)) == everything, "a row a model"
    assert rows.locator(".vw-badge").count() == everything, "and one badge"
    panel.get_by_role("searchbox").fill("qwen3-vl 4b")
    assert 0 < rows.count() < everything
    assert all("Qwen3-VL 4B" in text for text in texts(rows))
    rows.first.locator("summary").press("Enter")  # below the window a mouse has to move the canvas first
    table = rows.first.get_by_role("table")
    table.wait_for()
    heads = texts(table.get_by_role("columnheader"))
    assert heads[:5] == ["precision", "fit", "in memory at once", "enough", "smallest"]
    assert "Apache-2.0" in rows.first.inner_text()
    panel.get_by_role("searchbox").fill("qwen3-vl 4b ")
    table.wait_for()  # an unfolded row stays so
    panel.get_by_role("button", name="Use Qwen3-VL 4B at int4").click()
    panel.get_by_role("status").get_by_text("is set to").wait_for()
    values = opened.widgets()[str(ids["loader"])]
    assert (values["model"], values["precision"]) == ("qwen3_vl_4b", "int4")


def test_in_a_narrow_panel_the_fit_and_the_use_button_are_seen_without_scrolling_sideways(
    opened: Frontend,
) -> None:
    ids = build(opened, [("advisor", "VramwiseModelAdvisor", (0, 0), {"what_if": "RTX 4060", "task": "OCR"})])
    opened.page.evaluate("id => window.app.graph.getNodeById(id).setSize([270, 700])", ids["advisor"])
    opened.run_and_wait()
    panel = opened.page.get_by_role("region", name="Models that fit")
    panel.locator("[data-model]").first.wait_for()
    outside = panel.evaluate(
        """panel => [...panel.querySelectorAll('.vw-badge, .vw-offer button')].filter(one =>
            one.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1).length"""
    )
    assert outside == 0 and panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth + 1")


def test_a_failed_download_is_explained_first_in_the_readers_language(visit: Callable[..., Frontend]) -> None:
    frontend = visit(locale="ru")
    page = frontend.page
    failed: dict[str, Any] = {"state": "failed", "done_bytes": 1, "total_bytes": 2, "file": "a"}
    failed |= {"error": "No room is left.", "ended": 1_700_000_000.0}

    with answered(page, plan=altered(lambda told: {**told, "download": failed})):
        loader(frontend, model="qwen3_vl_2b")
        said = page.locator(".vw-loader .vw-error").first
        said.wait_for()
        assert said.inner_text().startswith("\u0421\u043a\u0430\u0447\u0430\u0442\u044c")
        assert said.inner_text().endswith(failed["error"]), "and why"
        box, panel = said.bounding_box(), page.locator(".vw-loader").bounding_box()
        assert box is not None and panel is not None and box["y"] - panel["y"] < 40, "at the top"
    page.evaluate(graphs.EMPTY)


def test_in_a_narrow_node_tabs_keep_whole_words_and_the_panel_is_as_high_as_what_it_shows(
    visit: Callable[..., Frontend],
) -> None:
    """At 270 pixels each tab was broken into two lines, and the end of a bar's legend was below the edge."""
    frontend = visit(locale="ru")
    page = frontend.page
    ids = build(frontend, [("probe", "VramwiseGPUProbe", (0, 0), {}), ("ocr", "VramwiseOCR", (450, 0), {})])
    narrow = """id => {
        const node = window.app.graph.getNodeById(id)
        node.setSize([270, node.size[1]])
        window.app.canvas.setDirty(true, true)
    }"""
    page.evaluate(narrow, ids["ocr"])
    give(frontend, ids["ocr"], {"ocr": [record("text")]})
    tabs = page.locator(".vw-tabs button")
    tabs.first.wait_for()
    page.wait_for_function("() => document.querySelector('.vw-pages').offsetWidth < 270")
    assert all(high <= 26 for high in tabs.evaluate_all("all => all.map(one => one.offsetHeight)"))
    page.locator(".vw-probe .vw-device").first.wait_for()
    page.wait_for_function(
        "() => (one => one.scrollHeight <= one.clientHeight + 1)(document.querySelector('.vw-probe'))"
    )
    page.evaluate(graphs.EMPTY)


def test_a_panel_that_is_drawn_anew_again_and_again_leaves_its_node_as_high_as_it_is(
    opened: Frontend,
) -> None:
    """One that took its own height for that of what it shows grew by its margin at each look."""
    page = opened.page
    build(
        opened,
        [("probe", "VramwiseGPUProbe", (0, 0), {}), ("loader", "VramwiseOCRModelLoader", (350, 0), {})],
    )
    page.locator(".vw-probe .vw-device").first.wait_for()
    page.locator("section.vw-loader tr.vw-chosen").wait_for()
    heights = "() => window.app.graph.nodes.map(node => node.size[1])"
    page.evaluate(POLL, 0.5)
    try:
        for larger in (0, 90):
            page.evaluate(
                "more => app.graph.nodes.forEach(one => one.setSize([one.size[0], one.size[1] + more]))",
                larger,
            )
            page.wait_for_timeout(1000)  # it may grow once, as its words come
            before = page.evaluate(heights)
            for _ in range(4):
                page.wait_for_event("response", lambda told: "/vramwise/machine" in told.url)
            assert page.evaluate(heights) == before
    finally:
        page.evaluate(POLL, 2)


def test_a_second_try_that_fails_at_once_is_seen(visit: Callable[..., Frontend]) -> None:
    """The same words again looked as if the button had done nothing."""
    frontend = visit()
    page = frontend.page
    failed = {"state": "failed", "done_bytes": 1, "total_bytes": 2, "file": "a", "error": "No room is left."}
    ended = [1_700_000_000.0]

    def download(route: Route) -> None:
        ended.append(ended[-1] + 61)
        route.fulfill(json=failed)

    plan = altered(lambda told: {**told, "download": {**failed, "ended": ended[-1]}})
    with answered(page, plan=plan, download=download):
        loader(frontend, model="qwen3_vl_2b")
        said = page.locator(".vw-loader .vw-error")
        said.wait_for()
        first = said.inner_text()
        page.locator(".vw-loader [data-act='download qwen3_vl_2b']").click()
        page.wait_for_function(
            "first => document.querySelector('.vw-loader .vw-error').innerText !== first", arg=first
        )
        assert re.search(r"\(\d{1,2}:\d\d:\d\d", said.inner_text())
        assert len(ended) == 2
    page.evaluate(graphs.EMPTY)


def test_the_advisors_sentences_are_in_the_pages_language_whatever_the_reports_is(
    visit: Callable[..., Frontend],
) -> None:
    frontend = visit(locale="ru")
    node = build(frontend, [("advisor", "VramwiseModelAdvisor", (0, 0), {"language": "en"})])["advisor"]
    told = {"lines": [{"task": "OCR", "text": "in English"}], "rows": [], "own_rows": ["English"]}
    russian = {**told, "lines": [{"task": "OCR", "text": "in Russian"}], "own_rows": [HOSTILE, "gpus.csv"]}
    summary = {**told, "in": {"en": told, "ru": russian}}
    give(frontend, node, {"advice": [{"gpu": "RTX", "models": [], "summary": summary}]})
    picks = frontend.page.locator(".vw-picks li")
    picks.wait_for()
    assert texts(picks) == ["in Russian"]
    faults = frontend.page.locator(".vw-findings li")
    frontend.page.locator("details:has(.vw-findings) > summary").press("Enter")
    assert texts(faults) == [HOSTILE, "gpus.csv"], "as text, in the page's language"
    frontend.page.evaluate(graphs.EMPTY)


def test_the_advisors_rows_are_in_the_pages_language_whoever_ran_it(visit: Callable[..., Frontend]) -> None:
    frontend = visit(locale="ru")
    node = build(frontend, [("advisor", "VramwiseModelAdvisor", (0, 0), {})])["advisor"]
    row = {
        "task": "OCR", "model": "m", "name": "M (built in)", "precision": "bf16", "verdict": "fits",
        "yours": False, "licence": "of its own", "reason": "It fits.", "notes": ["A note.", "M"],
        "installed": False,
        "optimal_bytes": 1, "resident_bytes": 1, "floor_bytes": 1,
    }  # fmt: skip
    words = {"M (built in)": "M <b>", "of its own": "L", "It fits.": "R", "A note.": "N"}
    summary = {"lines": [], "rows": [], "in": {"ru": {"lines": [], "rows": [], "words": words}}}
    give(frontend, node, {"advice": [{"gpu": "RTX", "models": [row], "summary": summary}]})
    offer = frontend.page.locator(".vw-offers > [data-model]")
    offer.locator("summary").press("Enter")
    offer.locator("table").wait_for()
    said = offer.inner_text()
    assert "M <b>" in said and "built in" not in said
    assert texts(offer.locator(".vw-note")) == ["R", "N", "M"], "what has no words of its own stays"
    assert said.split(": ")[-1].startswith("L"), "the licence"
    assert offer.locator("tbody tr").get_attribute("title") == "R"
    frontend.page.evaluate(graphs.EMPTY)


# --- OCR Score and Memory Release -------------------------------------------------------------------------


# of OPFN read and OPEN expected, as the node sends them: tests/unit/test_metrics.py
PIECES = [["same", "OP"], ["missing", "E"], ["extra", "F"], ["same", "N"]]


def test_the_score_shows_each_picture_frames_the_best_and_colours_what_differs(
    opened: Frontend, keep: Callable[[Locator, str], None]
) -> None:
    page = opened.page
    ids = build(
        opened,
        [
            ("picture", "LoadImage", (0, 0), {"image": SAMPLE}),
            ("score", "VramwiseOCRScore", (350, 0), {"expected": ALMOST}),
        ],
        [("picture", 0, "score", "image")],
    )
    opened.run_and_wait()
    panel = page.get_by_role("region", name="Pictures and their scores")
    panel.locator("img").first.wait_for()
    assert panel.locator("li.vw-best").count() == 1
    assert "CER" in panel.inner_text()
    assert panel.locator("ins").count() > 0
    keep(panel, "score")
    images = [
        {"cer": 0.4, "wer": 1.0, "exact": False, "read": "OPFN", "expected": "OPEN", "pieces": PIECES},
        {
            "cer": 0.0,
            "wer": 0.0,
            "exact": True,
            "read": "OPEN",
            "expected": "OPEN",
            "pieces": [["same", "OPEN"]],
        },
    ]
    shown = {"best_index": 1, "passed": True, "images": images}
    give(opened, ids["score"], {"score": [[shown]]})  # a list deeper, as newer ComfyUI has it
    panel.get_by_text("Passed: image 2 of 2").wait_for()
    first, second = panel.locator("li").all()
    assert (texts(first.locator("del")), texts(first.locator("ins"))) == (["E"], ["F"])
    assert "vw-best" in (second.get_attribute("class") or "") and second.locator("del, ins").count() == 0


def test_a_release_is_two_bars_before_and_after(
    opened: Frontend, keep: Callable[[Locator, str], None]
) -> None:
    build(opened, [("release", "VramwiseMemoryRelease", (0, 0), {})])
    opened.run_and_wait()
    panel = opened.page.get_by_role("region", name="Memory before and after")
    panel.wait_for()
    assert panel.get_by_role("img").count() == 4
    words = texts(panel.locator(".vw-beforeafter > span:first-child"))
    assert words == ["before", "after", "before", "after"]
    keep(panel, "release")


# --- what all of them keep to -----------------------------------------------------------------------------


def test_a_workflow_that_is_opened_again_has_panels_again(opened: Frontend) -> None:
    """As after an undo: the same ids come in the moment in which the old nodes go."""
    page = opened.page
    nodes = [("loader", "VramwiseOCRModelLoader", (0, 0), {}), ("ocr", "VramwiseOCR", (450, 0), {})]
    ids = build(opened, nodes)
    for text in ("first", "second"):
        page.locator("section.vw-loader tr.vw-chosen").wait_for()
        give(opened, ids["ocr"], {"ocr": [record(text)]})
        panel = page.locator("section.vw-pages")
        panel.get_by_role("tab", name="Text").click()
        panel.get_by_role("tabpanel").get_by_text(text).wait_for()
        assert panel.count() == 1
        ids = build(opened, nodes)


def test_a_page_loaded_again_shows_what_was_read_before(
    visit: Callable[..., Frontend], browser: Frontend, nodes2: bool
) -> None:
    """ComfyUI itself shows nothing of an earlier run then; of another workflow nothing is shown."""
    opened = visit(nodes2=nodes2)
    ocr(opened)
    one, another = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "12")
    opened.page.evaluate("id => { window.app.graph.id = id }", one)
    opened.run_and_wait()
    workflow = opened.serialize()
    browser.opened_with = None  # type: ignore[attr-defined]
    opened = visit(nodes2=nodes2)
    panel = opened.page.locator("section.vw-pages")
    with opened.page.expect_response(f"**/vramwise/shown?workflow={another}&*") as answer:
        opened.load_workflow({**workflow, "id": another})
    assert answer.value.json() == {} and panel.get_by_role("tab").count() == 0
    opened.load_workflow(workflow)
    panel.get_by_role("tab", name="Text").dispatch_event("click")  # it may be below the window's edge
    assert SAMPLE_LINE in panel.get_by_role("tabpanel").inner_text()
    assert opened.toasts() == []
    opened.page.evaluate(graphs.EMPTY)


def test_panels_are_neither_saved_nor_sent(opened: Frontend) -> None:
    node = ocr(opened)
    before = opened.prompt_of_graph()
    give(opened, node, {"ocr": [record("text")]})
    opened.page.locator("section.vw-pages").wait_for()
    assert opened.prompt_of_graph() == before
    saved = next(other for other in opened.serialize()["nodes"] if other["id"] == node)
    names = [slot["widget"]["name"] for slot in saved["inputs"] if "widget" in slot]
    assert len(saved["widgets_values"]) == len(names)
    assert "vramwise_panel" not in json.dumps(saved)
