"""`python dev.py catalog`: what newer templates of ComfyUI change in the catalog."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devtools import catalog_update as tool
from devtools.processes import Stop

GIB = 1024**3


def templates(folder: Path, *loaded: tuple[str, str, dict[str, Any]], note: str = "") -> Path:
    """A template folder: (template, folder of its file, entry of its model list) each."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for name, _, _ in loaded))
    index = [{"title": "Image", "type": "image", "templates": [{"name": name, "tags": []} for name in names]}]
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    for name in names:
        models = [{"directory": place, "url": "", **entry} for other, place, entry in loaded if other == name]
        nodes = [
            {"type": "Loader", "properties": {"models": models}},
            {"type": "Note", "widgets_values": [note]},
        ]
        (folder / f"{name}.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "template_files.csv"
    shutil.copy(tool.TABLE, path)
    return path


def test_a_new_file_and_another_size_are_told_and_written(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = {"name": "z_image_turbo_mxfp8.safetensors", "hash": "ab" * 32, "hash_type": "SHA256"}
    folder = templates(
        tmp_path / "t",
        ("new_one", "diffusion_models", new),
        ("new_one", "vae", {"name": "ae.safetensors"}),
        ("new_one", "text_encoders", {"name": "qwen_3_4b.safetensors"}),
        note="[z_image_turbo_mxfp8.safetensors](x) (6.1 GB) [ae.safetensors](x) (0.31 GB) "
        "[qwen_3_4b.safetensors](x) (9.9 GB)",
    )
    assert tool.update(folder, "9.9.9", write=True, table=table) == 0
    said = capsys.readouterr().out
    assert "+ z_image_turbo_mxfp8.safetensors: 6.100 GiB, z-image-turbo, new_one" in said
    assert "~ qwen_3_4b.safetensors: 7.492 GiB -> 9.900 GiB" in said
    assert "~ ae.safetensors: 0" not in said, "a rounded note is no other size"
    rows, before = tool.read_table(table), tool.read_table()
    assert rows["z_image_turbo_mxfp8.safetensors"]["sha256"] == "ab" * 32
    assert "9.9.9" in rows["qwen_3_4b.safetensors"]["source"]
    assert rows["ae.safetensors"]["bytes"] == before["ae.safetensors"]["bytes"]
    assert set(before) < set(rows), "what an older ComfyUI names stays"
    assert tool.update(folder, "9.9.9", write=True, table=table) == 0
    assert "0 changes" in capsys.readouterr().out


def test_a_template_of_no_model_fails_with_what_to_do(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = templates(
        tmp_path / "t", ("image_brand_new", "diffusion_models", {"name": "brand_new_4b.safetensors"})
    )
    assert tool.update(folder, "9.9.9", write=True, table=table) == 1
    said = capsys.readouterr().out
    assert "! image_brand_new: no model of the catalog is known by the name of brand_new_4b" in said
    assert "file_names.csv" in said and "? brand_new_4b.safetensors: no size is stated" in said


def test_looking_only_writes_nothing_and_says_that_something_differs(tmp_path: Path, table: Path) -> None:
    before = table.read_bytes()
    folder = templates(
        tmp_path / "t",
        ("one", "vae", {"name": "new_vae.safetensors"}),
        note="[new_vae.safetensors](x) (1 GB)",
    )
    assert tool.update(folder, "9", write=False, table=table) == 1
    assert table.read_bytes() == before


def test_the_newest_package_is_fetched_by_pip_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*arguments: str, **_: object) -> None:
        assert arguments[0] == "download" and tool.PACKAGE in arguments
        place = Path(arguments[arguments.index("--dest") + 1])
        with zipfile.ZipFile(place / "comfyui_workflow_templates_json-0.9.1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("comfyui_workflow_templates_json/templates/index.json", "[]")
            wheel.writestr("../outside.txt", "no")

    monkeypatch.setattr(tool, "pip", fetched)
    (tmp_path / "here").mkdir()
    folder, version = tool.newest(tmp_path / "here")
    assert version == "0.9.1" and (folder / "index.json").is_file()
    assert not (tmp_path / "outside.txt").exists()


def test_a_folder_without_an_index_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"no index\.json"):
        tool.main(["--from", str(tmp_path)])


def test_the_shipped_table_is_what_comes_out_of_the_locked_package(
    require: Callable[[object, str], None],
) -> None:
    require(importlib.util.find_spec("comfyui_workflow_templates_json"), "The templates are not installed.")
    folder, version = tool.installed()
    locked = (tool.ROOT / "constraints" / "py311.txt").read_text(encoding="utf-8")
    if f"{tool.PACKAGE}=={version}" not in locked:
        pytest.skip(f"{tool.PACKAGE} {importlib.metadata.version(tool.PACKAGE)} is not the locked one.")
    before = tool.read_table()
    after = tool.regenerated(before, folder, version, "2026-01-01")
    assert tool.differences(before, after) == [], "run `python dev.py catalog --installed`"
    assert tool.as_text(after) == tool.TABLE.read_text(encoding="utf-8")
