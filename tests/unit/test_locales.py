"""What people read about the nodes: translations in three languages, help pages, search words."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog import ocr_models
from vramwise.families.family import families, recipes

from devtools.comfy.node_schemas import schemas
from devtools.comfy.server import default_comfy_dir

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ("en", "ru", "zh")
FILES = ("main.json", "nodeDefs.json", "settings.json")
LETTERS = {"ru": re.compile(r"[\u0400-\u04ff]"), "zh": re.compile(r"[\u4e00-\u9fff]")}
# Names of the machine's own devices are not words; which there are depends on the machine.
DEVICE = re.compile(r"(cuda|xpu):\d+|mps")
# vue-i18n reads these as its own syntax: "a | b" is shown as "a", "{x}" as nothing, "a@b" is an error.
SYNTAX = re.compile(r"[@{}|]")
SCRIPT = (ROOT / "web" / "vramwise.js").read_text(encoding="utf-8")
SETTINGS = json.loads((ROOT / "web" / "settings.json").read_text(encoding="utf-8"))
EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")


@cache
def nodes() -> dict[str, dict[str, Any]]:
    comfy_dir = default_comfy_dir().resolve()
    if not (comfy_dir / "comfy").is_dir():
        sentence = f"There is no ComfyUI in {comfy_dir}; python dev.py test puts one there."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return {node["id"]: node for node in schemas(comfy_dir)}


def key(text: str) -> str:
    """The frontend's normalizeI18nKey: a dot would part the path to a message."""
    return text.replace(".", "_")


