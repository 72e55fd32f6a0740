"""The plan against the peak that a pretend card saw, at full depth and width."""

from __future__ import annotations

import pytest

from benchmarks.footprints import MOST_ABOVE, MOST_BELOW, compare

# The full matrix is `python dev.py bench footprints`.
CASES = (("qwen3_vl_2b", (512, 512), 4), ("qwen3_vl_8b", (2480, 3508), 1))


@pytest.mark.parametrize(("model", "size", "images"), CASES)
def test_the_plan_of_a_whole_model_is_the_pretend_cards_peak(
    model: str, size: tuple[int, int], images: int
) -> None:
    (seen,) = compare(model, (size,), (images,))
    assert -MOST_BELOW <= seen.off <= MOST_ABOVE
    assert -MOST_BELOW <= seen.beside_off <= MOST_ABOVE, "and of reading alone"
    assert seen.weights == pytest.approx(seen.plan_weights, rel=0.002)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_plan_of_a_whole_quantised_model_is_the_peak_by_the_layout_of_bitsandbytes(
    precision: str,
) -> None:
    (seen,) = compare("qwen3_vl_2b", ((1024, 1024),), (1,), precision=precision)
    assert -MOST_BELOW <= seen.off <= MOST_ABOVE
    assert -MOST_BELOW <= seen.beside_off <= MOST_ABOVE, "and of reading alone"
    assert seen.weights == pytest.approx(seen.plan_weights, rel=0.002)
