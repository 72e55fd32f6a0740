"""Which model of the catalog a template or a file stands for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from vramwise.advisor.advise import advise
from vramwise.advisor.diffusion_candidates import template_candidates
from vramwise.advisor.report import report
from vramwise.advisor.targets import target_of_memory
from vramwise.advisor.tasks import AUDIO, SHAPES, UPSCALING
from vramwise.advisor.template_memory import model_of_template, template_need, unmapped
from vramwise.catalog.diffusion import diffusion_model, diffusion_models
from vramwise.catalog.model_files.names import file_names, named_file
from vramwise.catalog.templates import MODEL_FOLDERS, Template, TemplateFile, templates_of_folder

GIB = 1024**3


@pytest.fixture(scope="module")
def real(require: Callable[[object, str], None]) -> tuple[Template, ...]:
    found = importlib.util.find_spec("comfyui_workflow_templates_json")
    require(found, "ComfyUI's templates are not installed.")
    assert found is not None and found.submodule_search_locations
    return templates_of_folder(Path(found.submodule_search_locations[0]) / "templates")


def template(name: str, *files: str) -> Template:
    loaded = tuple(
        TemplateFile(file, "diffusion_models", "", 7 * GIB, "note", False, False, place)
        for place, file in enumerate(files)
    )
    return Template(name, name, "image", "", (), (), loaded)


def strangers(templates: tuple[Template, ...]) -> list[str]:
    return [
        f"{found.id}: {why}. Add a row to core/catalog/tables/diffusion/file_names.csv, and its model to "
        "diffusion.csv where it is new (`python dev.py catalog` lists what a new package brings)."
        for found in templates
        if "is known by the name" in (why := unmapped(found))
    ]


def test_every_installed_template_stands_for_a_model_or_for_none_and_says_why(
    real: tuple[Template, ...],
) -> None:
    assert not strangers(real), "\n".join(strangers(real))
    without = [found for found in real if model_of_template(found) is None]
    assert 5 < len(without) <= 25
    assert all("diffusion model" in unmapped(found) for found in without)


def test_a_new_template_of_an_unknown_file_is_named_with_what_to_do() -> None:
    (line,) = strangers((template("image_new", "brand_new_4b.safetensors"), template("old", "flux1-dev.sft")))
    assert line.startswith("image_new: no model of the catalog is known by the name of brand_new_4b.safe")
    assert "file_names.csv" in line


def test_what_cannot_be_mapped_says_so_instead_of_guessing() -> None:
    need = template_need(template("image_new", "brand_new_4b.safetensors"))
    assert need is not None and any("brand_new_4b" in note for note in need.notes)


def test_vace_takes_the_activations_of_vace(real: tuple[Template, ...]) -> None:
    for found in real:
        if "vace_14B" in found.id:
            need = template_need(found)
            assert need is not None and need.optimal_bytes / GIB == pytest.approx(39.8, rel=0.02), found.id


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Wan2.2-I2V-A14B-HighNoise-Q4_K_M.gguf", "wan2.2-14b"),
        ("wan2.2_ti2v_5B_fp16.safetensors", "wan2.2-5b"),
        ("Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors", "wan2.1-14b"),
        ("Wan2_2-Animate-14B_fp8_e4m3fn_scaled_KJ.safetensors", "wan2.2-animate"),
        ("wan2.1_vace_14B_fp16.safetensors", "wan2.1-vace-14b"),
        ("wan2.1_fun_camera_v1.1_1.3B_bf16.safetensors", "wan2.1-1.3b"),
        ("flux1-dev-Q4_K_S.gguf", "flux1-dev"),
        ("flux1-dev-kontext_fp8_scaled.safetensors", "flux1-kontext"),
        ("flux1-kontext-dev-Q4_K_M.gguf", "flux1-kontext"),
        ("flux.1-fill-dev-OneReward-transformer_fp8.safetensors", "flux1-fill"),
        ("flux-2-klein-base-9b-fp8.safetensors", "flux2-klein-9b"),
        ("Qwen-Image-Edit-2509-Q5_K_M.gguf", "qwen-image-edit"),
        ("qwen_image_2512_fp8_e4m3fn.safetensors", "qwen-image"),
        ("qwen-image-2.1-UC-Q8_0.gguf", "qwen-image-2.1"),
        ("z_image_turbo-Q4_K_M.gguf", "z-image-turbo"),
        ("ltx-2.3-22b-distilled-fp8.safetensors", "ltx-2.3"),
        ("ltx-video-2b-v0.9.safetensors", "ltx-video"),
        ("hunyuanvideo1.5_720p_t2v_fp16.safetensors", "hunyuanvideo1.5"),
        ("hunyuan_video_t2v_720p_bf16.safetensors", "hunyuanvideo"),
        ("hunyuanimage2.1_bf16.safetensors", "hunyuanimage2.1"),
        ("hunyuan_3d_v2.1.safetensors", "hunyuan3d-2.1"),
        ("juggernautXL_v9Rdphoto2Lightning.safetensors", "sdxl"),
        ("v1-5-pruned-emaonly-fp16.safetensors", "sd15"),
        ("acestep_v1.5_xl_turbo_bf16.safetensors", "ace-step-1.5-xl-turbo"),
        ("seedvr2_7b_int8_convrot.safetensors", "seedvr2-7b"),
        ("FLUX.1-krea-dev-Q5_K_M.gguf", "flux1-krea"),
        ("FLUX.1-schnell_fp8.safetensors", "flux1-schnell"),
        ("FluxKontext_fp8.safetensors", "flux1-kontext"),
        ("stable-diffusion-3.5-large-Q4_0.gguf", "sd35-large"),
        ("stable-diffusion-xl-base-1.0.safetensors", "sdxl"),
        ("ZImageTurbo_Q8.gguf", "z-image-turbo"),
        ("QwenImageEdit2511.safetensors", "qwen-image-edit"),
        ("Chroma1-Radiance-v0.4.safetensors", "chroma1-radiance"),
        ("ponyV7_base.safetensors", ""),
        ("ltx-video-13b-0.9.8-distilled.gguf", ""),
        ("my_holiday.safetensors", None),
        ("sam3.1_multiplex_fp16.safetensors", ""),
        ("_" * 100_000 + ".gguf", None),
    ],
)
def test_a_file_is_known_by_its_name(name: str, model: str | None) -> None:
    row = named_file(name)
    assert (None if row is None else row.model) == model


def test_every_row_of_names_is_reachable_and_names_a_model() -> None:
    ids = {model.id for model in diffusion_models()}
    assert {row.model for row in file_names()} <= {*ids, ""}
    assert all(row.model or row.what for row in file_names())
    assert ids - {row.model for row in file_names()} <= {"stable-cascade"}


@pytest.mark.parametrize(
    ("task", "models"),
    [
        (UPSCALING, {"seedvr2", "seedvr2-7b"}),
        (AUDIO, {"ace-step-1.5", "ace-step-1.5-xl", "stable-audio-3", "yue2"}),
        (SHAPES, {"hunyuan3d-2", "hunyuan3d-2.1", "trellis-2"}),
        ("image", {"ovis-image", "longcat-image", "boogu-image", "mage-flow", "ming-image", "pixeldit",
                   "chroma1-radiance", "netayume-lumina", "newbie-image", "hunyuanimage2.1", "capybara"}),
        ("image edit", {"joyai-image-edit", "firered-image-edit", "chronoedit", "fibo2", "bernini-r"}),
        ("video", {"humo", "wan-dancer", "infinitetalk", "wan2.2-animate", "capybara", "bernini-r"}),
    ],
)  # fmt: skip
def test_each_task_has_its_models_and_a_report_in_three_languages(task: str, models: set[str]) -> None:
    answer = advise(vram_gib=48, task=task)
    assert models <= {pick.model for pick in answer.picks}
    assert {pick.task for pick in answer.picks} == {task}
    assert len({report(answer, lang) for lang in ("en", "ru", "zh")}) == 3


def test_templates_of_sound_shapes_and_upscaling_are_offered_under_them(real: tuple[Template, ...]) -> None:
    tasks = {row.model: row.task for row in template_candidates(target_of_memory(48), real)}
    assert tasks["utility_seedvr2_3b_int8_upscale_image"] == UPSCALING
    assert tasks["audio_ace_step_1_5_split"] == AUDIO and tasks["3d_hunyuan3d-v2.1"] == SHAPES
    assert len(tasks) >= 220


def test_a_size_that_nobody_states_is_the_catalogs_and_said_to_be_one(real: tuple[Template, ...]) -> None:
    by_id = {found.id: found for found in real}
    fibo, edit = (
        template_need(by_id["image_fibo2_edit_dev_pe"]),
        template_need(by_id["image_moss_image_edit"]),
    )
    assert fibo is not None and edit is not None
    assert fibo.confidence == edit.confidence == "estimated"
    assert any("fibo2_dev_int8_convrot" in note for note in fibo.notes)
    assert fibo.weights_bytes == diffusion_model("fibo2").of("int8_convrot").held_bytes
    assert template_need(template("image_new", "brand_new_4b.safetensors")).confidence == "computed"  # type: ignore[union-attr]
    for found in real:
        assert template_need(found) is not None or not any(
            file.directory in MODEL_FOLDERS for file in found.needed
        ), found.id


def test_the_json_of_a_template_says_what_it_stands_on(real: tuple[Template, ...]) -> None:
    rows = {row.model: row.to_dict() for row in template_candidates(target_of_memory(48), real)}
    assert any("no model of the catalog" in note for note in rows["image_lotus_depth_v1_1"]["notes"])
    assert rows["image_fibo2_edit_dev_pe"]["confidence"] == "estimated"
