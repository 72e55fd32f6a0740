"""Small graphs built in the page, and where to look. Not a test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devtools.workflows.export import twin_of

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from devtools.comfy.browser import Frontend

# As ComfyUI's own "Clear Workflow": it keeps outputs by the ids of nodes, and ids begin anew.
EMPTY = "() => window.app.clean()"
BUILD = """([nodes, links]) => {
    const { app, LiteGraph } = window
    app.clean()
    const made = {}
    for (const [name, type, pos, values] of nodes) {
        const node = LiteGraph.createNode(type)
        node.pos = pos
        app.graph.add(node)
        for (const [key, value] of Object.entries(values)) {
            const widget = node.widgets.find(widget => widget.name === key)
            widget.value = value
            widget.callback?.(value)
        }
        made[name] = node
    }
    for (const [from, slot, to, input] of links)
        made[from].connect(slot, made[to], made[to].inputs.findIndex(slot => slot.name === input))
    app.canvas.deselectAll()
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [110, 130] // right of the tool bar
    app.canvas.setDirty(true, true)
    return Object.fromEntries(Object.entries(made).map(([name, node]) => [name, Number(node.id)]))
}"""
HOME = """() => {
    window.app.canvas.ds.scale = 1
    window.app.canvas.ds.offset = [110, 130]
    window.app.canvas.setDirty(true, true)
}"""
SET = """([id, name, value]) => {
    const widget = window.app.graph.getNodeById(id).widgets.find(widget => widget.name === name)
    widget.value = value
    widget.callback?.(value)
}"""
PLAIN = """id => window.app.graph.getNodeById(id).widgets.map(widget => widget.value)
    .filter(value => typeof value === 'string').join('\\n')"""
ON_PAGE = """([id, line]) => {
    const node = document.querySelector(`[data-node-id="${id}"]`)
    const fields = [...node.querySelectorAll('textarea')].map(field => field.value)
    return [node.innerText, ...fields].join('\\n').includes(line)
}"""
SHOWN = "([id, output]) => window.app.graph.getNodeById(id).onExecuted(output)"
SAMPLE = "vramwise_sample.png"
SAMPLE_LINES = (
    "The Lighthouse Cafe",
    "Open daily from 7:30 to 19:00",
    "Cinnamon roll 2.95",
    "\u4eca\u65e5\u7279\u4ef7\uff1a\u624b\u5de5\u9762\u5305",
    "Please order at the counter.",
)
# of the frontend that ComfyUI 0.3.75 brings, and of newer ones
TAB_BUTTON = ".vramwise-tab-button, [data-testid=vramwise-tab-button]"
TAB_IS_OPEN = "() => window.app.extensionManager.sidebarTab.activeSidebarTabId === 'vramwise'"
MENU_BUTTON = ".comfy-menu-button-wrapper, .comfyui-logo-wrapper, button:has(.comfyui-logo)"

Node = tuple[str, str, tuple[int, int], Mapping[str, Any]]
Link = tuple[str, int, str, str]

TRIES = 5
PATIENCE_MS = 4_000
SLOW_MS = 20_000  # that what a click brings up may take on a busy machine
FAR_FROM_MENUS = (1400, 880)


@contextmanager
def answered(page: Page, **answers: Callable[[Route], None]) -> Iterator[None]:
    """Meanwhile what the page asks of /vramwise/NAME is answered by the function of that name."""
    places = {f"**/vramwise/{name}?*": answer for name, answer in answers.items()}
    for place, answer in places.items():
        page.route(place, answer)
    try:
        yield
    finally:
        for place in places:
            page.unroute(place)


def altered(change: Callable[[Any], Any]) -> Callable[[Route], None]:
    """The server's own JSON, as ``change`` makes it."""

    def answer(route: Route) -> None:
        told = route.fetch()
        route.fulfill(response=told, body=json.dumps(change(told.json())))

    return answer