@cache
def translations(locale: str, name: str) -> dict[str, Any]:
    data = json.loads((ROOT / "locales" / locale / name).read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def flat(data: dict[str, Any], prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= flat(value, (*prefix, name))
        else:
            found[(*prefix, name)] = value
    return found


def texts(locale: str) -> dict[tuple[str, ...], str]:
    return {(name, *path): text for name in FILES for path, text in flat(translations(locale, name)).items()}


@cache
def names() -> dict[tuple[str, ...], str]:
    """Paths of options that are rows of the catalog, and what the rows call them."""
    combos = (
        ("VramwiseOCRModelLoader", "model", ocr_models()),
        ("VramwiseRemoteOCRModel", "family", (*families(), *recipes())),
    )
    return {
        (node, "inputs", combo, "options", key(row.id)): row.name
        for node, combo, rows in combos
        for row in rows
    }


def wanted() -> set[tuple[str, ...]]:
    """The paths that nodeDefs.json must hold: all but the options that the catalog names."""
    return possible() - set(names())


def possible() -> set[tuple[str, ...]]:
    """The paths that nodeDefs.json may hold, and no others."""
    paths: set[tuple[str, ...]] = set()
    for node in nodes().values():
        top = key(node["id"])
        paths |= {(top, "display_name"), (top, "description")}
        for one in node["inputs"]:
            at = (top, "inputs", key(one["id"]))
            paths |= {(*at, "name"), (*at, "tooltip")}
            options = [text for text in one["options"] or [] if not DEVICE.fullmatch(text)]
            paths |= {(*at, "options", key(option)) for option in options}
        for index in range(len(node["outputs"])):
            paths |= {(top, "outputs", str(index), "name"), (top, "outputs", str(index), "tooltip")}
    return paths


def help_page(node_id: str, locale: str) -> Path:
    """Where the frontend looks: docs/NODE/LOCALE.md, and docs/NODE.md for all other languages."""
    folder = ROOT / "web" / "docs"
    return folder / f"{node_id}.md" if locale == "en" else folder / node_id / f"{locale}.md"


def lines(paths: set[tuple[str, ...]]) -> str:
    return "\n".join(sorted(" > ".join(path) for path in paths))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_node_input_option_and_output_has_its_words(locale: str):
    missing = wanted() - set(flat(translations(locale, "nodeDefs.json")))
    assert not missing, f"locales/{locale}/nodeDefs.json lacks:\n{lines(missing)}"


def test_the_options_that_the_catalog_names_are_called_so():
    said = flat(translations("en", "nodeDefs.json"))
    for path, name in names().items():
        assert said.get(path, name) == name, path


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_translated_that_no_node_has(locale: str):
    left_over = set(flat(translations(locale, "nodeDefs.json"))) - possible()
    assert not left_over, f"locales/{locale}/nodeDefs.json has words for nothing:\n{lines(left_over)}"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_category_and_own_type_has_its_words(locale: str):
    categories = {part for node in nodes().values() for part in node["category"].split("/")}
    sockets = [one for node in nodes().values() for one in node["inputs"] + node["outputs"]]
    types = {part for one in sockets for part in one["type"].split(",")}  # newer versions take several
    own = {type_ for type_ in types if type_.startswith("VRAMWISE_")}
    paths = {("nodeCategories", key(name)) for name in categories} | {
        ("dataTypes", key(name)) for name in own
    }
    paths |= {("templateWorkflows", "category", "vramwise")}  # the pack's heading in the template browser
    headings = {part for one in SETTINGS for part in one["category"][:-1]}
    paths |= {("settingsCategories", key(heading)) for heading in headings}
    assert set(flat(translations(locale, "main.json"))) == paths


@pytest.mark.parametrize("locale", LOCALES)
def test_every_setting_and_its_options_have_their_words(locale: str):
    settings = translations(locale, "settings.json")
    assert list(settings) == [key(one["id"]) for one in SETTINGS]
    for one in SETTINGS:
        texts = [option["text"] for option in one.get("options", [])]
        assert list(settings[key(one["id"])].get("options", {})) == [key(text) for text in texts], one["id"]


def test_what_a_setting_says_in_english_is_the_same_at_both_places():
    english = translations("en", "settings.json")
    assert {key(one["id"]): one["tooltip"] for one in SETTINGS} == {
        name: one["tooltip"] for name, one in english.items()
    }


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_commands_are_called_the_same_by_either_frontend(locale: str):
    """The newer takes the file; 1.32.9 what the script registers, and after an English file's word only."""
    assert not (ROOT / "locales" / "en" / "commands.json").exists()
    said = {name: one["label"] for name, one in translations(locale, "commands.json").items()}
    words = json.loads((ROOT / "web" / "words" / f"{locale}.json").read_text(encoding="utf-8"))
    commands = re.findall(r"\{ id: '(Vramwise\.\w+)', label: t\('(\w+)'\)", SCRIPT)
    assert said == {key(name): words[word] for name, word in commands} != {}


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_a_help_page_calls_every_input_as_the_node_does(locale: str):
    for node, words in translations(locale, "nodeDefs.json").items():
        page = (ROOT / "web" / "docs" / node / f"{locale}.md").read_text(encoding="utf-8")
        for name, one in words["inputs"].items():
            assert re.search(rf"^- `{name}`[^:]{{0,3}}{re.escape(one['name'])}", page, re.M), (node, name)


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_the_languages_have_the_same_keys_in_the_same_order(locale: str):
    """But for settings' names: an English one would be seen before another language's on frontend 1.32.9."""
    for name in FILES:
        english, other = (list(flat(translations(which, name))) for which in ("en", locale))
        if name == "settings.json":
            other = [path for path in other if path[-1] != "name"]
        assert other == english, f"locales/{locale}/{name}"


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_empty_or_has_what_the_frontend_takes_for_syntax(locale: str):
    for path, text in texts(locale).items():
        assert isinstance(text, str), path
        assert text.strip() == text != "", path
        assert not SYNTAX.search(text), (path, text)
        assert not EMOJI.search(text), (path, text)


def test_the_english_words_are_those_of_the_nodes():
    """The English file hides what the node says, so that one edited without the other would go unseen."""
    said = flat(translations("en", "nodeDefs.json"))
    for node in nodes().values():
        top = key(node["id"])
        assert said[top, "display_name"] == node["display_name"]
        assert said[top, "description"] == node["description"]
        for one in node["inputs"]:
            assert said[top, "inputs", key(one["id"]), "name"] == one["id"]
            assert said[top, "inputs", key(one["id"]), "tooltip"] == one["tooltip"]
        for index, one in enumerate(node["outputs"]):
            assert said[top, "outputs", str(index), "name"] == one["name"]
            assert one["tooltip"] in (None, said[top, "outputs", str(index), "tooltip"])


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_what_is_a_sentence_in_english_is_one_in_the_language(locale: str):
    for path, text in texts("en").items():
        if path[1:] in names():
            continue  # what its authors call a model
        if len(text.split()) >= 3 or path[-1] in {"description", "tooltip"}:
            assert LETTERS[locale].search(texts(locale)[path]), (path, texts(locale)[path])


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_every_ocr_language_is_named_in_the_language(locale: str):
    names = translations(locale, "nodeDefs.json")["VramwiseOCR"]["inputs"]["language"]["options"]
    for code, name in names.items():
        assert LETTERS[locale].match(name), (code, name)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_node_has_a_help_page_that_names_its_inputs_and_outputs(locale: str):
    for node_id, node in nodes().items():
        page = help_page(node_id, locale)
        assert page.is_file(), f"{page} is missing"
        text = page.read_text(encoding="utf-8")
        told = set(re.findall(r"^- `([^`]+)`", text, re.MULTILINE))
        ids = {one["id"] for one in node["inputs"]} | {one["name"] for one in node["outputs"]}
        assert not ids - told, f"{page}: no point begins with {sorted(ids - told)}"
        assert not re.search(r"^\|", text, re.MULTILINE), (
            f"{page}: a table's last column is out of sight in a sidebar"
        )
        assert translations(locale, "nodeDefs.json")[key(node_id)]["display_name"] in text.splitlines()[0]
        assert not EMOJI.search(text), page
        if locale in LETTERS:
            assert len(LETTERS[locale].findall(text)) > 200, page


def test_there_is_no_help_page_without_a_node():
    """The frontend serves every file of web/; a page of a renamed node would stay there unseen."""
    pages = {path for path in (ROOT / "web" / "docs").rglob("*") if path.is_file()}
    assert pages == {help_page(node_id, locale) for node_id in nodes() for locale in LOCALES}


@pytest.mark.parametrize("locale", ["ru", "zh"])
def test_help_pages_have_the_same_parts_in_every_language(locale: str):
    for node_id in nodes():
        shapes = []
        for which in ("en", locale):
            text = help_page(node_id, which).read_text(encoding="utf-8")
            headings = [line.split(" ")[0] for line in text.splitlines() if line.startswith("#")]
            shapes.append((headings, text.count("\n- "), text.count("```")))
        assert shapes[0] == shapes[1], node_id


def test_every_node_is_found_by_words_in_three_languages():
    aliases = json.loads((ROOT / "nodes" / "search_aliases.json").read_text(encoding="utf-8"))
    finished = {node_id for node_id, node in nodes().items() if not node["experimental"]}
    assert not finished - set(aliases), "nodes/search_aliases.json lacks words of these nodes"
    assert not set(aliases) - set(nodes()), "nodes/search_aliases.json has words of nodes that are not there"
    for node_id, words in aliases.items():
        assert len(set(words)) == len(words), node_id
        for pattern in (r"[a-z]{3}", LETTERS["ru"].pattern, LETTERS["zh"].pattern):
            assert any(re.search(pattern, word) for word in words), (node_id, pattern)


def test_the_chinese_names_of_nodes_have_the_words_that_people_search_for():
    """Frontend 1.32.9 looks at a node's id and name alone; `search_aliases` came later."""
    named = {node: one["display_name"] for node, one in translations("zh", "nodeDefs.json").items()}
    memory, text = "\u663e\u5b58", "\u6587\u5b57\u8bc6\u522b"
    assert [node for node, name in named.items() if memory in name] == [
        "VramwiseGPUProbe",
        "VramwiseMemoryRelease",
    ]
    assert text in named["VramwiseOCR"]
