"""How a plan cuts pictures of any shape, against the processors that will cut them."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vramwise.families.pictures import closest_grid, picture_size
from vramwise.families.published import published_config

SIDES = st.integers(8, 6000)


@functools.cache
def processor(name: str, **options: Any) -> Any:
    """transformers' own; None where it has none of that name."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torchvision")
    found = getattr(transformers, f"{name}ImageProcessor", None)
    return None if found is None else found(**options)


def size(repo: str, width: int, height: int) -> tuple[int, int]:
    """(tiles, tokens) of a picture as a plan has them."""
    found = picture_size(published_config(repo) or {}, width * height, (width, height))
    return found.tiles, found.tokens


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES)
def test_deepseek_and_got_are_planned_with_the_tiles_that_their_processors_cut(
    width: int, height: int
) -> None:
    got, deepseek = processor("GotOcr2"), processor("DeepseekOcr2")
    most = min(12, math.ceil(width * height / 1024**2))
    cut = {
        "patch_size": {"height": 1024, "width": 1024},
        "crop_to_patches": most > 2,
        "min_patches": 1,
        "max_patches": most,
    }  # as the adapter asks
    expected = got.get_number_of_image_patches(height, width, cut)
    assert size("stepfun-ai/GOT-OCR-2.0-hf", width, height) == (expected, 256 * expected)
    if deepseek is None:
        return  # of transformers 4
    views = deepseek.get_number_of_image_patches(height, width, {})
    planned = size("deepseek-community/DeepSeek-OCR-2", width, height)
    assert planned == (views, 256 + (views - 1) * 144 + 1)


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES)
def test_granite_docling_is_planned_with_its_rows_of_tiles(width: int, height: int) -> None:
    asked = {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}
    views = processor("Idefics3").get_number_of_image_patches(height, width, asked)[0]
    tokens = size("ibm-granite/granite-docling-258M", width, height)[1]
    assert tokens in (64 * views, 64 * (views - 4)), "a row more or less where a side ends within a pixel"
    near = (2048 * min(width, height) / max(width, height)) % 512
    assert tokens == 64 * views or near < 2 or near > 510


@pytest.mark.parametrize(
    ("sides", "grid"),
    [
        ((512, 512), None),
        ((1024, 1024), (2, 2)),
        ((1240, 1754), (2, 3)),
        ((3000, 1000), (3, 1)),
        ((100, 900), (1, 6)),
    ],
    ids=str,
)
def test_a_deepseek_plan_knows_the_shape(sides: tuple[int, int], grid: tuple[int, int] | None) -> None:
    tiles, _ = size("deepseek-community/DeepSeek-OCR-2", *sides)
    assert tiles == 1 + (grid[0] * grid[1] if grid else 0)
    assert grid is None or closest_grid(*sides, 768, 2, 6) == grid