def open_menu(page: Page, *path: str) -> None:
    """Open ComfyUI's own menu along `path`: each entry is pointed at until the next one shows.

    A menu that is still unfolding, or is drawn anew because a panel opens, does not hear the pointer come in:
    then the pointer leaves and comes again, and a menu that has closed meanwhile is opened again.
    """
    from playwright.sync_api import TimeoutError

    for _ in range(TRIES):
        entries = [page.get_by_role("menuitem", name=name, exact=True).first for name in path]
        if not entries[0].is_visible():
            page.locator(MENU_BUTTON).first.click()
        try:
            for entry, following in pairwise(entries):
                entry.hover(timeout=PATIENCE_MS)
                following.wait_for(timeout=PATIENCE_MS)
        except TimeoutError:
            page.mouse.move(*FAR_FROM_MENUS)
        else:
            return
    raise AssertionError(f"{' > '.join(path)} did not open in {TRIES} tries.")


def until_seen(page: Page, gesture: Callable[[], None], seen: Locator, patience_ms: int = SLOW_MS) -> None:
    """Make a gesture until what it brings up shows: a page that is just drawn anew may not hear the first."""
    from playwright.sync_api import TimeoutError

    for _ in range(TRIES):
        try:
            gesture()
            seen.wait_for(timeout=patience_ms)
        except TimeoutError:
            page.mouse.move(*FAR_FROM_MENUS)
        else:
            return
    raise AssertionError(f"{seen} did not show after {TRIES} gestures.")


def open_tab(page: Page) -> Locator:
    """Our tab of the sidebar, open."""
    _turn_tab(page, True)
    panel = page.locator(".vw-sidebar")
    panel.wait_for()
    return panel


def close_tab(page: Page) -> None:
    _turn_tab(page, False)
    page.locator(".vw-sidebar").wait_for(state="hidden")


def _turn_tab(page: Page, wanted: bool) -> None:
    """By its button, which turns the tab over; ComfyUI knows sooner than the page which way it is."""
    for _ in range(TRIES):
        if page.evaluate(TAB_IS_OPEN) == wanted:
            return
        page.locator(TAB_BUTTON).click()
    raise AssertionError(f"The tab's button was not heard in {TRIES} tries.")


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


def plain_text(frontend: Frontend, node: int | str) -> str:
    """What a Preview Any shows; its widget's name differs between frontends."""
    return str(frontend.page.evaluate(PLAIN, int(node)))


def wait_for_line(frontend: Frontend, node: int | str, line: str) -> None:
    """Wait until Nodes 2.0 has this line on the page, as text or in a field."""
    frontend.page.wait_for_function(ON_PAGE, arg=[int(node), line])


def texts(found: Locator) -> list[str]:
    return [text.strip() for text in found.all_inner_texts()]


def node_showing_the_text(workflow: Path) -> str:
    """The id of the PreviewAny that shows what OCR Inference has read."""
    twin = json.loads(twin_of(workflow).read_text(encoding="utf-8"))
    return next(key for key, node in twin.items() if node["_meta"]["title"] == "The text")


def overlapping(boxes: list[list[Any]]) -> list[tuple[str, str]]:
    """The pairs of boxes, each [name, left, top, width, height], that have room in common."""
    return [
        (first, second)
        for (first, x, y, w, h), (second, left, top, width, height) in combinations(boxes, 2)
        if x < left + width and left < x + w and y < top + height and top < y + h
    ]


def open_from_template_browser(frontend: Frontend, name: str) -> None:
    """Templates, our pack under Extensions, the card: three clicks."""
    page = frontend.page
    dialog = page.get_by_role("dialog")
    # 1.32.9 has the name in English alone, else the folder's
    ours = dialog.get_by_text(re.compile("^VRAMwise$", re.IGNORECASE)).first
    card = dialog.get_by_test_id(f"template-workflow-{name}")
    until_seen(page, page.locator(".templates-tab-button").click, ours)
    until_seen(page, ours.click, card.locator("img").first)
    page.wait_for_function(
        "name => document.querySelector(`[data-testid='${name}'] img`)?.naturalWidth > 0",
        arg=f"template-workflow-{name}",
    )
    assert card.locator("img").first.evaluate("image => image.src").startswith("blob:"), "no preview picture"
    card.click()
    dialog.wait_for(state="detached")
