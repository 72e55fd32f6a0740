"""A Russian reads a decimal comma in all that is for people; names, versions and machines keep the point."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout

import pytest
from vramwise.catalog.sentences import translated
from vramwise.catalog.words import in_language, said, words
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.units import figure, gb_text, gib, gib_text, mib_text, seconds_text

# A number with a point in front of a unit, as no Russian writes it.
POINT = re.compile(r"\d\.\d+ ?(?:[\u0413\u041c\u041a]\u0438?\u0411|\u041c\u043f|\u0441\b|%)")
COMMA = re.compile(r"\d,\d+ (?:[\u0413\u041c]\u0438?\u0411)")

FOR_PEOPLE = (
    "advise --gpu RTX_4060",
    "advise --gpu RTX_3090 --all",
    "advise --vram-gib 6.5 --task ocr",
    "check-gpu",
    "plan qwen3_vl_4b --vram-gib 7.5",
    "plan flux1-dev --vram-gib 12",
    "compare RTX_3090 RTX_4060",
)


def answer(command: str) -> str:
    told = io.StringIO()
    with redirect_stdout(told):
        main([word.replace("_", " ") if word.startswith("RTX") else word for word in command.split()])
    return told.getvalue()


@pytest.mark.parametrize("command", FOR_PEOPLE)
def test_what_is_said_in_russian_has_no_point_before_a_unit(command: str) -> None:
    told = answer(f"{command} --lang ru")
    assert COMMA.search(told) or command.startswith("compare")
    assert not POINT.findall(told)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("command", FOR_PEOPLE)
def test_english_and_chinese_keep_the_point(command: str, lang: str) -> None:
    told = answer(f"{command} --lang {lang}")
    assert not re.search(r"\d,\d+ (?:GiB|GB)", told)


def test_what_a_machine_reads_keeps_the_point() -> None:
    assert "\t8.6 int4\t" in answer("models --lang ru")  # a pipe gets tabs
    told = json.loads(answer("plan flux1-dev --vram-gib 11.5 --json --lang ru"))
    assert told["budget_bytes"] > 0


def test_a_sentence_of_the_code_and_one_of_the_reports_take_it_alike_and_a_version_never() -> None:
    for lang, mark in (("ru", ","), ("en", "."), ("zh", ".")):
        assert f"7{mark}23" in in_language(said("plan_fits_spare", size=figure(7.23)), lang)
    newer = "is newer than 5.23, the newest that this version of VRAMwise was tested with."
    in_russian = translated(f"transformers 5.24 {newer}", "ru")
    assert in_russian is not None and "5.24" in in_russian and "5.23" in in_russian
    assert "3.9" in words("ru")["doctor_python_old"].format(version="3.9")


NUMBERS = [
    (gib_text(12_025_908_429), "11,2 \u0413\u0438\u0411", "11.2 GiB"),
    (gb_text(1_200_000_000), "1,2 \u0413\u0411", "1.2 GB"),
    (mib_text(5 << 20), "5 \u041c\u0438\u0411", "5 MiB"),
    (figure(1_234_567.5, ",.1f"), "1\u00a0234\u00a0567,5", "1,234,567.5"),
    (seconds_text(0.084), "0,084", "0.084"),
    (gib(None), "-", "-"),
    ("8.5 GB", "8,5 \u0413\u0411", "8.5 GB"),
    ("fp8 (11.3 GiB)", "fp8 (11,3 \u0413\u0438\u0411)", "fp8 (11.3 GiB)"),
    ("Wan 2.2 A14B", "Wan 2.2 A14B", "Wan 2.2 A14B"),
    ("2.14.1", "2.14.1", "2.14.1"),
]


@pytest.mark.parametrize(("number", "russian", "others"), NUMBERS, ids=str)
def test_a_russian_number_has_a_comma_and_a_name_or_version_keeps_its_point(
    number: str, russian: str, others: str
) -> None:
    assert [in_language(number, lang) for lang in ("en", "ru", "zh")] == [others, russian, others]
    assert json.loads(json.dumps(number)) == number


def test_an_amount_within_a_sentence_has_the_comma_and_a_version_in_it_has_none() -> None:
    error = VramwiseError("ghost sees 12.6 megapixels at most, and not 20.5.")
    assert "12,6" in in_language(error, "ru") and "20,5" in in_language(error, "ru")
    assert "12.6" in in_language(error, "zh")
    newer = VramwiseError(
        "X needs transformers 4.57 or newer; this Python has 4.50. Update with: pip -U x==1.5"
    )
    told = in_language(newer, "ru")
    assert told != str(newer) and all(version in told for version in ("4.57", "4.50", "1.5"))
