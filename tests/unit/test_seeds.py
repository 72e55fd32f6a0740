"""Every figure of the two seeds beside our own: what agrees, what does not, and why."""

from __future__ import annotations

import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from vramwise.advisor.advise import advise, advise_each
from vramwise.advisor.published.checks import JUDGES, contradictions, judge, judgements
from vramwise.advisor.published.guide_checks import (
    AGREES,
    DISAGREES,
    GUIDE_MODELS,
    NOT_PUBLISHED,
    NOT_REPRODUCED,
    OPINION,
    Check,
    need_of,
)
from vramwise.catalog.published import Published, published
from vramwise.catalog.words import LANGUAGES, words
from vramwise.models.request import plan

# seed, cell, published, verdict, why: one line a cell of the seeds, then what they say against themselves
LIST = Path(__file__).resolve().parents[1] / "fixtures" / "seed_cells.csv"
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
HAN = re.compile(r"[\u4e00-\u9fff]")


@cache
def every() -> tuple[Check, ...]:
    return tuple(judgements())


def of(cell: str, seed: str = "guide") -> list[Check]:
    return [one for one in every() if (one.seed, one.cell) == (seed, cell)]


def cells(seed: str, table: str) -> list[Published]:
    return [one for one in published() if (one.seed, one.table) == (seed, table)]


def test_every_cell_of_the_guides_tables_is_kept() -> None:
    tables = Counter(one.table for one in published() if one.seed == "guide")
    cards = 19 * 2 + 5  # memory and models of nineteen cards, and five notes
    expected = {"vram": 7 * 4, "tiers": 6 * 2, "cards": cards, "seconds": 4 * 3, "cer": 4 * 3}
    assert {name: tables[name] for name in expected} == expected
    assert len({one.row for one in cells("guide", "cards")}) == 19


def test_every_cell_says_where_it_was_read_and_can_be_judged() -> None:
    for one in published():
        assert one.source and re.fullmatch(r"20\d\d-\d\d-\d\d", one.date), one
        assert one.value and one.claim in JUDGES, one


