"""GGUF sizes of every model: listed or estimated, never the wrong way round."""

from __future__ import annotations

from itertools import pairwise

import pytest
from vramwise.advisor.diffusion_candidates import model_candidates
from vramwise.advisor.report import report
from vramwise.advisor.targets import target_of_memory
from vramwise.catalog.diffusion import DiffusionModel, diffusion_model, diffusion_models, listed_weights
from vramwise.catalog.formats import format_named
from vramwise.catalog.model_files.gguf_ladder import RUNGS, measured_bits, with_ladder

GIB = 1024**3
EVERY = pytest.mark.parametrize("model", diffusion_models(), ids=lambda model: model.id)


@EVERY
def test_each_rung_is_there_and_smaller_than_the_one_above(model: DiffusionModel) -> None:
    sizes = [model.of(rung).held_bytes for rung in RUNGS]
    assert all(above > below > 0 for above, below in pairwise(sizes)), sizes
    whole = [row.held_bytes for row in model.weights if row.format in ("bf16", "fp16", "fp32")]
    eight = [row.held_bytes for row in model.weights if format_named(row.format).group == "8-bit"]
    assert all(small < size for size in whole for small in (sizes[0], *eight))
    assert all("size estimated" in row.note for row in model.weights if row.estimated)


# What was published of models whose other rungs are known here: GB of 10^9 bytes.
@pytest.mark.parametrize(
    ("model", "rung", "gb"),
    [
        ("wan2.1-14b", "Q4_K_M", 9.65),
        ("wan2.2-14b", "Q5_K_M", 10.79),
        ("qwen-image", "Q4_K_M", 13.07),
        ("qwen-image", "Q2_K", 7.06),
        ("hunyuanvideo", "Q6_K", 11.0),
        ("hunyuanvideo", "Q4_K_S", 7.74),
        ("hunyuanvideo", "Q3_K_M", 6.24),
        ("flux1-schnell", "Q5_K_S", 8.26),
    ],
)
def test_published_files_are_within_7_percent_of_what_is_computed_without_them(
    model: str, rung: str, gb: float
) -> None:
    row, listed = diffusion_model(model), listed_weights()
    others = [
        (other.parameters, file)
        for other in diffusion_models()
        for file in listed[other.id]
        if other.family != row.family
    ]
    ladder = with_ladder(row.parameters, [listed[model][0]], measured_bits(others))
    (estimate,) = [file for file in ladder if file.precision == rung]
    assert estimate.held_bytes / 1e9 == pytest.approx(gb, rel=0.07)


def test_a_listed_rung_keeps_its_bytes_and_moves_its_neighbours() -> None:
    row, listed = diffusion_model("flux1-dev"), listed_weights()["flux1-dev"]
    bits = measured_bits((row.parameters, file) for file in listed if file.format in RUNGS)
    bits = {rung: bits.get(rung, (4.0, 1)) for rung in RUNGS}  # nonsense for those that nobody listed
    ladder = {file.precision: file for file in with_ladder(row.parameters, listed, bits)}
    assert not ladder["Q4_K_S"].estimated and ladder["Q5_K_M"].estimated
    assert ladder["Q6_K"].held_bytes > ladder["Q5_K_M"].held_bytes > ladder["Q5_K_S"].held_bytes


@pytest.mark.parametrize(
    ("model", "vram_gib"),
    [("wan2.2-14b", 16), ("qwen-image", 16), ("qwen-image-edit", 16), ("flux1-kontext", 12),
     ("flux1-fill", 12), ("z-image", 8), ("ernie-image", 12)],
)  # fmt: skip
def test_the_well_known_ones_stay_resident_on_small_cards_at_four_bits(model: str, vram_gib: int) -> None:
    fine = [row for row in model_candidates(target_of_memory(vram_gib), model) if not row.rough]
    assert fine[0].verdict in ("fits", "tight"), fine[0].reason()


def test_an_estimate_is_called_one_and_stands_behind_a_listed_file_of_as_many_bits() -> None:
    found = model_candidates(target_of_memory(24), "wan2.2-14b")
    names = [row.precision for row in found if row.verdict == "fits"]
    assert names.index("fp8_scaled") < names.index("Q8_0") if "Q8_0" in names else "fp8_scaled" in names
    (rung,) = [row for row in found if row.precision == "Q4_K_M"]
    assert rung.confidence == "estimated" and any("size estimated" in note for note in rung.notes)
    from vramwise.advisor.advise import advise

    assert "size estimated" in report(advise(vram_gib=16, task="video"))
