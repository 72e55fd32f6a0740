"""Choosing a card: ratings, bandwidth against tensor cores, and the article's own pairs."""

from __future__ import annotations

import pytest
from vramwise.advisor.gpu_ranking import (
    RATING_RULES,
    RATINGS,
    balance,
    compare,
    desktop,
    offered_cards,
    order,
    rating,
    rating_of_memory,
)
from vramwise.catalog.gpus import find_gpus, gpus
from vramwise.errors import UnknownName, VramwiseError


def card(name: str):
    (found,) = find_gpus(name)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RTX 3070", "insufficient"),
        ("RTX 5060", "insufficient"),
        ("RTX 5060 Ti 8 GB", "insufficient"),
        ("RTX 3060 12 GB", "tolerable"),
        ("RTX 4070 Ti", "tolerable"),
        ("RTX 5060 Ti 16 GB", "optimal"),
        ("RTX 4080", "optimal"),
        ("RTX 4090", "optimal"),
        ("RTX 3090", "special case"),
        ("RTX 3090 Ti", "special case"),
        ("RTX 5090", "top pick"),
    ],
)
def test_the_ratings_of_the_article_follow_from_the_stated_rules(name: str, expected: str) -> None:
    assert rating(card(name)) == expected


def test_every_card_has_a_rating_whose_rule_is_stated() -> None:
    assert set(RATING_RULES) == set(RATINGS)
    assert {rating(gpu) for gpu in gpus()} == set(RATINGS)


def test_more_memory_never_gives_a_worse_rating() -> None:
    places = [RATINGS.index(rating_of_memory(size)) for size in range(1, 97)]
    assert places == sorted(places)


def test_a_driver_that_reports_a_little_less_than_the_box_changes_no_rating() -> None:
    assert [rating_of_memory(size) for size in (11.6, 15.47)] == ["tolerable", "optimal"]


def remark(first: str, second: str, key: str):
    return next((row for row in compare([first, second]).remarks if row.key == key), None)


def test_a_5060_ti_has_half_as_much_bandwidth_again_as_a_4060_ti_whose_cores_starve() -> None:
    found = remark("RTX 4060 Ti 16 GB", "RTX 5060 Ti 16 GB", "bandwidth_gb_s")
    assert found.more == "GeForce RTX 5060 Ti 16 GB"
    assert found.percent == pytest.approx(55.6, abs=0.1)
    assert balance(card("RTX 4060 Ti 16 GB")).verdict == "starves"
    assert balance(card("RTX 5060 Ti 16 GB")).verdict == "balanced"
    assert order(card("RTX 5060 Ti 16 GB")) < order(card("RTX 4060 Ti 16 GB"))


def test_a_5070_super_trades_a_third_of_bandwidth_for_two_gigabytes() -> None:
    memory = remark("RTX 5070 SUPER", "RTX 5070 Ti", "vram_gib")
    speed = remark("RTX 5070 SUPER", "RTX 5070 Ti", "bandwidth_gb_s")
    assert (memory.more, memory.amount) == ("GeForce RTX 5070 SUPER", 2)
    assert (speed.more, round(speed.percent)) == ("GeForce RTX 5070 Ti", 33)


def test_a_5080_gains_few_tensor_cores_over_a_4080_and_a_third_of_bandwidth() -> None:
    cores = remark("RTX 5080", "RTX 4080", "tensor_cores")
    speed = remark("RTX 5080", "RTX 4080", "bandwidth_gb_s")
    assert cores.more == speed.more == "GeForce RTX 5080"
    assert cores.percent < 12 < 30 < speed.percent


def test_a_3090_moves_more_bytes_for_each_operation_than_a_4090() -> None:
    found = remark("RTX 3090", "RTX 4090", "bytes_per_kflop")
    assert found.more == "GeForce RTX 3090"
    assert found.percent > 100


def test_no_released_desktop_card_is_ranked_above_the_top_pick() -> None:
    assert offered_cards()[0].name == "GeForce RTX 5090"
    assert rating(offered_cards()[0]) == "top pick"


def test_rumoured_cards_are_left_out_until_asked_for() -> None:
    assert {gpu.status for gpu in offered_cards()} == {"released"}
    added = set(offered_cards(rumoured=True)) - set(offered_cards())
    assert {gpu.status for gpu in added} == {"rumoured"}
    assert added == {gpu for gpu in gpus() if gpu.status == "rumoured" and desktop(gpu) and gpu.vram_gib}
    assert {gpu.name for gpu in added} >= {
        "GeForce RTX 5070 SUPER",
        "GeForce RTX 5070 Ti SUPER",
        "GeForce RTX 5080 SUPER",
    }


def test_cards_are_ranked_by_memory_then_bandwidth_then_tensor_cores() -> None:
    ranked = [(gpu.vram_gib, gpu.bandwidth_gb_s, gpu.tensor_cores or 0) for gpu in offered_cards()]
    assert ranked == sorted(ranked, reverse=True)


def test_a_name_with_two_memory_sizes_stands_for_both() -> None:
    found = compare(["RTX 4060 Ti", "RTX 3060 12 GB"])
    assert [gpu.vram_gib for gpu in found.cards] == [16, 8, 12]
    assert {len(values) for _, values in found.rows} == {3}


@pytest.mark.parametrize("count", [0, 5])
def test_up_to_four_cards_stand_side_by_side(count: int) -> None:
    with pytest.raises(VramwiseError, match="to four cards"):
        compare(["RTX 4090"] * count)


def test_one_card_is_shown_with_nothing_said_against_it() -> None:
    found = compare(["RTX 4090"])
    assert len(found.cards) == 1 and dict(found.rows)["vram_gib"] == (24,) and found.remarks == ()


def test_an_unknown_card_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="GeForce RTX 4090"):
        compare(["RTX 4090", "RTX 409O"])


def test_a_card_without_tensor_cores_has_no_balance() -> None:
    assert balance(card("GTX 1080")).verdict == "unknown"
    assert "fp16_tensor_tflops" not in {row.key for row in compare(["GTX 1080", "RTX 3070"]).remarks}
