"""The sidebar tab, the settings, the commands, and the words in three languages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web import graphs
from tests.web.graphs import altered, answered

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

    from devtools.comfy.browser import Frontend
    from devtools.comfy.client import ComfyClient

pytestmark = [pytest.mark.web, pytest.mark.comfy]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORDS = ROOT / "web" / "words"
MOST_BYTES = 64 * 1024


def words(locale: str) -> dict[str, str]:
    return dict(json.loads((WORDS / f"{locale}.json").read_text(encoding="utf-8")))


def side(frontend: Frontend) -> Locator:
    """Our tab, opened with an empty graph."""
    frontend.page.evaluate(graphs.EMPTY)
    return graphs.open_tab(frontend.page)


def keep(found: Locator, name: str) -> None:
    if os.environ.get("VRAMWISE_SCREENS"):
        found.page.wait_for_timeout(300)
        found.screenshot(path=ROOT / "docs" / "screens" / f"panel_{name}.png")


def fill_memory(client: ComfyClient, read_text: Callable[[], dict[str, Any]], refresh: int) -> None:
    """Let the built-in engine read something, so that it is in memory."""
    prompt = read_text()
    prompt["4"]["inputs"]["prompt"] = f"sidebar {refresh}"
    assert client.run(prompt).ok


@pytest.fixture(scope="module")
def read_text() -> Callable[[], dict[str, Any]]:
    text = (ROOT / "workflows" / "api" / "read_text.json").read_text(encoding="utf-8")
    return lambda: dict(json.loads(text))


# --- the tab ----------------------------------------------------------------------------------------------


def test_the_tab_shows_the_machine_and_what_fits_with_an_empty_graph(
    visit: Callable[..., Frontend], client: ComfyClient
) -> None:
    panel = side(visit())
    machine = panel.get_by_role("region", name="The machine")
    machine.locator("[data-device]").first.wait_for()
    assert machine.locator("[data-device]").count() == len(client.get_json("/vramwise/machine")["devices"])
    panel.get_by_role("heading", name="On ").wait_for()
    assert panel.locator(".vw-picks li").count() == 7


def test_a_card_that_is_typed_is_asked_about(visit: Callable[..., Frontend], client: ComfyClient) -> None:
    panel = side(visit())
    field = panel.get_by_label("Another card or size")
    field.fill("RTX 4090")
    field.press("Enter")
    panel.get_by_role("heading", name="On GeForce RTX 4090").wait_for()
    answer = client.get_json("/vramwise/advise?gpu=RTX%204090&task=all")[0]
    best = next(model for model in answer["models"] if model["task"] == "OCR")
    assert best["name"] in panel.locator(".vw-picks").inner_text()
    assert panel.locator("datalist option").count() == len(client.get_json("/vramwise/cards"))
    keep(panel, "sidebar")
    field.fill("no such card")
    panel.get_by_role("button", name="Show").click()
    panel.get_by_text("is no GPU of the catalog").wait_for()


def test_the_answer_to_the_last_question_stays_whenever_an_earlier_one_comes(
    visit: Callable[..., Frontend],
) -> None:
    held: list[Route] = []
    page = visit().page
    panel = side(visit())
    heading = panel.get_by_role("heading", name="On ")
    with answered(page, advise=lambda route: route.continue_() if held else held.append(route)):
        panel.get_by_role("button", name="This machine").click()
        field = panel.get_by_label("Another card or size")
        field.fill("RTX 4090")
        field.press("Enter")
        heading.wait_for()
        with page.expect_response("**/vramwise/advise?gpu=&*") as late:
            held[0].continue_()
        late.value.finished()
        page.wait_for_timeout(300)
        assert heading.inner_text() == "On GeForce RTX 4090"


def test_what_of_a_persons_own_rows_is_not_used_is_told(visit: Callable[..., Frontend]) -> None:
    page, fault = visit().page, "gpus.csv, line 2, column vram_gib: <b>twelve</b> is no number."

    with answered(page, advise=altered(lambda told: [{**one, "own_rows": [fault]} for one in told])):
        panel = side(visit())
        panel.get_by_role("button", name="This machine").click()
        panel.get_by_text("of your own files").press("Enter")
        panel.get_by_text(fault).wait_for()


def test_one_resident_is_evicted_and_all_are(
    visit: Callable[..., Frontend], client: ComfyClient, read_text: Callable[[], dict[str, Any]]
) -> None:
    panel = side(visit())
    memory = panel.get_by_role("region", name="In memory")
    for number, name in enumerate(("Evict PP-OCR", "Evict all")):
        fill_memory(client, read_text, number)
        memory.get_by_role("button", name=name).click()
        memory.get_by_text("No model of this pack is in memory.").wait_for()
        assert client.get_json("/vramwise/residents") == []


def test_all_models_are_a_table_below(visit: Callable[..., Frontend]) -> None:
    panel = side(visit())
    panel.get_by_text("All models").click()
    panel.locator(".vw-offers [data-model]").first.wait_for()
    panel.get_by_label("Task").select_option("OCR")
    panel.locator(".vw-offers").get_by_role("button", name="Use").first.click()
    panel.get_by_text("There is no OCR Model Loader in this graph.").wait_for()


# --- commands and settings --------------------------------------------------------------------------------


def test_the_commands_are_there_and_in_the_menu(
    visit: Callable[..., Frontend], client: ComfyClient, read_text: Callable[[], dict[str, Any]]
) -> None:
    frontend = visit()
    page = frontend.page
    graphs.close_tab(page)
    run = "id => window.app.extensionManager.command.execute(id)"
    fill_memory(client, read_text, 7)
    page.evaluate(run, "Vramwise.EvictAll")
    page.get_by_text("The models of this pack are out of memory.").first.wait_for()
    assert client.get_json("/vramwise/residents") == []
    for _ in range(2):  # the second time it stays open
        page.evaluate(run, "Vramwise.OpenAdvisor")
        page.locator(".vw-sidebar").wait_for()
    graphs.open_menu(page, "Extensions", "VRAMwise", "VRAMwise: evict all OCR models")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")


def test_units_are_a_setting(visit: Callable[..., Frontend]) -> None:
    frontend = visit()
    panel = side(frontend)
    choose = "value => window.app.extensionManager.setting.set('Vramwise.Units', value)"
    machine = panel.get_by_role("region", name="The machine")
    machine.get_by_text("GiB").first.wait_for()
    frontend.page.evaluate(choose, "GB")
    try:
        machine.get_by_text(re.compile(r"\d GB")).first.wait_for()
    finally:
        frontend.page.evaluate(choose, "GiB")


@pytest.mark.parametrize("nodes2", [False, True], ids=["canvas", "nodes2"])
def test_after_a_change_of_language_the_panel_and_the_tab_speak_it(
    visit: Callable[..., Frontend], nodes2: bool
) -> None:
    frontend = visit(nodes2=nodes2)
    page = frontend.page
    side(frontend)
    graphs.build(frontend, [("loader", "VramwiseOCRModelLoader", (500, 0), {"model": "qwen3_vl_2b"})])
    frontend.load_workflow(frontend.serialize())
    choose = "locale => window.app.extensionManager.setting.set('Comfy.Locale', locale)"
    try:
        for locale in ("ru", "zh", "en"):
            said = words(locale)
            page.evaluate(choose, locale)
            page.get_by_role("heading", name=said["side_residents"]).wait_for()
            panel = page.get_by_role("region", name=said["panel_loader"])
            panel.get_by_text(said["chosen_mark"]).wait_for()
            panel.get_by_text(said["missing"]).wait_for()
    finally:
        page.evaluate(choose, "en")


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_the_tab_speaks_the_language_of_comfyui(visit: Callable[..., Frontend], locale: str) -> None:
    said = words(locale)
    panel = side(visit(locale=locale))
    for key in ("side_machine", "side_residents", "side_fits"):
        panel.get_by_role("heading", name=said[key]).wait_for()
    panel.get_by_text(said["memory_free"]).first.wait_for()


# --- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_every_word_is_there_in_every_language_with_the_same_places_to_fill(locale: str) -> None:
    english, other = words("en"), words(locale)
    assert list(other) == list(english)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", other[key])), key
        assert other[key].strip() == other[key] != "", key


def test_every_word_that_the_code_names_exists_and_none_is_left_over() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "web").glob("*.js")))
    named = set(re.findall(r"\bt\('([\w ]+)'", code))
    starts = re.findall(r"\bt\(`([\w ]+)\$\{", code)
    known = set(words("en"))
    assert named <= known, named - known
    literals = set(re.findall(r"'([\w ]+)'", code))
    for key in known - named - literals:
        assert any(key.startswith(start) for start in starts), f"{key} is said nowhere"


def test_scripts_and_styles_are_small() -> None:
    files = [path for path in (ROOT / "web").rglob("*") if path.suffix in (".js", ".css", ".mjs")]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_nothing_makes_html_of_text() -> None:
    for path in (ROOT / "web").rglob("*.js"):
        code = path.read_text(encoding="utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert word not in code, f"{path.name} has {word}"
