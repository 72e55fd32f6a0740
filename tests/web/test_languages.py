"""Node names and help pages in the real frontend, in every language that the pack speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web import graphs

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend
    from devtools.comfy.client import ComfyClient

pytestmark = [pytest.mark.web, pytest.mark.comfy]

ROOT = Path(__file__).resolve().parents[2]
NODE = "VramwiseOCR"
NAMES_OF_A_NEW_NODE = """type => {
    const node = window.LiteGraph.createNode(type)
    const shown = slot => slot.label ?? slot.localized_name ?? slot.name
    const inputs = Object.fromEntries(node.inputs.map(input => [input.name, shown(input)]))
    for (const widget of node.widgets) inputs[widget.name] = widget.label ?? widget.name
    return { title: node.title, inputs, outputs: node.outputs.map(shown) }
}"""
CLOSE_PANEL = "() => window.app.extensionManager.setting.set('Comfy.RightSidePanel.IsOpen', false)"

# grouped by language, so that a page serves all of its tests; English last: test_templates goes on with it
each_language = pytest.mark.parametrize("locale", ["ru", "zh", "en"], scope="module")


def node_words(locale: str) -> dict[str, Any]:
    words = (ROOT / "locales" / locale / "nodeDefs.json").read_text(encoding="utf-8")
    return dict(json.loads(words)[NODE])


def help_page(locale: str) -> str:
    docs = ROOT / "web" / "docs"
    page = docs / f"{NODE}.md" if locale == "en" else docs / NODE / f"{locale}.md"
    return page.read_text(encoding="utf-8")


@each_language
def test_a_node_and_its_inputs_and_outputs_have_the_names_of_the_language(
    visit: Callable[..., Frontend], locale: str
) -> None:
    names = visit(locale=locale).page.evaluate(NAMES_OF_A_NEW_NODE, NODE)
    words = node_words(locale)
    assert names["title"] == words["display_name"]
    assert names["inputs"] == {key: words_of["name"] for key, words_of in words["inputs"].items()}
    assert names["outputs"] == [words_of["name"] for words_of in words["outputs"].values()]


@each_language
def test_the_help_panel_shows_our_page_in_the_language(
    visit: Callable[..., Frontend], newest: bool, locale: str
) -> None:
    frontend = visit(locale=locale)
    page = frontend.page
    graphs.build(frontend, [("ocr", NODE, (300, 100), {})])
    page.evaluate("() => window.app.canvas.selectNode(window.app.graph.nodes[0])")
    graphs.until_seen(page, page.get_by_test_id("info-button").click, page.locator(".node-help-content"))
    title, first = [line for line in help_page(locale).splitlines() if line.strip()][:2]
    content = page.locator(".node-help-content")
    content.get_by_role("heading", name=title.removeprefix("# "), exact=True).wait_for()
    content.get_by_text(first).wait_for()
    if newest:
        page.evaluate(CLOSE_PANEL)
    else:
        page.locator(".node-library-tab-button").click()


SETTINGS = "() => { window.app.extensionManager.command.execute('Comfy.ShowSettingsDialog') }"


@pytest.mark.parametrize("locale", ["ru", "zh"], scope="module")
def test_settings_have_the_names_of_the_language(visit: Callable[..., Frontend], locale: str) -> None:
    """Frontend 1.32.9 loses what packs call things in other languages (ComfyUI_frontend, issue 6748)."""
    page = visit(locale=locale).page
    page.evaluate(SETTINGS)
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("VRAMwise", exact=True).first.click()
    folder = ROOT / "locales" / locale
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    chosen = settings["Vramwise_DownloadSource"]["options"]["automatic"]
    headings = json.loads((folder / "main.json").read_text(encoding="utf-8"))["settingsCategories"]
    for text in (*(one["name"] for one in settings.values()), chosen, *headings.values()):
        dialog.get_by_text(text, exact=True).first.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


@pytest.mark.parametrize("path", [f"{NODE}.md", f"{NODE}/ru.md", f"{NODE}/zh.md"])
def test_the_server_gives_the_help_page(client: ComfyClient, path: str) -> None:
    answer = client.request(f"/extensions/vramwise/docs/{path}")
    assert answer.status == 200
    assert answer.body == (ROOT / "web" / "docs" / path).read_bytes()


@each_language
def test_the_server_gives_the_words_of_the_language(client: ComfyClient, locale: str) -> None:
    assert client.get_json("/i18n")[locale]["nodeDefs"][NODE] == node_words(locale)
