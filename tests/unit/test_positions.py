"""Prompt and answer together stay within the positions that a model has."""

from __future__ import annotations

import pytest
from vramwise.errors import VramwiseError
from vramwise.families.blocks import most_positions
from vramwise.families.published import published_config
from vramwise.ocr.vlm.engine import within_positions
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
