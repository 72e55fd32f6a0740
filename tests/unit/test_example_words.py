"""The examples have all their words in every language, and say the same in each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog.words import LANGUAGES

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
EXAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
BLUEPRINTS = [json.loads(path.read_text("utf-8")) for path in (FOLDER.parent / "subgraphs").glob("*.json")]
OTHERS = [lang for lang in LANGUAGES if lang != "en"]
WIDE = re.compile(r"[\u2e80-\uffef]")


def words_of(lang: str) -> Any:
    return json.loads((FOLDER / "words" / f"{lang}.json").read_text("utf-8"))


def graphs(workflow: Any) -> list[Any]:
    return [workflow, *workflow.get("definitions", {}).get("subgraphs", [])]


def note_of(workflow: Any) -> str:
    (note,) = (node["widgets_values"][0] for node in workflow["nodes"] if "Note" in node["type"])
    return str(note)


@pytest.mark.parametrize("lang", OTHERS)
def test_every_title_is_told(lang: str) -> None:
    told, titles = words_of(lang), set()
    assert set(told["examples"]) == set(EXAMPLES)
    for workflow in (*EXAMPLES.values(), *BLUEPRINTS):
        for graph in graphs(workflow):
            titles |= {group["title"] for group in graph.get("groups", [])}
            titles |= {
                node["title"] for node in graph["nodes"] if node.get("title") and "Note" not in node["type"]
            }
    assert titles == set(told["titles"])
    described = {one["nodes"][0]["title"]: one["extra"]["BlueprintDescription"] for one in BLUEPRINTS}
    assert set(told["blueprints"]) == set(described) and all(described.values())


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_note_says_the_same_and_has_room(name: str, lang: str) -> None:
    """The same links, numbers and files; and no wider, since the boxes are drawn for the English ones."""
    note, told = note_of(EXAMPLES[name]), words_of(lang)["examples"][name]["note"]
    for what in (
        r"\]\((\S+)\)",
        r"[\w-]+\.(?:safetensors|py|pdf|txt)\b",
        r"^- ",
        r"\b(?:models|ComfyUI)/[\w/-]+",
    ):
        assert sorted(re.findall(what, note, re.M)) == sorted(re.findall(what, told, re.M)), what
    gigabytes = [sorted(re.findall(r"\d+[.,]\d+ (?:GB|\u0413\u0411)", text)) for text in (note, told)]
    assert len(gigabytes[0]) == len(gigabytes[1])
    assert len(told) + len(WIDE.findall(told)) <= len(note)


def test_no_two_examples_share_a_name() -> None:
    names = [its["title"] for lang in OTHERS for its in words_of(lang)["examples"].values()] + list(EXAMPLES)
    assert len(set(names)) == len(names) and not re.search(r'[<>:"/\\|?*]', "".join(names))
