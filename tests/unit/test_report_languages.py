"""Every verb that reports, in every language: nothing of the English words is left, no key is missing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vramwise import panel_data
from vramwise.catalog import words as words_module
from vramwise.catalog.words import LANGUAGES, as_written, in_language, joined, said, words
from vramwise.cli import main
from vramwise.cli.numbers import decimal
from vramwise.errors import VramwiseError
from vramwise.models.cpu_plan import cpu_plan
from vramwise.models.request import plan
from vramwise.settings import load_settings
from vramwise.weights.background_downloads import Downloads

OTHERS = tuple(lang for lang in LANGUAGES if lang != "en")
FOLDER = Path(words_module.__file__).parent / "report_words"
REPORTS = (
    ("check-gpu",),
    ("doctor",),
    ("compare", "RTX 3090"),
    ("compare", "RTX 3090", "RTX 4060 Ti 16 GB", "RTX 5090"),
    ("gpus", "RTX"),
    ("models",),
    ("plan", "qwen3_vl_8b", "--vram-gib", "8,5"),
    ("plan", "qwen3_vl_8b", "--vram-gib", "4"),
    ("plan", "qwen3_5_9b", "--vram-gib", "1"),
    ("plan", "qwen3_vl_8b", "--gpu", "RTX 2060", "--batch", "4", "--size", "4000x4000"),
    ("plan", "rapid"),
    ("plan", "flux1-dev", "--vram-gib", "12", "--ram-gib", "15,5"),
    ("plan", "wan2.2-14b", "--gpu", "RTX 4090"),
    ("advise", "--vram-gib", "8,5", "--ram-gib", "15,5"),
    ("advise", "--task", "which-gpu", "--with", "flux1-dev"),
)
WRONG = (
    ("compare", "4090", "4080", "3090", "3080", "3070"),
    ("compare", "RTX 3090", "Voodoo 2"),
    ("plan", "qwen3_vl_9b", "--vram-gib", "8"),
    ("plan", "qwen3_vl_8b", "--vram-gib", "8", "--precision", "int44"),
    ("plan", "qwen3_vl_8b", "--vram-gib", "2", "--precision", "bf16"),
    ("plan", "qwen3_vl_8b", "--vram-gib", "eight"),
    ("plan", "qwen3_vl_8b", "--vram-gib", "nan"),
    ("plan", "qwen3_vl_8b", "--frames", "3"),
    ("plan", "flux1-dev", "--vram-gib", "2", "--precision", "bf16"),
    ("plan", "flux1-dev", "--vram-gib", "8", "--ram-gib", "-1"),
    ("plan", "flux1-dev", "--vram-gib", "8", "--size", "big"),
    ("advise", "--task", "vidoe"),
    ("advise", "--vram-gib", "inf"),
    ("check-gpu", "--device", "cuda:99"),
)


# Figures as the other language writes them: with a unit behind them, or alone in a cell of a table.
OTHER_MARK = {
    "ru": re.compile(
        r"(?<![\w.])-?\d+\.\d+ (?:[\u0433\u043c]\u0438?\u0431|\u043c\u043f|\u0441)\b|\| -?\d+\.\d+ (?=\|)"
    ),
    "zh": re.compile(r"\d,\d{1,2} (?:gi?b|mi?b|\u79d2)|\| \d+,\d+ (?=\|)"),
}


def english(lang: str) -> Iterator[str]:
    """The longer pieces between the fields of the English templates, which ``lang`` says otherwise."""
    own = "\n".join(words(lang).values()).casefold()
    for key, template in words("en").items():
        if key.startswith(("advise_cell_", "advise_addon_name_")):
            continue  # names of models and of cells, which stay
        for piece in re.split(r"\{\w*\}", template):
            piece = piece.strip(" .,:;()").casefold()
            if len(piece) >= 9 and " " in piece and piece not in own:
                yield piece


@pytest.mark.parametrize("lang", OTHERS)
def test_every_language_has_every_key(lang: str) -> None:
    first, other = (json.loads((FOLDER / f"{one}.json").read_text(encoding="utf-8")) for one in ("en", lang))
    assert set(first) == set(other)


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("typed", REPORTS, ids=" ".join)
def test_no_english_is_left_in_a_report(
    typed: tuple[str, ...], lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*typed, "--lang", lang]) in (0, 1)
    told = " ".join(capsys.readouterr().out.casefold().split())
    assert told
    assert [piece for piece in english(lang) if f" {piece} " in f" {told} "] == []
    assert OTHER_MARK[lang].findall(told) == []


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("typed", WRONG, ids=" ".join)
def test_no_english_is_left_in_an_error(
    typed: tuple[str, ...], lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*typed, "--lang", lang])
    except SystemExit as ended:
        code = int(ended.code or 0)
    last = capsys.readouterr().err.splitlines()[-1]
    assert code in (1, 2)
    assert last[-1] in ".?\u3002\uff1f"
    quoted = re.sub("`[^`]*`|[\u201c\u00ab][^\u201d\u00bb]*[\u201d\u00bb]", "", last)
    assert not re.search(r"\b(is|an|the|no|use|name|give|with)\b", quoted, re.IGNORECASE), last


@pytest.mark.parametrize("verb", ["plan rapid", "compare 3090 4090", "gpus 5090", "models", "check-gpu"])
def test_a_report_says_which_catalog_it_is_from(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)  # of a table in a pipe every line is a row
    for lang in LANGUAGES:
        assert main([*verb.split(), "--lang", lang]) == 0
        start = words(lang)["edition"].partition("{")[0]
        assert capsys.readouterr().out.rstrip().splitlines()[-1].startswith(start)


@pytest.mark.parametrize(
    ("text", "number"), [("8,5", 8.5), ("8.5", 8.5), (" 15,5", 15.5), ("-8,5", -8.5), ("16", 16)]
)
def test_a_decimal_comma_is_a_decimal_point(text: str, number: float) -> None:
    assert decimal(text) == number


@pytest.mark.parametrize("text", ["1,024.5", "8,5,1", ",", "8,", "x", ""])
def test_other_commas_are_no_numbers(text: str) -> None:
    assert decimal(text) != decimal(text), "nan"


def test_a_comma_plans_for_the_same_card(capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for size in ("8,5", "8.5"):
        assert main(["plan", "qwen3_vl_8b", "--vram-gib", size, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]


def test_a_sentence_knows_its_other_languages() -> None:
    parts = joined([said("plan_as_asked"), "x"])
    assert parts == "as asked and x"
    assert in_language(parts, "en") == parts
    assert "and" not in in_language(parts, "ru")
    error = VramwiseError(said("error_compare_count", count=5))
    assert str(error).startswith("Up to four")
    assert in_language(error, "zh") != str(error)
    assert in_language("plain", "ru") == "plain"


PANELS = ("rapid", "tesseract", "qwen3_vl_2b", "got_ocr")


@pytest.mark.parametrize("lang", OTHERS)
def test_the_reasons_that_panels_show_are_in_the_readers_language(lang: str) -> None:
    plans = [panel_data.plan_answer(panel_data.loader_request(name), Downloads(), lang) for name in PANELS]
    (advice,) = panel_data.advice_answer("RTX 5070", "OCR", [], None, lang)
    reasons = [
        row["reason"] for row in (*advice["models"], *(one for plan in plans for one in plan["verdicts"]))
    ]
    letters = re.compile("[\u0400-\u04ff]{3}" if lang == "ru" else "[\u4e00-\u9fff]")
    assert len(reasons) > 30 and [reason for reason in reasons if not letters.search(reason)] == []
    names = [row["name"] for row in advice["models"]]
    assert any("PP-OCRv6 small" in name for name in names) and not any("built in" in name for name in names)


LETTERS = {"ru": re.compile("[\u0400-\u04ff]{3}"), "zh": re.compile("[\u4e00-\u9fff]{2}")}


@pytest.mark.parametrize("lang", OTHERS)
def test_what_an_engine_of_the_processor_does_is_in_the_readers_language(lang: str) -> None:
    lines = [
        in_language(line, lang)
        for model in ("rapid", "tesseract")
        for line in cpu_plan(model, ("precision int4",), load_settings())
    ]
    assert len(lines) > 4 and [line for line in lines if not LETTERS[lang].search(line)] == []
    assert [line for line in lines if re.search(r"\b(and|Russian|sizes|any|read|weights)\b", line)] == []
    (answer,) = (panel_data.plan_answer(panel_data.loader_request("rapid"), Downloads(), lang),)
    assert answer["notes"] and all(LETTERS[lang].search(note) for note in answer["notes"])
    answered = plan("rapid").text(lang)
    assert "wheel, sizes" not in answered and "rapidocr 3." in answered


def test_what_a_picture_says_is_never_translated() -> None:
    lists = said("drawn_no_room", text=as_written("usage:"))
    assert "\u00abusage:\u00bb" in in_language(lists, "ru") and '"usage:"' in lists
    assert in_language("usage:", "ru") != "usage:"
