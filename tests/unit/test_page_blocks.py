"""Blocks of a page: which stay, how they are cut, and what the page says of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from vramwise.catalog.layout import block_label, layout_models
from vramwise.cli.fetching import _downloadable
from vramwise.errors import VramwiseError
from vramwise.families.family import family
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.hybrid.block_page import page_of_blocks
from vramwise.ocr.hybrid.blocks import Block, cut_out, kept
from vramwise.ocr.results.result import OCRResult
from vramwise.ocr.vlm.prompts import task_prompt

PAGE = np.full((400, 300, 3), 255, np.uint8)
SKEWED = ((100.0, 0.0), (200.0, 100.0), (100.0, 200.0), (0.0, 100.0))


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        ([("text", (10, 10, 90, 90)), ("text", (12, 12, 80, 80))], ["text"]),
        ([("inline_formula", (12, 12, 40, 30)), ("text", (10, 10, 90, 90))], ["text"]),
        ([("image", (0, 0, 200, 200)), ("text", (20, 20, 90, 60))], ["image", "text"]),
        ([("image", (0, 0, 200, 200)), ("image", (20, 20, 90, 60))], ["image"]),
        ([("text", (10, 10, 90, 50)), ("text", (10, 45, 90, 90))], ["text", "text"]),
        ([("reference", (0, 0, 90, 90)), ("reference_content", (0, 0, 90, 40))], ["reference_content"]),
        ([("reference", (0, 0, 90, 90))], ["reference"]),
        ([("text", (10, 10, 12, 90)), ("text", (400, 10, 500, 90))], []),
        ([("text", (math.nan, 10, 50, 90)), ("text", (0, 0, math.inf, 50))], []),
        ([("text", (-20, -30, 90, 900))], ["text"]),
        ([(f"made_up_{n}", (0, n, 300, n + 1)) for n in range(900)], []),
    ],
)
def test_of_blocks_within_one_another_one_stays(
    found: list[tuple[str, tuple[float, float, float, float]]], labels: list[str]
) -> None:
    stay = kept([Block(label, box) for label, box in found], 300, 400)
    assert [block.label for block in stay] == labels
    assert all(0 <= b.box[0] < b.box[2] <= 300 and 0 <= b.box[1] < b.box[3] <= 400 for b in stay)


def test_beside_a_block_that_stands_askew_there_is_paper() -> None:
    page = np.zeros((250, 250, 3), np.uint8)
    page[:4] = page[-4:] = 200
    page[:, :4] = page[:, -4:] = 200
    cut = cut_out(page, Block("text", (0, 0, 200, 200), outline=SKEWED))
    assert cut.shape == (200, 200, 3)
    assert (cut[5, 195] == 200).all() and (cut[100, 100] == 0).all()
    level = Block("text", (0, 0, 200, 200), outline=((0, 0), (200, 0), (200, 200), (0, 200)))
    assert (cut_out(page, level)[100, 195] == 0).all()


def read(text: str, markdown: str = "") -> OCRResult:
    return OCRResult(text, markdown or text, (), 10, 10, "stop", "reader", "bf16", 0.5, tokens=3)


BLOCKS = [
    Block("header", (0, 0, 300, 20)),
    Block("doc_title", (0, 30, 300, 60)),
    Block("paragraph_title", (0, 70, 300, 90)),
    Block("text", (0, 100, 300, 150)),
    Block("table", (0, 160, 300, 200)),
    Block("display_formula", (0, 210, 300, 240)),
    Block("image", (0, 250, 300, 300)),
    Block("somebodys_label", (0, 310, 300, 350)),
]
TABLE = "<table><tr><td>1</td><td>2</td></tr></table>"
ANSWERS = {
    0: read("Running head"),
    1: read("A\ntitle"),
    2: read("1 Ways"),
    3: read("Two\nlines"),
    4: read(TABLE),
    5: read("x^2", "$$\nx^2\n$$"),
    7: read("kept"),
}


def test_markdown_has_headings_tables_and_formulas_and_no_margins() -> None:
    page = page_of_blocks(PAGE, BLOCKS, ANSWERS, ReadOptions(), "net", "reader", 1.0)
    assert page.markdown == f"# A title\n\n## 1 Ways\n\nTwo\nlines\n\n{TABLE}\n\n$$\nx^2\n$$\n\nkept"
    assert page.text == f"Running head\nA\ntitle\n1 Ways\nTwo\nlines\n{TABLE}\nx^2\nkept"
    assert [region.category for region in page.regions] == [block.label for block in BLOCKS]
    assert [[cell.text for cell in row] for row in page.tables[0].rows] == [["1", "2"]]
    assert (page.tokens, page.finish_reason, page.model) == (21, "stop", "layout net + reader")


def test_a_block_that_could_not_be_asked_costs_no_other() -> None:
    broken = {**ANSWERS, 3: VramwiseError("The server said no.")}
    page = page_of_blocks(PAGE, BLOCKS, broken, ReadOptions(), "net", "reader", 1.0)
    assert "kept" in page.text and "1 of 7 blocks of the page could not be asked" in page.notes[0]
    with pytest.raises(VramwiseError, match="said no"):
        page_of_blocks(PAGE, BLOCKS, {3: broken[3]}, ReadOptions(), "net", "reader", 1.0)


def test_a_cut_answer_is_said_of_the_page() -> None:
    cut = {**ANSWERS, 3: replace(ANSWERS[3], finish_reason="length")}
    page = page_of_blocks(PAGE, BLOCKS, cut, ReadOptions(), "net", "reader", 1.0)
    assert page.finish_reason == "length" and "1 of 7 blocks" in page.notes[0]


@pytest.mark.parametrize(
    ("name", "block", "prompt"),
    [
        ("paddleocr_vl", "text", "OCR:"),
        ("paddleocr_vl", "table", "Table Recognition:"),
        ("paddleocr_vl", "formula", "Formula Recognition:"),
        ("paddleocr_vl", "chart", "Chart Recognition:"),
        ("glm_ocr", "text", "Text Recognition:"),
        ("glm_ocr", "table", "Table Recognition:"),
        ("glm_ocr", "chart", "Text Recognition:"),
        ("lighton_ocr", "table", ""),
    ],
)
def test_a_block_is_asked_by_the_familys_prompt_for_it(name: str, block: str, prompt: str) -> None:
    assert task_prompt(family(name), ReadOptions(block=block))[1] == prompt


def test_every_published_label_has_a_row_and_the_net_can_be_fetched() -> None:
    from devtools.tiny_models.layout import LABELS

    assert all(block_label(label).source for label in LABELS)
    row = layout_models()[0]
    assert _downloadable(row.name) == _downloadable(row.id) == row.id
    assert len(row.revision) == 40 and row.source