def test_each_cell_agrees_or_disagrees_as_listed() -> None:
    with LIST.open(encoding="utf-8", newline="") as file:
        listed = [tuple(row.values()) for row in csv.DictReader(file)]
    found = [(one.seed, one.cell, one.published, one.verdict, one.why) for one in every()]
    assert found == listed
    assert {verdict for _, _, _, verdict, _ in listed} == {
        AGREES,
        DISAGREES,
        NOT_PUBLISHED,
        NOT_REPRODUCED,
        OPINION,
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_cell_has_its_reason_in_one_sentence(lang: str) -> None:
    letters = {"en": re.compile("[a-z]"), "ru": CYRILLIC, "zh": HAN}[lang]
    for one in every():
        reason = one.reason(lang)
        assert letters.search(reason), (one.cell, reason)
        assert "{" not in reason and reason[-1] in ".\u3002", (one.cell, reason)


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_where_a_cell_stands_and_its_reason_are_in_the_words_of_the_language(lang: str) -> None:
    say = words(lang)
    for one in every():
        place = one.row.place(say)
        left = {word for word in re.findall(r"[A-Za-z-]{4,}", place) if word.islower()}
        assert left <= {"flash-attn", "dots"} and "prose" not in place and "{" not in place, place
        told = f"{place} {one.row.printed(say)} {one.reason(lang)}"
        if lang == "ru":
            assert not re.search(r"\d GiB|\bGiB\b", told), told
            assert not re.search(r"\b[\d.]+ (GB|B|min|s)\b", one.row.printed(say)), told
            assert "with InstantX" not in told
    assert of("vram: GOT-OCR 2.0, INT8"), "the names that programs know stay"


@pytest.mark.parametrize("model", GUIDE_MODELS)
def test_the_need_in_a_judgement_is_the_one_that_the_plan_gives(model: str) -> None:
    found = plan(model, vram_gib=1024, image=(1024, 1024))
    for precision in ("fp16", "bf16", "int8", "int4"):
        planned = found.verdict(precision).footprint.need_bytes  # of sides that go up to the family's grid
        assert need_of(model, precision).need_bytes == pytest.approx(planned, rel=0.002)


def test_a_dash_is_not_published_and_the_memory_is_computed_beside_it() -> None:
    dashes = [one for one in published() if one.value == "-"]
    assert len(dashes) == 6
    for cell in dashes:
        said = judge(cell)
        assert said.verdict == NOT_PUBLISHED
        assert (cell.table == "vram") == ("GB" in said.reason())


def test_seconds_and_error_rates_are_published_and_not_reproduced() -> None:
    for cell in (*cells("guide", "seconds"), *cells("guide", "cer")):
        if cell.value != "-":
            said = judge(cell)
            assert said.verdict == NOT_REPRODUCED
            assert said.reason().startswith("Published, not reproduced")


def test_memory_below_the_weights_is_called_so() -> None:
    for name, precision, printed in (("Qwen3-VL 4B", "INT8", 3.8), ("Qwen2-VL 7B", "FP16", 16.1)):
        (said,) = of(f"vram: {name}, {precision}")
        assert said.why == "below_weights"
        model = name.lower().replace("-", "_").replace(" ", "_")
        least = need_of(model, precision.lower(), quantise_vision=True).weights_bytes
        assert printed * 1e9 < least


def test_the_8_gb_tier_and_the_rtx_4060_contradict_each_other() -> None:
    said = next(one for one in of("cards: RTX 4060, best models") if one.why == "card_against_tier")
    assert "Qwen3-VL 2B@FP16" in said.reason()
    assert "Qwen3-VL 4B@INT8" in said.reason()


def test_the_12_gb_tier_and_the_rtx_3060_contradict_each_other() -> None:
    said = next(one for one in of("cards: RTX 3060, best models") if one.why == "card_against_tier")
    assert "Qwen3-VL 4B@INT8" in said.reason()
    assert "Qwen3-VL 8B@INT8" in said.reason()


def test_the_guide_and_the_article_are_set_against_each_other() -> None:
    against = {one.why for one in every() if one.why.startswith("guide_against_article")}
    assert against == {"guide_against_article_card", "guide_against_article_tier"}


def test_the_percentages_of_the_guide_are_checked_against_its_models_and_its_own_table() -> None:
    for precision in ("INT8", "INT4"):
        computed = of(f"prose: {precision}, VRAM saved")[0]
        assert re.fullmatch(r"\d+ to \d+ %", computed.computed)
    assert [one.why for one in of("prose: INT8, VRAM saved")][-1] == "own_table"
    (flash,) = of("prose: Flash Attention 2, memory saved")
    assert flash.verdict == DISAGREES
    assert "sdpa" in flash.reason()


def test_controlnet_on_8_gb_is_disproved_by_a_published_case() -> None:
    (said,) = of("tiers: 8 GB, ControlNet", "article")
    assert said.verdict == DISAGREES
    assert "#4693" in said.reason()


@pytest.mark.parametrize(
    "cell", [one for one in published() if one.claim == "card_memory"], ids=lambda c: c.cell
)
def test_every_card_that_a_seed_names_has_an_answer(cell: Published) -> None:
    for answer in advise_each(gpu=cell.subject, task="OCR"):
        assert answer.best("OCR") is not None, answer.gpu


@pytest.mark.parametrize("size", [4, 6, 8, 12, 16, 24, 32])
def test_every_tier_that_a_seed_names_has_an_answer_for_every_task(size: int) -> None:
    answer = advise(vram_gib=size)
    for task in ("OCR", "image", "image edit", "video"):
        assert answer.best(task) is not None, task


def test_a_card_is_told_only_what_concerns_it() -> None:
    cells = {one.cell for one in contradictions(["GeForce RTX 4060", "8 GB"])}
    assert "cards: RTX 4060, best models" in cells
    assert "tiers: 8 GB, ControlNet" in cells
    assert not [cell for cell in cells if "RTX 3060" in cell or "RTX 4060 Ti" in cell or "12 GB" in cell]


def test_the_json_of_a_contradiction_has_the_five_fields() -> None:
    for one in contradictions(["RTX 3060"]):
        assert set(one.to_dict()) == {"seed", "cell", "published", "computed", "reason"}
        assert all(isinstance(value, str) for value in one.to_dict().values())
