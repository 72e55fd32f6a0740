"""Model Advisor on a real server: wired into the loader, asked about other cards, told what is loaded."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.comfy

ADVISOR = "VramwiseModelAdvisor"
ROOT = Path(__file__).resolve().parents[2]


def advisor(graph: Any, name: str = "advisor", **changed: Any) -> Any:
    given = {"what_if": "", "task": "all", "installed_only": False, "ram_gib": 0.0, **changed}
    return graph.node(name, ADVISOR, **given)


def told(result: Any, name: str = "advisor") -> tuple[str, dict[str, Any]]:
    assert result.ok, result.error_text
    shown = result.outputs[name]
    return shown["text"][0], shown["advice"][0]


def options(combo: list[Any]) -> list[str]:
    """A combo's words, as old and new versions of ComfyUI say them."""
    return combo[0] if isinstance(combo[0], list) else combo[1]["options"]


def test_the_advisor_is_wired_into_the_loader_and_its_pick_is_taken(client, graph):
    """On this server without a GPU that is the built-in engine, and the loader's plan names it."""
    advisor(graph, task="OCR")
    graph.loader(model=["advisor", 1], precision=["advisor", 2])
    result = client.run(graph)
    _, advice = told(result)
    best = advice["picks"][0]
    assert best["model"] == "rapid"
    assert (
        "rapid" in result.outputs["loader"]["text"][0].lower()
        or "PP-OCR" in result.outputs["loader"]["text"][0]
    )


def test_the_pick_for_another_card_is_a_model_and_a_precision_of_the_loader(client, graph):
    advisor(graph, what_if="RTX 3060 12 GB", task="OCR")
    graph.show("model", "advisor", 1).show("precision", "advisor", 2).show("table", "advisor", 3)
    result = client.run(graph)
    text, advice = told(result)
    summary = advice.pop("summary")
    assert all(f"- {line}" in text for line in summary["text"]), "the report begins with what the panel shows"
    assert summary["in"]["en"]["text"] == summary["text"] != summary["in"]["ru"]["text"]
    assert all(its["own_rows"] == [] for its in summary["in"].values()), (
        "nothing of a person's rows is unused"
    )
    loader = client.object_info()["VramwiseOCRModelLoader"]["input"]["required"]
    options = {
        name: loader[name][0] if isinstance(loader[name][0], list) else loader[name][1]["options"]
        for name in loader
    }
    model, precision = (result.outputs[name]["text"][0] for name in ("model", "precision"))
    assert model in options["model"]
    assert precision in options["precision"]
    assert (model, precision) == (advice["picks"][0]["model"], advice["picks"][0]["precision"])
    assert json.loads(result.outputs["table"]["text"][0]) == advice


def test_every_task_has_picks_for_another_card_and_the_templates_of_this_comfyui(client, graph):
    advisor(graph, what_if="24 GB")
    text, advice = told(client.run(graph))
    made = {"image", "image edit", "video", "upscaling", "audio", "3d"}
    assert {pick["task"] for pick in advice["picks"]} == {"OCR", *made}
    assert "## Why figures differ" in text
    assert advice["templates"]
    assert all(template["installed"] in (True, False) for template in advice["templates"])


def test_the_report_speaks_the_language_that_is_chosen(client, graph):
    advisor(graph, what_if="RTX 4060", task="OCR", language="ru")
    text, _ = told(client.run(graph))
    assert "\u041f\u043e\u0447\u0435\u043c\u0443 \u0446\u0438\u0444\u0440\u044b" in text


def test_the_probes_report_says_which_machine(client, graph, fresh):
    graph.node("probe", "VramwiseGPUProbe", device="cpu", refresh=next(fresh))
    advisor(graph, gpu=["probe", 0], task="OCR")
    _, advice = told(client.run(graph))
    assert advice["picks"][0]["model"] == "rapid"
    assert any(model["precision"] == "bf16" for model in advice["models"])


def test_what_else_is_loaded_by_name_or_by_link_leaves_less(client, graph):
    advisor(graph, "alone", what_if="16 GB", task="OCR")
    advisor(graph, "named", what_if="16 GB", task="OCR", also_loaded="flux1-dev@Q4_K_S")
    graph.loader(model="qwen3_vl_8b", precision="int8")
    advisor(graph, "linked", what_if="16 GB", task="OCR", also_loaded=["loader", 0])
    result = client.run(graph)
    alone, named, linked = (told(result, name)[1] for name in ("alone", "named", "linked"))
    assert alone["picks"][0]["precision"] == "int8"
    assert named["picks"][0] != alone["picks"][0]
    assert linked["picks"][0] != alone["picks"][0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"what_if": "RTX 409O"}, "GeForce RTX 4090"),
        ({"what_if": "16 GB", "also_loaded": "flux1-dve"}, "flux1-dev"),
    ],
    ids=["card", "model"],
)
def test_an_unknown_name_is_one_sentence_with_the_nearest(client, graph, changed, said):
    advisor(graph, **changed)
    result = client.run(graph)
    assert not result.ok
    assert said in result.error_text


