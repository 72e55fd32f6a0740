"""Prompt and answer together stay within the positions that a model has."""

from __future__ import annotations

import pytest
from vramwise.errors import VramwiseError
from vramwise.families.blocks import most_positions
from vramwise.families.family import Family, families, recipes
from vramwise.families.pictures import picture_size
from vramwise.families.published import published_config
from vramwise.ocr.vlm.limits import within_positions
from vramwise.planning.activations import Workload
from vramwise.planning.footprint import footprint

GRANITE = published_config("ibm-granite/granite-docling-258M") or {}


def test_the_answer_takes_what_the_prompt_left() -> None:
    assert within_positions("granite-docling", most_positions(GRANITE), 1192, 7000) == (7000, ())
    left, (note,) = within_positions("granite-docling", most_positions(GRANITE), 1200, 8192)
    assert left == 6992 and "8192" in note and "1200" in note


def test_a_config_without_a_limit_sets_none() -> None:
    assert within_positions("any", most_positions({"text_config": {}}), 90_000, 8192) == (8192, ())


def test_a_prompt_that_leaves_no_room_is_a_sentence() -> None:
    with pytest.raises(VramwiseError, match="fewer megapixels"):
        within_positions("granite-docling", most_positions(GRANITE), 8192, 1)


def test_the_plan_counts_no_token_beyond_the_last_position() -> None:
    def kv(new_tokens: int) -> int:
        made = footprint(GRANITE, None, "bf16", workload=Workload(1_000_000, new_tokens=new_tokens))
        return sum(term.bytes for term in made.terms if term.name == "kv")

    assert 0 < kv(8192) == kv(80_000)
    assert kv(100) < kv(8192)


@pytest.mark.parametrize("its", [*families(), *recipes()], ids=lambda its: its.id)
def test_every_recipe_stays_within_its_positions_in_plan_and_reading(its: Family) -> None:
    """Of whichever says less, config.json or the recipe; a plan counts no token behind it."""
    config = next((row.config for row in its.published), None)
    if config is None or not its.weights:
        assert not its.positions  # nothing is planned of it without its files
        return
    said = {**config, "text_config": {**config.get("text_config", {}), "max_position_embeddings": 20_000}}
    most = min(20_000, its.positions or 20_000)
    assert most_positions(said, its.positions) == most
    assert most_positions({**config, "text_config": {}}, its.positions) == (its.positions or None)

    def tokens(new_tokens: int) -> int:
        work = Workload(its.default_pixels, new_tokens=new_tokens, positions=its.positions)
        (kv,) = (term for term in footprint(said, None, "bf16", workload=work).terms if term.name == "kv")
        return kv.bytes

    prompt = picture_size(said, its.default_pixels).tokens + 128
    assert tokens(most - prompt) == tokens(10 * most)
    assert tokens(most - prompt - 64) < tokens(most - prompt)
