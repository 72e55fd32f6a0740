"""Our examples and blueprints as a Russian or a Chinese is given them, by a real server."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.comfy
FOLDER = Path(__file__).resolve().parents[2] / "workflows"
ENGLISH = sorted(path.stem for path in FOLDER.glob("*.json"))


def at(name: str, kind: str = "json") -> str:
    return f"/api/workflow_templates/vramwise/{quote(name)}.{kind}"


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_examples_are_listed_and_opened_in_the_readers_language(client, lang):
    words = json.loads((FOLDER / "words" / f"{lang}.json").read_text("utf-8"))
    with client.reading(f"{lang},en;q=0.5"):
        listed = client.get_json("/workflow_templates")
        assert sorted(listed["vramwise"]) == sorted(its["title"] for its in words["examples"].values())
        for name, its in words["examples"].items():
            graph = client.get_json(at(its["title"]))
            (note,) = (node for node in graph["nodes"] if "Note" in node["type"])
            assert (note["title"], note["widgets_values"]) == (its["title"], [its["note"]])
            drawn = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
            assert [group["title"] for group in graph["groups"]] == [
                words["titles"][group["title"]] for group in drawn["groups"]
            ]
            assert [(node["id"], node["type"], node["size"]) for node in graph["nodes"]] == [
                (node["id"], node["type"], node["size"]) for node in drawn["nodes"]
            ]
            picture = client.request(at(its["title"], "jpg"))
            assert picture.status == 200 and picture.body == (FOLDER / f"{name}.jpg").read_bytes()
    others = client.get_json("/workflow_templates")
    assert {**listed, "vramwise": 0} == {**others, "vramwise": 0}, "those of other packs are as they were"


def test_a_script_and_an_english_name_get_the_file_itself(client):
    assert sorted(client.get_json("/workflow_templates")["vramwise"]) == ENGLISH
    with client.reading("ru"):
        for name in ENGLISH[:2]:
            assert client.request(at(name)).body == (FOLDER / f"{name}.json").read_bytes()
        for strange in ("../pyproject", "nobody", ""):
            assert client.request(at(strange)).status == 404
        assert client.request("/api/workflow_templates/other/x.json").status == 404


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_blueprints_are_listed_and_placed_in_the_readers_language(client, lang):
    """In the search of nodes they stand beside ours, which are translated."""
    words = json.loads((FOLDER / "words" / f"{lang}.json").read_text("utf-8"))
    titles = words["titles"]
    english = {
        key: its
        for key, its in client.get_json("/global_subgraphs").items()
        if its["info"]["node_pack"].endswith(".vramwise")
    }
    assert sorted(its["name"] for its in english.values()) == sorted(
        path.stem for path in (FOLDER.parent / "subgraphs").glob("*.json")
    )
    with client.reading(f"{lang},en;q=0.5"):
        listed = client.get_json("/global_subgraphs")
        for key, its in english.items():
            told = titles[its["name"]]
            assert told != its["name"] and listed[key] == {**its, "name": told}
            data = json.loads(client.get_json(f"/global_subgraphs/{key}")["data"])
            (node,), (graph,) = data["nodes"], data["definitions"]["subgraphs"]
            assert (node["title"], graph["name"]) == (told, told)
            assert data["extra"] == {"BlueprintDescription": words["blueprints"][its["name"]]}
            named = {one["title"] for one in graph["nodes"] if one.get("title")}
            assert named <= set(titles.values()) - set(titles)
    (key, *_) = english
    file = FOLDER.parent / "subgraphs" / f"{english[key]['name']}.json"
    assert client.get_json(f"/global_subgraphs/{key}")["data"] == file.read_text("utf-8")
