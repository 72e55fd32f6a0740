"""What reaches a reader beside errors and reports (notes, sources, licences, plans, warnings) is in their
language: each kind is looked at whole."""

from __future__ import annotations

import ast
import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import vramwise
from vramwise import panel_data
from vramwise.catalog import ocr_models
from vramwise.catalog.gpus import find_gpus
from vramwise.catalog.words import LANGUAGES, in_language
from vramwise.errors import VramwiseError
from vramwise.hardware.budget import budget_of_gpu
from vramwise.models.handle import ocr_handle
from vramwise.models.hybrid import with_hybrid
from vramwise.models.request import plan
from vramwise.ocr.remote import open_remote
from vramwise.weights.background_downloads import Downloads

CORE = Path(vramwise.__file__).resolve().parent
TABLES = CORE / "catalog" / "tables"
OTHERS = tuple(lang for lang in LANGUAGES if lang != "en")
PROSE = re.compile(r"(?:\b[a-z]{2,}[,:;]? ){3}[a-z]{2,}")
QUOTED = re.compile('`[^`]*`|\u00ab[^\u00bb]*\u00bb|\u201c[^\u201d]*\u201d|"[^"]*"|[/~]\\S+')
# Names that read like English: of codes, of files, of models.
NAMES = re.compile(r"(?:[a-z]{3}, )+[a-z]{3}|MiniMax \w+ Community|transformers [\d.]+ and")
CARDS = ("RTX 5070", "GTX 1060 6 GB", "RX 7900 XTX", "M4 Max 48 GB", "RTX 2060 6 GB")


def english(texts: Iterable[str]) -> list[str]:
    """Those in which four English words stand in a row."""
    return [text for text in texts if PROSE.search(NAMES.sub("", QUOTED.sub("", text)))]


def column(name: str, key: str) -> Iterator[str]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        yield from dict.fromkeys(row[key] for row in csv.DictReader(file) if row[key])


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("card", CARDS)
def test_rows_of_the_advisors_panel(card: str, lang: str) -> None:
    rows = [row for one in panel_data.advice_answer(card, "all", (), None, lang) for row in one["models"]]
    said = {text for row in rows for text in (row["licence"], row["reason"], row["name"], *row["notes"])}
    assert len(said) > 100 and english(said) == []


@pytest.mark.parametrize("lang", OTHERS)
def test_licences_and_notes_of_the_tables(lang: str) -> None:
    estimated = (text for text in column("diffusion/diffusion.csv", "factor_source") if "estimated" in text)
    said = [
        *column("licences.csv", "licence"),
        *column("diffusion/diffusion_weights.csv", "note"),
        *estimated,
        *(f"a.safetensors {what}" for what in column("diffusion/file_names.csv", "what")),
    ]
    assert english(in_language(text, lang) for text in said) == []


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("card", CARDS)
def test_plans_of_every_model_with_their_sources(card: str, lang: str) -> None:
    budget, told = budget_of_gpu(find_gpus(card)[0], "linux"), []
    for model, fast in itertools.product(ocr_models(), (False, True)):
        try:
            made = plan(model.id, budget=budget, fast_decode=fast)
        except VramwiseError as error:
            told.append(in_language(error, lang))
            continue
        prints = [verdict.footprint for verdict in made.verdicts if verdict.footprint]
        told += [in_language(term.source, lang) for footprint in prints for term in footprint.terms]
        told += [in_language(text, lang) for text in (*made.notes, *(one.reason for one in made.verdicts))]
        told += [line.split("  ")[-1] for line in made.text(lang).splitlines()]
    assert len(told) > 500 and english(told) == []


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("unit", ["lines", "paragraphs", "layout"])
@pytest.mark.parametrize("reader", [ocr_handle("qwen3_vl_2b"), open_remote("localhost:9")], ids=str)
def test_plans_of_hybrid_readers(reader: Any, unit: str, lang: str) -> None:
    said = with_hybrid(reader, unit).plan(lang).splitlines()
    assert len(said) > 1 and english(said) == []
    assert with_hybrid(reader, unit).plan() != "\n".join(said)


@pytest.mark.parametrize("lang", OTHERS)
def test_where_a_panel_says_that_files_are_missing(lang: str) -> None:
    for model in (row.id for row in ocr_models() if row.repo):
        answer = panel_data.plan_answer(panel_data.loader_request(model), Downloads(), lang)
        assert english([(answer["missing"] or {"searched": ""})["searched"], *answer["notes"]]) == []


def warnings_of(path: Path) -> Iterator[str]:
    """The sentences that ``path`` warns with, fields filled in; not those that are another sentence alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "warning" and node.args):
            continue
        said = node.args[0]
        if isinstance(said, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X9" for part in said.values)
        elif isinstance(said, ast.Constant) and said.value != "%s":
            yield re.sub(r"%[sdr]", "X9", str(said.value))


@pytest.mark.parametrize("lang", OTHERS)
def test_warnings_that_the_command_line_prints(lang: str) -> None:
    said = [text for path in CORE.rglob("*.py") for text in warnings_of(path)]
    assert len(said) > 10
    assert [text for text in said if in_language(text, lang) == text] == []
