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

COMMANDS = """() => window.app.extensionManager.command.commands
    .filter(one => one.id.startsWith('Vramwise.')).map(one => [one.id, [one.label, one.menubarLabel]])"""
PLACEHOLDER = """type => {
    const widgets = window.LiteGraph.createNode(type).widgets
    const { element, label } = widgets.find(one => one.name === 'prompt')
    return element?.placeholder ?? label
}"""
WORDS_AND_ROOM = """panel => [...panel.querySelectorAll('.vw-fits :is([placeholder], select)')].map(one => {
    const style = getComputedStyle(one)
    const pen = document.createElement('canvas').getContext('2d')
    pen.font = style.font
    const text = one.placeholder ?? one.selectedOptions[0].text
    const arrow = one.localName === 'select' ? 20 : 0
    return { text, needs: pen.measureText(text).width + arrow,
        has: one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) }
})"""

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
    for text in (chosen, settings["Vramwise_Units"]["options"]["GiB"]):
        shown = dialog.get_by_text(text, exact=True).first
        assert shown.evaluate("one => one.scrollWidth <= one.clientWidth"), f"{text} is cut"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


@pytest.mark.parametrize("locale", ["ru", "zh"], scope="module")
def test_commands_in_the_menu_have_the_names_of_the_language(
    visit: Callable[..., Frontend], locale: str
) -> None:
    page = visit(locale=locale).page
    said = json.loads((ROOT / "locales" / locale / "commands.json").read_text(encoding="utf-8"))
    named = dict(page.evaluate(COMMANDS))
    assert named == {key.replace("_", "."): [one["label"]] * 2 for key, one in said.items()}


@pytest.mark.parametrize("locale", ["ru", "zh"], scope="module")
def test_an_empty_field_is_called_as_its_widget(visit: Callable[..., Frontend], locale: str) -> None:
    """Frontends 1.32.9 and 1.49.6 write the English name of a widget of several lines into its field."""
    shown = visit(locale=locale).page.evaluate(PLACEHOLDER, NODE)
    assert shown == node_words(locale)["inputs"]["prompt"]["name"]


@each_language
@pytest.mark.parametrize("width", [270, 390, 530])
def test_no_word_in_a_field_of_the_sidebar_is_cut(
    visit: Callable[..., Frontend], locale: str, width: int
) -> None:
    page = visit(locale=locale).page
    panel = graphs.open_tab(page)
    panel.locator(".vw-fits > details").evaluate("one => (one.open = true)")
    panel.locator(".vw-filters select option").nth(2).wait_for(state="attached")
    panel.evaluate("(panel, width) => (panel.style.width = `${width}px`)", width)
    told = panel.evaluate(WORDS_AND_ROOM)
    panel.evaluate("panel => (panel.style.width = '')")
    assert len(told) == 3
    assert [one for one in told if one["needs"] > one["has"]] == []
    graphs.close_tab(page)


@pytest.mark.parametrize("path", [f"{NODE}.md", f"{NODE}/ru.md", f"{NODE}/zh.md"])
def test_the_server_gives_the_help_page(client: ComfyClient, path: str) -> None:
    answer = client.request(f"/extensions/vramwise/docs/{path}")
    assert answer.status == 200
    assert answer.body == (ROOT / "web" / "docs" / path).read_bytes()


@each_language
def test_the_server_gives_the_words_of_the_language(client: ComfyClient, locale: str) -> None:
    assert client.get_json("/i18n")[locale]["nodeDefs"][NODE] == node_words(locale)


@pytest.mark.parametrize("locale", ["ru", "zh"], scope="module")
def test_an_example_is_called_and_explained_in_the_language(
    visit: Callable[..., Frontend], locale: str
) -> None:
    """In the template browser, and once it is open."""
    words = json.loads((ROOT / "workflows" / "words" / f"{locale}.json").read_text(encoding="utf-8"))
    example = words["examples"]["Read the text of a picture"]
    frontend = visit(locale=locale)
    graphs.open_from_template_browser(frontend, example["title"])
    frontend.page.wait_for_function(
        "title => window.app.graph.nodes.some((node) => node.title === title)", arg=example["title"]
    )
    titles = frontend.page.evaluate("() => window.app.graph.groups.map((group) => group.title)")
    assert titles and set(titles) <= set(words["titles"].values())
    assert frontend.missing_nodes() == []
