"""ComfyUI's workflow templates as a catalogue of files: the real packages, and made-up folders."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.advisor.diffusion_memory import diffusion_need, usability
from vramwise.advisor.template_memory import model_of_template, template_need
from vramwise.catalog.diffusion import diffusion_models
from vramwise.catalog.gpus import find_gpus
from vramwise.catalog.templates import Template, templates_of_folder
from vramwise.units import GIB


def node(*models: tuple[str, str], mode: int = 0, kind: str = "UNETLoader") -> dict[str, Any]:
    listed = [{"name": name, "directory": directory, "url": ""} for name, directory in models]
    return {"type": kind, "mode": mode, "properties": {"models": listed}}


def note(text: str) -> dict[str, Any]:
    return {"type": "MarkdownNote", "widgets_values": [text]}


def folder(tmp_path: Path, workflow: dict[str, Any] | None, **entry: Any) -> Path:
    """A template folder with one template called "one"."""
    index = [{"title": "Image", "type": "image", "templates": [{"name": "one", "tags": ["Image"], **entry}]}]
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    if workflow is not None:
        (tmp_path / "one.json").write_text(json.dumps(workflow), encoding="utf-8")
    return tmp_path


def sized(files: dict[str, int], tmp_path: Path) -> Callable[[str, str], Path | None]:
    """A disk that holds ``files`` (name: bytes), made sparse."""
    for name, size in files.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    return lambda directory, name: tmp_path / name if name in files else None


def test_no_folder_and_no_index_give_no_templates(tmp_path: Path) -> None:
    assert templates_of_folder(tmp_path / "missing") == () == templates_of_folder(tmp_path)


def test_a_template_that_calls_a_paid_service_is_not_local(tmp_path: Path) -> None:
    assert templates_of_folder(folder(tmp_path, {"nodes": []}, tags=["API", "Image"])) == ()
    assert templates_of_folder(folder(tmp_path, {"nodes": []}, openSource=False)) == ()
    assert len(templates_of_folder(folder(tmp_path, {"nodes": []}, openSource=True))) == 1


def test_a_template_whose_workflow_is_not_installed_is_left_out(tmp_path: Path) -> None:
    assert templates_of_folder(folder(tmp_path, None)) == ()


def test_files_are_sized_by_disk_then_note_then_catalog(tmp_path: Path) -> None:
    workflow = {
        "nodes": [
            node(("a.safetensors", "diffusion_models")),
            node(("b.safetensors", "text_encoders"), kind="CLIPLoader"),
            node(("ae.safetensors", "vae"), ("nobody_knows.safetensors", "loras")),
            note("[a.safetensors](https://x) (9 GB), [b.safetensors](https://x/b) (1.5 GB)"),
        ]
    }
    (tmp_path / "disk").mkdir()
    find = sized({"a.safetensors": 12345}, tmp_path / "disk")
    (template,) = templates_of_folder(folder(tmp_path, workflow), find)
    assert [(file.name, file.bytes, file.size_from, file.on_disk) for file in template.files] == [
        ("a.safetensors", 12345, "disk", True),
        ("b.safetensors", int(1.5 * GIB), "note", False),
        ("ae.safetensors", 335304388, "catalog", False),
        ("nobody_knows.safetensors", None, "", False),
    ]
    assert template.file_bytes is None and not template.installed and len(template.missing) == 3


def test_it_is_installed_when_all_it_needs_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    find = sized({"a.safetensors": 100}, tmp_path / "disk")
    workflow = {"nodes": [node(("a.safetensors", "checkpoints")), node(("b.safetensors", "loras"), mode=4)]}
    (template,) = templates_of_folder(folder(tmp_path, workflow), find)
    assert template.installed and template.file_bytes == 100
    assert [file.optional for file in template.files] == [False, True]


def test_files_inside_nested_subgraphs_count_and_those_of_silent_ones_are_optional(tmp_path: Path) -> None:
    workflow = {
        "nodes": [{"type": "outer"}, {"type": "quiet", "mode": 4}],
        "definitions": {
            "subgraphs": [
                {"id": "outer", "nodes": [{"type": "inner"}, node(("one.safetensors", "vae"))]},
                {"id": "inner", "nodes": [node(("two.safetensors", "loras"))]},
                {"id": "quiet", "nodes": [node(("three.safetensors", "loras")), {"type": "quiet"}]},
            ]
        },
    }
    (template,) = templates_of_folder(folder(tmp_path, workflow))
    assert {file.name: file.optional for file in template.files} == {
        "one.safetensors": False,
        "two.safetensors": False,
        "three.safetensors": True,
    }


def test_a_file_that_one_loader_needs_is_needed_even_if_another_is_off(tmp_path: Path) -> None:
    file = ("a.safetensors", "checkpoints")
    for modes in ((4, 0), (0, 4)):
        workflow = {"nodes": [node(file, mode=mode) for mode in modes]}
        (template,) = templates_of_folder(folder(tmp_path, workflow))
        assert [found.optional for found in template.files] == [False]


def test_stages_of_a_template_are_its_own_files(tmp_path: Path) -> None:
    sizes = {"model": 10, "small": 4, "clip": 1, "t5": 5, "lora": 2, "vae": 1}
    workflow = {
        "nodes": [
            node(("model", "diffusion_models")),
            node(("small", "diffusion_models")),
            node(("clip", "text_encoders"), ("t5", "text_encoders"), kind="DualCLIPLoader"),
            node(("lora", "loras")),
            node(("vae", "vae")),
        ]
    }
    (tmp_path / "disk").mkdir()
    find = sized({name: size * GIB // 64 for name, size in sizes.items()}, tmp_path / "disk")
    (template,) = templates_of_folder(folder(tmp_path, workflow), find)
    need = template_need(template)
    assert need is not None
    assert need.weights_bytes == 12 * GIB // 64 and need.text_encoder_bytes == 6 * GIB // 64
    assert need.file_bytes == need.loaded_bytes == 23 * GIB // 64
    assert any("no model of the catalog" in note for note in need.notes)
    assert usability(need, find_gpus("RTX 4060")[0]).verdict == "fits"


def test_a_template_of_unknown_sizes_has_no_need(tmp_path: Path) -> None:
    workflow = {"nodes": [node(("nobody_knows.safetensors", "diffusion_models"))]}
    (template,) = templates_of_folder(folder(tmp_path, workflow))
    assert template_need(template) is None


@pytest.fixture(scope="module")
def real(require: Callable[[object, str], None]) -> tuple[Template, ...]:
    found = importlib.util.find_spec("comfyui_workflow_templates_json")
    require(
        found,
        "ComfyUI's templates are not installed: `pip install --no-deps comfyui-workflow-templates-json`.",
    )
    assert found is not None and found.submodule_search_locations
    return templates_of_folder(Path(found.submodule_search_locations[0]) / "templates")


def test_every_real_local_template_lists_its_files(real: tuple[Template, ...]) -> None:
    assert len(real) >= 258 and len({template.id for template in real}) == len(real)
    with_files = [template for template in real if template.files]
    assert len(with_files) >= 250
    known = [template for template in with_files if template.file_bytes is not None]
    assert len(known) >= 0.95 * len(with_files)
    assert not any(file.on_disk for template in real for file in template.files)
    assert {template.kind for template in real} >= {"image", "video"}


def test_real_templates_need_what_their_model_needs(real: tuple[Template, ...]) -> None:
    by_id = {template.id: template for template in real}
    for template, model, precision in (
        ("image_z_image_turbo", "z-image-turbo", "bf16"),
        ("flux1_krea_dev", "flux1-krea", "fp8_scaled"),
        ("video_wan2_2_5B_ti2v", "wan2.2-5b", "fp16"),
        ("image_ideogram4_t2i", "ideogram4", "fp8_scaled"),
    ):
        need, row = template_need(by_id[template]), model_of_template(by_id[template])
        assert need is not None and row is not None and row.id == model
        assert need.sampling_bytes == pytest.approx(diffusion_need(row, precision).sampling_bytes, rel=0.01)
        assert need.floor_bytes == diffusion_need(row, precision).floor_bytes


def test_the_templates_that_the_catalog_names_exist(real: tuple[Template, ...]) -> None:
    ids = {template.id for template in real}
    assert {name for model in diffusion_models() for name in model.templates} <= ids
