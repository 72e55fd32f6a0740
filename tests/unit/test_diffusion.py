"""What image and video models need, against what others measured, and what a card makes of it."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.advisor.diffusion_memory import (
    DiffusionNeed,
    diffusion_need,
    has_flash,
    reserve_bytes,
    usability,
    usable_bytes,
)
from vramwise.catalog.csv_rows import table
from vramwise.catalog.diffusion import DiffusionModel, diffusion_model, diffusion_models, licences
from vramwise.catalog.formats import addons, bus_of, format_named, formats
from vramwise.catalog.gpus import find_gpus, gpus
from vramwise.errors import UnknownName, VramwiseError
from vramwise.units import GIB

MIB = 1024**2
GB = 10**9
RANK = {"no": 0, "streams": 1, "tight": 2, "fits": 3}


def needs() -> list[tuple[DiffusionModel, DiffusionNeed]]:
    return [
        (model, diffusion_need(model, precision))
        for model in diffusion_models()
        for precision in model.precisions
    ]


# The published figures that are a number for a known workload: single runs by others (Comfy docs on a
# 4090 D and a 5090, genmodelfit on a 5080, NVIDIA), GB read as GiB like nvidia-smi's. Which of our numbers
# the four on the 5080 and 5090 are was not said and was chosen by what fits: they check the arithmetic only.
PUBLISHED = [
    ("qwen-image", "fp8_e4m3fn", {}, "optimal_bytes", 0.86 * 24 * GIB),
    ("wan2.2-14b", "fp8_scaled", {}, "optimal_bytes", 0.84 * 24 * GIB),
    ("flux2-klein-4b", "fp8", {"text_encoder": "qwen3_4b bf16"}, "optimal_bytes", 8.4 * GIB),
    ("wan2.1-1.3b", "fp16", {"width": 512, "height": 512, "frames": 49}, "resident_bytes", 13.3 * GIB),
    ("z-image-turbo", "int8_convrot", {"width": 768, "height": 768}, "resident_bytes", 13.2 * GIB),
    ("sdxl", "fp16", {"width": 832, "height": 832}, "resident_sampling_bytes", 8.0 * GIB),
    ("flux2-dev", "bf16", {}, "optimal_bytes", 64 * GIB),
]


@pytest.mark.parametrize(("model", "precision", "workload", "stage", "published"), PUBLISHED)
def test_the_formula_is_within_8_percent_of_what_others_measured(
    model: str, precision: str, workload: dict[str, object], stage: str, published: float
) -> None:
    need = diffusion_need(diffusion_model(model), precision, **workload)  # type: ignore[arg-type]
    assert getattr(need, stage) == pytest.approx(published, rel=0.08)


def test_all_48_models_are_there_and_compute_at_every_precision() -> None:
    assert len(diffusion_models()) >= 48
    assert len({model.id for model in diffusion_models()}) == len(diffusion_models())
    for model, need in needs():
        assert need.floor_bytes > 0, model.id
        assert need.floor_bytes - GIB // 2 <= need.sampling_bytes <= need.optimal_bytes, model.id
        assert need.sampling_bytes <= need.resident_bytes, model.id
        assert need.ram_bytes > need.file_bytes > 0, model.id
        assert sum(term.bytes for term in need.terms) == need.optimal_bytes, model.id
        assert all(term.source for term in need.terms), model.id


def test_the_rows_give_what_was_computed_by_hand_but_where_that_was_wrong() -> None:
    """Optimum and floor in GiB from when the data was collected, by the same rules."""
    text = (Path(__file__).parents[1] / "fixtures" / "diffusion_by_hand.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) > 100 and sum(bool(row["differs"]) for row in rows) < 10
    for row in rows:
        need = diffusion_need(diffusion_model(row["model"]), row["precision"])
        same = (
            abs(need.optimal_bytes / GIB - float(row["optimal_gib"])) <= 0.06
            and abs(need.floor_bytes / GIB - float(row["floor_gib"])) <= 0.06
        )
        assert same != bool(row["differs"]), row


def test_an_all_in_one_file_is_not_counted_twice() -> None:
    flux = diffusion_model("flux1-dev")
    whole, parts = diffusion_need(flux, "fp8 AIO"), diffusion_need(flux, "fp8")
    assert whole.file_bytes == flux.of("fp8 AIO").file_bytes
    assert whole.sampling_bytes == parts.sampling_bytes
    assert whole.loaded_bytes == pytest.approx(parts.loaded_bytes, rel=0.03)


def test_two_experts_take_turns_and_both_want_ram() -> None:
    wan = diffusion_model("wan2.2-14b")
    need, expert = diffusion_need(wan, "fp8_scaled"), wan.of("fp8_scaled")
    assert need.weights_bytes == expert.file_bytes
    assert need.file_bytes > 2 * expert.file_bytes


def test_two_models_of_one_step_are_both_in_vram() -> None:
    ideogram = diffusion_model("ideogram4")
    assert diffusion_need(ideogram, "fp8_scaled").weights_bytes == 2 * ideogram.of("fp8_scaled").file_bytes


def test_a_cast_at_load_saves_vram_and_neither_disk_nor_ram() -> None:
    hunyuan = diffusion_model("hunyuanvideo1.5")
    cast, plain = diffusion_need(hunyuan, "fp8 cast"), diffusion_need(hunyuan, "fp16")
    assert cast.optimal_bytes < plain.optimal_bytes and cast.ram_bytes == plain.ram_bytes


def test_the_size_of_the_picture_counts_and_the_batch() -> None:
    flux = diffusion_model("flux1-dev")
    single = diffusion_need(flux, "fp8")
    assert diffusion_need(flux, "fp8", width=2048, height=2048).activation_bytes == pytest.approx(
        4 * single.activation_bytes, abs=4
    )
    assert diffusion_need(flux, "fp8", batch=3).activation_bytes == pytest.approx(
        3 * single.activation_bytes, abs=4
    )
    lora = diffusion_need(flux, "fp8", extra_bytes=GIB)
    assert lora.optimal_bytes - single.optimal_bytes == lora.file_bytes - single.file_bytes == GIB


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(VramwiseError, match="at least 8 pixels"):
        diffusion_need(diffusion_model("flux1-dev"), "fp8", width=4)


def test_windows_keeps_more_and_on_large_cards_more_still() -> None:
    assert reserve_bytes("linux", 24 * GIB) == 400 * MIB
    assert reserve_bytes("windows", 12 * GIB) == 600 * MIB
    assert reserve_bytes("windows", 24 * GIB) == 700 * MIB


def test_without_efficient_attention_activations_are_7_5_times_as_large() -> None:
    flux = diffusion_model("flux1-dev")
    plain, efficient = diffusion_need(flux, "bf16", flash=False), diffusion_need(flux, "bf16")
    assert plain.activation_bytes == pytest.approx(7.5 * efficient.activation_bytes, rel=1e-6)
    assert plain.activation_bytes / GIB == pytest.approx(7.4, abs=0.1)


def test_a_turing_card_computes_what_has_no_fp16_in_fp32() -> None:
    turing, ampere = find_gpus("RTX 2080 Ti")[0], find_gpus("RTX 3090")[0]
    qwen = diffusion_model("qwen-image")
    old, new = (diffusion_need(qwen, "fp8_e4m3fn", gpu=gpu) for gpu in (turing, ampere))
    assert old.activation_bytes == pytest.approx(2 * new.activation_bytes, abs=2)
    assert any("no bf16" in note for note in old.notes)
    flux = diffusion_model("flux1-dev")
    assert diffusion_need(flux, "fp8", gpu=turing) == replace(diffusion_need(flux, "fp8", gpu=ampere))


def test_attention_is_known_by_the_card() -> None:
    assert has_flash(find_gpus("RTX 3060 12GB")[0]) and has_flash(find_gpus("Radeon RX 7900 XTX")[0])
    assert not has_flash(find_gpus("Radeon RX 6800 XT")[0]) and not has_flash(find_gpus("Apple M4 Max")[0])


def test_an_optional_prompt_writer_is_not_needed() -> None:
    model = diffusion_model("ernie-image")
    assert [encoder.optional for encoder in model.text_encoders] == [False, True]
    chosen = model.text_encoder()
    assert chosen is not None and chosen.name == "ministral-3-3b"


def test_unknown_names_bring_the_nearest() -> None:
    with pytest.raises(UnknownName, match='Did you mean "flux1-dev"'):
        diffusion_model("flux1-dex")
    with pytest.raises(UnknownName, match='Did you mean "Q4_K_S"'):
        diffusion_model("FLUX.1 dev").of("Q4_K_X")
    with pytest.raises(UnknownName, match="no text encoder"):
        diffusion_need(diffusion_model("flux1-dev"), "fp8", text_encoder="clip")


def test_every_file_of_the_catalog_names_its_source_and_day() -> None:
    for name in (
        "diffusion/diffusion",
        "diffusion/diffusion_weights",
        "diffusion/text_encoders",
        "diffusion/diffusion_published",
        "licences",
        "formats",
        "diffusion/addons",
        "cards/buses",
        "diffusion/template_files",
    ):
        for row in table(f"{name}.csv", dict):
            assert row["source"] and row["date"].startswith("20"), (name, row)
    ids = {model.id for model in diffusion_models()}
    for name in ("diffusion_weights", "text_encoders", "diffusion_published"):
        assert set(table(f"diffusion/{name}.csv", lambda row: row["model"])) <= ids, name
    assert {row.model for row in addons()} <= {*ids, ""}
    known = {row.format for row in formats()}
    assert {weights.format for model in diffusion_models() for weights in model.weights} <= known


def test_commercial_use_is_said_of_every_model() -> None:
    assert {licence.commercial for licence in licences().values()} == {"yes", "no", "conditions", "unknown"}
    commercial = {model.id: model.licence.commercial for model in diffusion_models()}
    assert commercial["flux1-schnell"] == commercial["z-image-turbo"] == commercial["wan2.2-14b"] == "yes"
    assert commercial["flux1-dev"] == commercial["flux2-klein-9b"] == commercial["qwen-image-2.1"] == "no"
    assert commercial["sd35-large"] == commercial["hunyuanvideo"] == "conditions"
    assert all(
        licence.note for licence in licences().values() if licence.commercial in ("conditions", "unknown")
    )


def test_files_weigh_what_their_format_says() -> None:
    for model in diffusion_models():
        for weights in model.weights:
            kind = format_named(weights.format)
            if model.id == "seedvr2" or "I2V" in weights.precision or "VACE" in weights.precision:
                continue  # another number of parameters than the row's
            bits = weights.held_bytes * 8 / model.parameters
            nominal = min(kind.bits, 16)  # ComfyUI holds fp32 files in 16 bit
            assert 0.85 * nominal <= bits <= 1.35 * max(nominal, kind.measured_high or 0), (
                model.id,
                weights.precision,
                bits,
            )


def test_formats_are_fast_where_there_are_cores_for_them() -> None:
    turing, ampere, ada, blackwell = (7, 5), (8, 6), (8, 9), (12, 0)
    assert format_named("int8_convrot").fast_on(turing) and not format_named("fp8").fast_on(ampere)
    assert format_named("fp8").fast_on(ada) and not format_named("nvfp4").fast_on(ada)
    assert format_named("nvfp4").fast_on(blackwell) and not format_named("Q4_K_S").fast_on(blackwell)
    assert format_named("Q8_0").bits == 8.5 and format_named("fp32").bits == 32
    assert {"fp32", "fp16", "bf16", "fp8", "nvfp4", "Q2_K", "Q8_0"} <= {row.format for row in formats()}


def test_a_controlnet_on_8_gb_is_known_and_training_has_its_figures() -> None:
    (fact,) = [row for row in addons() if row.contradicts and row.kind == "controlnet"]
    assert fact.vram_gb == 8 and "no ControlNet" in fact.contradicts
    training = {row.name: row.vram_gb for row in addons() if row.kind == "training"}
    assert training["SDXL LoRA"] == 8 and training["FLUX.1 LoRA"] == 24


def test_fewer_steps_are_not_fewer_bytes() -> None:
    (fact,) = [row for row in addons() if row.kind == "distilled"]
    assert "not fewer bytes" in fact.note and "lightning" in fact.contradicts
    turbo, base = diffusion_model("z-image-turbo"), diffusion_model("z-image")
    assert turbo.distilled and not base.distilled
    assert turbo.of("bf16").file_bytes == base.of("bf16").file_bytes


def test_every_card_has_a_bus_or_shares_the_machines_memory() -> None:
    buses = set(table("cards/buses.csv", lambda row: row["bus"]))
    for gpu in gpus():
        bus = bus_of(gpu)
        assert (bus is None) == gpu.unified, gpu.name
        assert not gpu.host_bus or gpu.host_bus in buses, f"{gpu.name}: cards/buses.csv has no {gpu.host_bus}"
        known = bus is None or not bus.assumed
        assert known or gpu.status == "rumoured", f"{gpu.name}: gpus.csv gives no host_bus"
    assert bus_of(find_gpus("RTX 4060")[0]).gb_s == pytest.approx(15.8)  # type: ignore[union-attr]
    assert bus_of(None).assumed  # type: ignore[union-attr]


def test_more_memory_is_never_worse() -> None:
    @given(
        which=st.sampled_from(needs()),
        card=st.sampled_from([gpu for gpu in gpus() if gpu.vram_bytes]),
        low=st.integers(1, 128 * GIB),
        more=st.integers(0, 64 * GIB),
        ram=st.none() | st.integers(4 * GIB, 192 * GIB),
    )
    def holds(
        which: tuple[DiffusionModel, DiffusionNeed], card: object, low: int, more: int, ram: int | None
    ) -> None:
        little = usability(which[1], card, ram, vram_bytes=low)  # type: ignore[arg-type]
        much = usability(which[1], card, ram, vram_bytes=low + more)  # type: ignore[arg-type]
        assert RANK[much.verdict] >= RANK[little.verdict]
        if little.seconds_floor is not None:
            assert much.seconds_floor is not None and much.seconds_floor <= little.seconds_floor
        if ram is not None:
            richer = usability(which[1], card, ram + more, vram_bytes=low)  # type: ignore[arg-type]
            assert RANK[richer.verdict] >= RANK[little.verdict]

    holds()


@pytest.mark.parametrize("system", ["linux", "windows"])
def test_each_gib_more_on_the_box_is_never_worse(system: str) -> None:
    for model in diffusion_models():
        for precision in model.precisions:
            ranks = []
            for gib in range(2, 97):
                need = diffusion_need(model, precision, system=system, total_bytes=gib * GIB)
                ranks.append(RANK[usability(need, None, vram_bytes=gib * GIB).verdict])
            assert ranks == sorted(ranks), (model.id, precision)


def test_what_streams_takes_at_least_its_bytes_over_the_bus() -> None:
    card = find_gpus("RTX 4090")[0]
    need = diffusion_need(diffusion_model("flux2-dev"), "fp8mixed", gpu=card)
    answer = usability(need, card, 128 * GIB)
    assert answer.verdict == "streams" and answer.bus is not None and answer.bus.bus == "PCIe 4.0 x16"
    spilled = need.spill(usable_bytes(card))
    assert answer.spilled_bytes == spilled
    assert answer.seconds_floor == pytest.approx(spilled * 20 / (31.5 * GB), rel=0.01)
    slow = usability(need, find_gpus("RTX 3050 8GB")[0], 128 * GIB)
    assert slow.seconds_floor is not None and slow.seconds_floor > 2 * answer.seconds_floor


def test_streaming_needs_ram_for_the_files() -> None:
    card = find_gpus("RTX 4090")[0]
    need = diffusion_need(diffusion_model("flux2-dev"), "fp8mixed", gpu=card)
    poor = usability(need, card, 32 * GIB)
    assert poor.verdict == "no" and poor.why == "no_ram" and poor.seconds_floor is None


def test_below_the_floor_nothing_runs() -> None:
    card = find_gpus("RTX 4060")[0]
    need = diffusion_need(diffusion_model("hunyuanvideo1.5"), "fp16", gpu=card)
    answer = usability(need, card)
    assert answer.verdict == "no" and answer.why == "below_floor"


def test_streaming_never_needs_more_than_what_it_saves() -> None:
    """Weights smaller than the room in which layers arrive (SD 1.5 at 4 bits) asked for more to stream than
    to lie on the card."""
    for model, need in needs():
        assert need.floor_bytes <= need.optimal_bytes, (model.id, need.precision)
        least = replace(need, weights_bytes=min(need.weights_bytes, 300 << 20))
        assert least.floor_bytes <= least.sampling_bytes
        assert least.spill(least.sampling_bytes - 1) == least.weights_bytes


def test_a_text_encoder_that_is_too_large_crosses_the_bus_once() -> None:
    need = diffusion_need(diffusion_model("flux2-klein-4b"), "fp8", text_encoder="qwen3_4b bf16")
    answer = usability(need, None, vram_bytes=8 * GIB)
    assert answer.verdict == "streams" and answer.spilled_bytes == 0
    assert answer.seconds_floor == pytest.approx((need.encode_bytes - 8 * GIB) / (31.5 * GB), rel=0.01)


def test_unified_memory_holds_everything_or_does_not() -> None:
    small, large = (gpu for gpu in find_gpus("Apple M4 Pro") if gpu.vram_gib in (24, 64))
    model = diffusion_model("qwen-image")
    assert usability(diffusion_need(model, "bf16", gpu=small), small).verdict == "no"
    assert usability(diffusion_need(model, "fp8_e4m3fn", gpu=large), large).verdict == "fits"


def test_a_card_without_a_size_asks_for_one() -> None:
    unknown = replace(find_gpus("RTX 4090")[0], vram_gib=None)
    with pytest.raises(VramwiseError, match="no memory size"):
        usability(needs()[0][1], unknown)
    with pytest.raises(VramwiseError, match="Neither a card nor"):
        usability(needs()[0][1], None)


def test_planning_a_picture_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from vramwise.catalog.diffusion import diffusion_models; "
        "from vramwise.advisor.diffusion_memory import diffusion_need; "
        "[diffusion_need(m, p) for m in diffusion_models() for p in m.precisions]; "
        "import vramwise.catalog.formats, vramwise.catalog.templates, vramwise.advisor.template_memory; "
        "print(sorted({'torch', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
