"""Files of diffusion models by their headers, and the catalog as the running ComfyUI makes it."""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vramwise.advisor.advise import advise
from vramwise.advisor.diffusion_memory import diffusion_need
from vramwise.advisor.models_here import current_models, format_of_name, model_of_file, models_here
from vramwise.advisor.template_memory import model_of_template, template_need, unmapped
from vramwise.catalog.diffusion import DiffusionModel, diffusion_model, diffusion_models
from vramwise.catalog.templates import Template, TemplateFile
from vramwise.errors import VramwiseError
from vramwise.host import HostArchitecture, HostModels, Places, set_host_models
from vramwise.units import GIB
from vramwise.weights.gguf_headers import gguf_header
from vramwise.weights.model_headers import architectures, model_file

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1}


def safetensors(path: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> Path:
    """A real header over a hole of the right length."""
    entries, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = BYTES[dtype]
        for side in shape:
            size *= side
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    head = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + end)
    return path


def flux(path: Path, dtype: str = "BF16", *, weights: int = 11_901_000_000, prefix: str = "") -> Path:
    named = {
        f"{prefix}double_blocks.0.img_attn.norm.key_norm.scale": (dtype, (128,)),
        f"{prefix}guidance_in.in_layer.weight": (dtype, (3072, 256)),
        f"{prefix}blocks": (dtype, (weights // 1_000_000, 1_000_000)),
    }
    return safetensors(path, named)


def of(model: str, models: tuple[DiffusionModel, ...]) -> DiffusionModel:
    return next(row for row in models if row.id == model)


@pytest.fixture(autouse=True)
def no_host() -> Iterator[None]:
    yield
    set_host_models(None)


def host(*files: Path, factor: float | None = None) -> HostModels:
    told = None if factor is None else HostArchitecture(factor)
    return HostModels("ComfyUI 9.9", lambda name, config: told if name == "ZImage" else None, lambda: files)


# --- headers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "kind", "gib"), [("BF16", "bf16", 22.2), ("F8_E4M3", "fp8", 11.1), ("F32", "fp32", 22.2)]
)
def test_a_header_tells_exact_bytes_format_and_architecture(
    tmp_path: Path, dtype: str, kind: str, gib: float
) -> None:
    found = model_file(flux(tmp_path / "mine.safetensors", dtype))
    assert (found.comfy_class, found.format) == ("Flux", kind)
    assert found.held_bytes / GIB == pytest.approx(gib, rel=0.01)  # 32 bits are held in 16
    assert found.parameters == pytest.approx(11.9e9, rel=0.001) and found.rest_bytes == 0


def test_a_checkpoint_is_parted_into_its_model_and_the_rest(tmp_path: Path) -> None:
    tensors = {
        "model.diffusion_model.input_blocks.0.0.weight": ("F16", (320, 4, 3, 3)),
        "model.diffusion_model.label_emb.0.0.weight": ("F16", (1280, 2816)),
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": ("F16", (640, 2048)),
        "model.diffusion_model.rest": ("F16", (2567, 1_000_000)),
        "conditioner.embedders.0.transformer": ("F16", (817, 1_000_000)),
        "first_stage_model.decoder": ("F16", (84, 1_000_000)),
    }
    found = model_file(safetensors(tmp_path / "dreams.safetensors", tensors))
    assert found.comfy_class == "SDXL" and found.format == "fp16"
    assert found.rest_bytes == 2 * 901_000_000
    model = model_of_file(found)
    assert model is not None and model.id == "sdxl"
    row = next(row for row in models_here(host(found.path))[1].weights if row.on_disk)
    assert row.held_bytes == found.held_bytes and row.with_vae and row.file_bytes == found.file_bytes


def test_every_architecture_belongs_to_a_model_of_the_catalog(tmp_path: Path) -> None:
    known = {model.comfy_class for model in diffusion_models()}
    assert {row.comfy_class for row in architectures()} - known <= {"StableAudio"}


def gguf(path: Path, kind: str, architecture: str, rows: int = 64) -> Path:
    """What the gguf library writes of a model: its head, and a hole for the tensors."""
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter

    writer = GGUFWriter(str(path), architecture)
    writer.add_uint32("general.file_type", 15)
    writer.add_array("some.words", ["a", "bc", "d" * 100])
    wanted = GGMLQuantizationType[kind]
    block, size = GGML_QUANT_SIZES[wanted]
    wide = 4096 // block * size
    writer.add_tensor_info("head.modulation", (1, 2, 5120), np.dtype(np.float32), 40960)
    writer.add_tensor_info("blocks.q.weight", (rows, wide), np.dtype(np.uint8), rows * wide, wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 64 + 40960 + rows * wide)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("wan2.1-t2v-14b-Q4_K_M.gguf", "Q4_K", "Q4_K_M"),
        ("renamed.gguf", "Q4_K", "Q4_K_S"),
        ("x-Q8_0.gguf", "Q8_0", "Q8_0"),
        ("x-IQ4_XS.gguf", "IQ4_XS", "IQ4_XS"),
        ("x-BF16.gguf", "BF16", "bf16"),
    ],
)
def test_a_gguf_of_the_gguf_library_is_read_like_by_the_library(
    tmp_path: Path, require: Callable[[object, str], None], name: str, kind: str, told: str
) -> None:
    require(importlib.util.find_spec("gguf"), "The gguf library is not installed.")
    from gguf import GGUFReader

    path = gguf(tmp_path / name, kind, "wan")
    found, library = gguf_header(path), GGUFReader(str(path))
    assert found.architecture == "wan"
    assert {key: info.nbytes for key, info in found.tensors.items()} == {
        tensor.name: tensor.n_bytes for tensor in library.tensors
    }
    assert found.tensors["head.modulation"].shape == (1, 2, 5120)
    assert (model_file(path).format, model_file(path).comfy_class) == (told, "WAN21_T2V")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GGUF",
        b"PK\x03\x04" + b"\0" * 60,
        b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40),
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 4, 2**61),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<I", 9) * 40,
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQQIQ", 2, 2**62, 2**62, 0, 0),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 4, 77, 0),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 4096, 0, 0),
    ],
)
def test_a_spoiled_gguf_is_a_sentence(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(head)
    with pytest.raises(VramwiseError, match="damaged or only half downloaded"):
        gguf_header(tmp_path / "bad.gguf")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120), st.sampled_from([b"GGUF\3\0\0\0", b""]))