def test_an_unknown_task_is_refused_before_anything_runs(client, graph):
    advisor(graph, task="vidoe")
    graph.show("report", "advisor")
    result = client.run(graph)
    assert not result.ok
    assert "video" in json.dumps(result.node_errors["advisor"])


def test_only_what_is_on_disk_when_asked_so(client, graph):
    advisor(graph, what_if="24 GB", installed_only=True)
    _, advice = told(client.run(graph))
    assert "rapid" in {pick["model"] for pick in advice["picks"]}
    assert all(pick["installed"] for pick in advice["picks"])


def test_the_running_comfyui_counts_its_own_way_and_files_on_disk_their_own_bytes(comfy, client, graph):
    """ComfyUI 0.3.75 has 1.7 for Z-Image, the catalog a later version's 2.8, which newer ones have too. The
    file is a header and a hole."""
    folder = comfy.base_dir / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"cap_embedder.1.weight": (3840, 2560), "layers": (6145, 1_000_000)}
    entries, end = {}, 0
    for name, (rows, columns) in tensors.items():
        entries[name] = {
            "dtype": "BF16",
            "shape": [rows, columns],
            "data_offsets": [end, end + 2 * rows * columns],
        }
        end += 2 * rows * columns
    head = json.dumps(entries).encode()
    file = folder / "my_tune_of_z_image_turbo.safetensors"
    with file.open("wb") as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        stream.truncate(8 + len(head) + end)
    try:
        advisor(graph, what_if="24 GB", task="image", installed_only=True)
        _, advice = told(client.run(graph))
    finally:
        file.unlink()
    (mine,) = [row for row in advice["models"] if row["model"] == "z-image-turbo"]
    assert mine["precision"] == "bf16" and mine["installed"]
    source = (comfy.comfy_dir / "comfy" / "supported_models.py").read_text(encoding="utf-8")
    its = source[source.index("class ZImage(") :]
    factor = float(re.search(r"memory_usage_factor = ([\d.]+)", its)[1])
    sampling = int(128 * 128 * 2 * 0.01 * factor * 2**20)  # of a latent of 128 x 128 at 16 bits
    least = int(0.8 * 2**30)  # is kept anyway
    assert mine["optimal_bytes"] == end + max(least, sampling) + 400 * 2**20


def test_a_new_row_of_the_catalog_is_offered_by_the_loaders_combo(comfy, tmp_path):
    """A copy of the pack with one more OCR model: what its nodes declare, in a process of its own."""
    for name in ("core", "nodes", "locales"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "devtools" / "comfy").mkdir(parents=True)
    for name in ("__init__.py", "pyproject.toml", "devtools/comfy/node_schemas.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    rows = tmp_path / "core" / "catalog" / "tables" / "ocr_models.csv"
    with rows.open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    with rows.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, list(last), lineterminator="\n").writerow(
            {**last, "id": "new_ocr", "name": "New"}
        )
    command = [sys.executable, str(tmp_path / "devtools" / "comfy" / "node_schemas.py"), str(comfy.comfy_dir)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    nodes = {node["id"]: node for node in json.loads(done.stdout)}
    combo = next(slot for slot in nodes["VramwiseOCRModelLoader"]["inputs"] if slot["id"] == "model")
    assert "new_ocr" in combo["options"]


def test_one_model_is_planned_at_any_size_in_place_of_the_advice(client, graph):
    advisor(
        graph,
        what_if="RTX 4060 Ti 16 GB",
        model="wan2.2-14b",
        width=832,
        height=480,
        frames=121,
        ram_gib=64.0,
    )
    graph.show("model", "advisor", 1).show("precision", "advisor", 2).show("table", "advisor", 3)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert "832 x 480, 121 frames" in result.outputs["advisor"]["text"][0]
    table = json.loads(result.outputs["table"]["text"][0])
    assert table["size"]["frames"] == 121 and table["ram_bytes"] == 64 * 1024**3
    assert result.outputs["model"]["text"][0] == "wan2.2-14b"
    assert result.outputs["precision"]["text"][0] == table["chosen"]["precision"]


def test_an_ocr_model_and_a_wrong_name_are_planned_and_refused_there(client, graph):
    advisor(graph, what_if="8 GB", model="qwen3_vl_2b@int4")
    result = client.run(graph)
    assert result.ok and "Chosen: int4" in result.outputs["advisor"]["text"][0]
    advisor(graph, "wrong", what_if="8 GB", model="flux1-dve")
    assert 'Did you mean "flux1-dev"' in client.run(graph).error_text
