"""Eight things people come for, each as the graph that a person would draw: core's nodes and ours, none in
between. Those that paint run in test_workflows.py, where the server has a checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.write_pdf import write_pdf

GRAPHS = Path(__file__).with_name("graphs")
# (nodes today, nodes before 2026-11-28): with what the outputs of that day gave.
COUNTED = {
    "advisor_to_loader": (4, 4),
    "caption_a_folder": (4, 4),  # the wish was typed by hand
    "find_a_word_and_inpaint_it": (10, 10),
    "ocr_and_release_before_a_sampler": (10, 10),
    "ocr_of_a_sampled_batch": (8, 8),
    "pdf_folder_to_markdown": (3, 3),
    "score_a_batch_and_keep_the_best": (9, 9),  # all in order: with none of core's nodes
    "translate_a_poster": (5, 6),  # Crop Regions for one text a region
}

pytestmark = pytest.mark.comfy


def graph_of(name: str) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = json.loads((GRAPHS / f"{name}.json").read_text(encoding="utf-8"))
    return made


def run(client: Any, prompt: dict[str, Any]) -> dict[str, Any]:
    result = client.run(prompt)
    assert result.ok, result.error_text
    return dict(result.outputs)


@pytest.mark.parametrize("name", sorted(path.stem for path in GRAPHS.glob("*.json")))
def test_a_graph_has_no_node_in_between(name: str) -> None:
    now, before = COUNTED[name]
    assert len(graph_of(name)) == now <= before
    kinds = {node["class_type"] for node in graph_of(name).values()}
    assert "VramwiseConvertRegions" not in kinds and any(kind.startswith("Vramwise") for kind in kinds)


def test_the_counts_stand_in_the_guide() -> None:
    guide = (GRAPHS.parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    for name, (now, before) in COUNTED.items():
        assert f"| {name.replace('_', ' ')} | {before} | {now} |" in guide


@pytest.fixture(scope="module")
def poster(draw: Any, put: Any) -> str:
    """A price list: two rows of a name and, far to the right, its price; five regions with the heading. One
    for all tests, so that the server reads it once.
    """
    from PIL import ImageDraw, ImageFont

    page = draw(["Our Coffee", "Coffee black", "Coffee white"], (720, 300))
    pen, font = ImageDraw.Draw(page), ImageFont.truetype("DejaVuSans.ttf", 30)
    for row, price in ((1, "2.50"), (2, "3.00")):
        pen.text((560, 40 + row * 60), price, font=font, fill="black")
    return str(put(page))


@pytest.mark.parametrize("slot", [9, 10], ids=["a list of texts", "numbered lines"])
def test_a_poster_is_translated_region_by_region(client: Any, poster: str, slot: int) -> None:
    prompt = graph_of("translate_a_poster")
    prompt["picture"]["inputs"]["image"] = poster
    prompt["translate"]["inputs"]["string"] = ["read", slot]
    outputs = run(client, prompt)
    (page,) = outputs["read"]["ocr"]
    assert len(page["regions"]) == 5 and len(page["text"].splitlines()) < 5, "prices are joined in the text"
    report = "\n".join(outputs["draw"]["text"])
    assert report.count("Kaffee") == 3 and "2.50" in report, report


def test_a_model_that_joins_and_drops_lines_moves_no_others(client: Any, poster: str) -> None:
    prompt = graph_of("translate_a_poster")
    prompt["picture"]["inputs"]["image"] = poster
    del prompt["translate"]
    prompt["draw"]["inputs"]["texts"] = "Sure:\n<5> drei\n<1> Unser\nKaffee\n"
    report = "\n".join(run(client, prompt)["draw"]["text"])
    assert "drei" in report and "Unser" in report


def test_a_folder_of_pdfs_becomes_markdown_files(client: Any, comfy: Any) -> None:
    folder = comfy.input_dir / "books"
    folder.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (folder / f"{name}.pdf").write_bytes(write_pdf([f"Book {name}"], (300, 150)))
    files = run(client, graph_of("pdf_folder_to_markdown"))["save"]["files"]
    assert [file["filename"] for file in files] == ["a.md", "b.md"]
    texts = [(comfy.base_dir / "output" / "eight_books" / f"{name}.md").read_text("utf-8") for name in "ab"]
    assert [text.split()[1] for text in texts] == ["a", "b"]


def test_what_the_advisor_picks_is_loaded_and_reads(client: Any, sample_text: str) -> None:
    outputs = run(client, graph_of("advisor_to_loader"))
    assert outputs["read"]["text"] == [sample_text]


def test_each_table_is_a_text_that_save_text_writes(client: Any, graph: Any, comfy: Any, put: Any) -> None:
    import openpyxl

    graph.picture("picture", put(table())).read("ocr", "picture").show("shown", "ocr", 8)
    for form in ("csv", "xlsx"):
        links = {"text": ["ocr", 8], "format": form, "filename_prefix": f"eight_tables/{form}"}
        graph.node(form, "VramwiseSaveText", **links)
    outputs = run(client, graph)
    folder = comfy.base_dir / "output" / "eight_tables"
    written = (folder / outputs["csv"]["files"][0]["filename"]).read_text("utf-8-sig").splitlines()
    assert written == outputs["shown"]["text"][0].splitlines() and len(written) >= 4
    sheet = openpyxl.load_workbook(folder / outputs["xlsx"]["files"][0]["filename"]).active
    assert len(list(sheet)) == len(written)


def table() -> Any:
    """A table of drawn words, 4 rows of 3 cells."""
    from PIL import Image, ImageDraw, ImageFont

    page, font = Image.new("RGB", (900, 420), "white"), ImageFont.truetype("DejaVuSans.ttf", 28)
    pen = ImageDraw.Draw(page)
    rows = [("Item", "Count", "Price"), ("Tea", "2", "1.50"), ("Bread", "10", "2.25"), ("Milk", "7", "0.99")]
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            pen.text((60 + column * 280, 50 + row * 85), cell, font=font, fill="black")
            left, top = 40 + column * 280, 30 + row * 85
            pen.rectangle((left, top, left + 280, top + 85), outline="black")
    return page


def test_a_page_without_a_table_has_one_empty_text(client: Any, graph: Any, put: Any, draw: Any) -> None:
    graph.picture("picture", put(draw(["OPEN DAILY"]))).read("ocr", "picture").show("shown", "ocr", 8)
    assert run(client, graph)["shown"]["text"] == [""]