def test_no_bytes_bring_advice_down(tmp_path: Path, head: bytes, start: bytes) -> None:
    for name in ("any.gguf", "any.safetensors"):
        (tmp_path / name).write_bytes(start + head)
    assert models_here(host(tmp_path / "any.gguf", tmp_path / "any.safetensors"))


# --- the catalog here ------------------------------------------------------------------------------------


def test_a_file_on_disk_gives_its_row_exact_bytes_and_marks_it(tmp_path: Path) -> None:
    path = flux(tmp_path / "flux1-dev-mine.safetensors", "F8_E4M3", weights=11_920_000_000)
    set_host_models(host(path))
    found = [row for row in advise(vram_gib=24, task="image").candidates if row.model == "flux1-dev"]
    (mine,) = [row for row in found if row.installed]
    assert mine.precision == "fp8" and mine.weights_bytes == pytest.approx(11.92e9, rel=1e-3)
    assert any("flux1-dev-mine" in note for note in mine.notes)
    only = advise(vram_gib=24, task="image", installed_only=True)
    assert [pick.precision for pick in only.picks if pick.model == "flux1-dev"] == ["fp8"]
    assert current_models() == diffusion_models(), "what was asked about ends with the question"


def test_an_estimated_rung_becomes_exact_by_a_file(
    tmp_path: Path, require: Callable[[object, str], None]
) -> None:
    require(importlib.util.find_spec("gguf"), "The gguf library is not installed.")
    path = gguf(tmp_path / "Wan2.2-I2V-A14B-HighNoise-Q3_K_S.gguf", "Q3_K", "wan", 3_488_000)
    row = of("wan2.2-14b", models_here(host(path))).of("Q3_K_S")
    assert row.on_disk and not row.estimated and row.copies == 2
    assert row.held_bytes == sum(info.nbytes for info in gguf_header(path).tensors.values())


@pytest.mark.parametrize(
    ("name", "weights", "model"),
    [
        ("whatever.safetensors", 11_901_000_000, "flux1"),
        ("z_image_turbo_bf16.safetensors", 11_901_000_000, "flux1"),  # the header knows better
        ("whatever.safetensors", 3_000_000_000, None),  # no model of this architecture has so few
        ("flux1-dev-tiny.safetensors", 3_000_000_000, None),  # nor has the one that it is named after
        ("flux1-dev-lite.safetensors", 8_100_000_000, "flux1"),  # a cut one is its model's
    ],
)
def test_the_header_decides_where_the_name_does_not_or_lies(
    tmp_path: Path, name: str, weights: int, model: str | None
) -> None:
    found = model_of_file(model_file(flux(tmp_path / name, weights=weights)))
    assert (found.id[:5] if found else None) == model


def test_the_running_comfyui_counts_its_own_way(tmp_path: Path) -> None:
    models = models_here(host(factor=1.7))
    ours, theirs = diffusion_model("z-image-turbo"), of("z-image-turbo", models)
    assert theirs.factor == 1.7 and "ComfyUI 9.9" in theirs.factor_source
    large = {"width": 2048, "height": 2048}
    before = diffusion_need(ours, "bf16", **large).activation_bytes
    assert diffusion_need(theirs, "bf16", **large).activation_bytes == pytest.approx(
        before * 1.7 / ours.factor
    )
    assert of("flux1-dev", models) is diffusion_model("flux1-dev"), "what it does not know stays ours"


def templates(name: str, gib: float, directory: str = "diffusion_models") -> tuple[Template, ...]:
    file = TemplateFile(name, directory, "", round(gib * GIB), "note", False, False, 0)
    return (Template("newest", "Newest", "image", "", (), (), (file,)),)


def test_a_newer_templates_file_becomes_a_row(tmp_path: Path) -> None:
    newer = models_here(None, templates("z_image_turbo_mxfp8.safetensors", 6.1))
    row = of("z-image-turbo", newer).of("mxfp8")
    assert row.file_bytes == round(6.1 * GIB) and "newest" in row.source
    other = models_here(None, templates("z_image_turbo_edit_bf16.safetensors", 13.0))
    assert of("z-image-turbo", other).of("bf16 z_image_turbo_edit_bf16").file_bytes == 13 * GIB
    same = models_here(None, templates("z_image_turbo_bf16.safetensors", 11.46))
    assert of("z-image-turbo", same) is diffusion_model("z-image-turbo")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("flux2_dev_fp8mixed.safetensors", "fp8mixed"),
        ("wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", "fp8"),
        ("boogu_image_edit_int8_convrot.safetensors", "int8_convrot"),
        ("qwen3.5_9b_w4a8_gptq.safetensors", "w4a8"),
        ("flux1-dev-Q4_K_S.gguf", "Q4_K_S"),
        ("flux1-dev.safetensors", ""),
    ],
)
def test_a_format_is_told_by_a_name(name: str, kind: str) -> None:
    assert format_of_name(name) == kind


def test_equal_questions_share_what_was_computed(tmp_path: Path) -> None:
    here = host(flux(tmp_path / "flux1-dev-mine.safetensors"))
    assert models_here(here) is models_here(here)


def test_a_template_of_an_unknown_name_is_known_by_the_header_on_disk(tmp_path: Path) -> None:
    path = flux(tmp_path / "brand_new_4b.safetensors")
    size = path.stat().st_size
    file = TemplateFile(path.name, "diffusion_models", "", size, "disk", True, False, 0, "", path)
    named = Template("newest", "Newest", "image", "", (), (), (file,))
    model, need = model_of_template(named), template_need(named)
    assert model is not None and model.comfy_class == "Flux" and not unmapped(named)
    assert need is not None and need.activation_bytes == diffusion_need(model, "bf16").activation_bytes
    gone = replace(named, files=(replace(file, path=None, on_disk=False),))
    assert model_of_template(gone) is None and "brand_new_4b" in unmapped(gone)


def test_outside_of_comfyui_the_models_folders_of_config_yaml_are_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "diffusion_models" / "flux"
    folder.mkdir(parents=True)
    flux(folder / "flux1-dev-mine.safetensors", "F8_E4M3")
    places = Places(user_dir=tmp_path, models_dirs=(tmp_path / "models",))
    monkeypatch.setattr("vramwise.host._Host.places", places)
    found = advise(vram_gib=24, task="image", installed_only=True)
    assert [pick.precision for pick in found.picks if pick.model == "flux1-dev"] == ["fp8"]
