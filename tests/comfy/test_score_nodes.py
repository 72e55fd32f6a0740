"""Load Pages, OCR Score and Save Text on a real server, alone and one behind the other."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from tests.fixtures.write_pdf import write_pdf

pytestmark = pytest.mark.comfy

WORDS = ("Grand Opening", "Grand Opning", "Grand Openinq")


@pytest.fixture(scope="module")
def scans(comfy):
    """A folder of the input folder: a PDF of three pages, a picture, and a PDF cut short."""
    folder = comfy.input_dir / "scans"
    folder.mkdir(exist_ok=True)
    (folder / "2.pdf").write_bytes(write_pdf(["First", "Second", "Third"], (300, 150)))
    (folder / "10.pdf").write_bytes(write_pdf(["Lost"])[:-30])
    (folder / "1.png").write_bytes((comfy.input_dir / "vramwise_sample.png").read_bytes())
    return "scans"


@pytest.fixture(scope="module")
def posters(draw, put):
    """Three pictures of the same size, of which the first is spelt right."""
    return [put(draw([text], (480, 120), 40)) for text in WORDS]


def batch(graph, posters):
    """The posters as one IMAGE batch."""
    for at, name in enumerate(posters):
        graph.picture(f"p{at}", name)
    graph.node("b1", "ImageBatch", image1=["p1", 0], image2=["p0", 0])
    return graph.node("batch", "ImageBatch", image1=["b1", 0], image2=["p2", 0])


def score(graph, **inputs):
    return graph.node("score", "VramwiseOCRScore", **{"expected": WORDS[0], **inputs})


# --- Load Pages -------------------------------------------------------------------------------------------


def test_a_folder_gives_its_pages_in_order_and_names_what_is_broken(client, graph, scans):
    graph.node("pages", "VramwiseLoadPages", file=scans).read("ocr", "pages")
    graph.show("names", "pages", 1).show("count", "pages", 2).show("report", "pages", 3)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["names"]["text"] == ["1", "2_p001", "2_p002", "2_p003"]
    assert result.outputs["ocr"]["text"][1:] == ["First", "Second", "Third"]
    assert "10.pdf is cut short" in result.outputs["report"]["text"][0]
    assert result.outputs["count"]["text"] == ["4"]


def test_a_range_and_stop_are_heeded(client, graph, new_graph, scans):
    wanted = {"file": scans, "pages": "3,2", "on_broken": "stop"}
    graph.node("pages", "VramwiseLoadPages", **wanted).show("names", "pages", 1)
    assert client.run(graph).outputs["names"]["text"] == ["2_p002", "2_p001"]
    all_pages = new_graph().node("pages", "VramwiseLoadPages", file=scans, on_broken="stop")
    result = client.run(all_pages.show("names", "pages", 1))
    assert result.status == "error" and "10.pdf is cut short" in result.error_text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pages": "3-1"}, "runs backwards"),
        ({"on_broken": "cry"}, 'on_broken "cry" is unknown'),
        ({"dpi": 5}, "dpi"),
        ({"file": ""}, "The file is empty"),
    ],
)
def test_a_bad_value_is_refused_before_the_prompt_starts(client, graph, scans, given, said):
    graph.node("pages", "VramwiseLoadPages", **{"file": scans, **given}).show("names", "pages", 1)
    result = client.run(graph)
    assert result.status == "refused" and said in result.error_text


def test_pages_are_cached_until_a_file_changes(client, graph, comfy):
    path = comfy.input_dir / "changing.pdf"
    path.write_bytes(write_pdf(["One"], (300, 150)))
    graph.node("pages", "VramwiseLoadPages", file="changing.pdf").show("names", "pages", 1)
    assert client.run(graph).outputs["names"]["text"] == ["changing"]
    assert "pages" in client.run(graph).cached
    path.write_bytes(write_pdf(["One", "Two"], (300, 150)))
    assert client.run(graph).outputs["names"]["text"] == ["changing_p001", "changing_p002"]


@pytest.mark.slow
def test_a_thousand_pages_pass_through_a_graph_in_bounded_memory(client, graph, new_graph, comfy):
    import psutil

    pages = write_pdf([f"Page {number}" for number in range(1, 1001)])
    (comfy.input_dir / "long.pdf").write_bytes(pages)
    small = {"upscale_method": "nearest-exact", "width": 8, "height": 8, "crop": "disabled"}
    warm = new_graph().node("pages", "VramwiseLoadPages", file="long.pdf", pages="1-20", dpi=72)
    warm.node("small", "ImageScale", image=["pages", 0], **small).node(
        "show", "PreviewAny", source=["small", 0]
    )
    assert client.run(warm).ok
    server = psutil.Process(comfy.pid)
    start, peak = server.memory_info().rss, 0
    graph.node("pages", "VramwiseLoadPages", file="long.pdf", dpi=72).show("count", "pages", 2)
    graph.node("small", "ImageScale", image=["pages", 0], **small)
    graph.node("size", "GetImageSize", image=["small", 0]).show("width", "size", 0)
    queued = client.post_prompt(graph).json["prompt_id"]
    while (entry := client.history(queued)) is None:
        peak = max(peak, server.memory_info().rss)
        time.sleep(0.1)
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert entry["outputs"]["count"]["text"] == ["1000"]
    assert entry["outputs"]["width"]["text"] == ["8"] * 1000
    print(f"peak over start: {(peak - start) / 1024**2:.0f} MiB")
    assert peak - start < 600 * 1024**2


# --- OCR Score --------------------------------------------------------------------------------------------


def test_the_image_that_is_spelt_right_is_chosen_and_passes(client, graph, posters, fetch):
    batch(graph, posters)
    score(graph, image=["batch", 0]).node("best", "PreviewImage", images=["score", 0])
    result = client.run(graph.show("index", "score", 1).show("passed", "score", 2).show("cer", "score", 3))
    assert result.ok, result.error_text
    assert result.outputs["index"]["text"] == ["1"] and result.outputs["passed"]["text"] == ["True"]
    assert [float(text) == 0 for text in result.outputs["cer"]["text"]] == [False, True, False]
    (record,) = result.outputs["score"]["score"]
    assert record["best_index"] == 1 and record["passed"] is True and record["version"] == 1
    assert [image["exact"] for image in record["images"]] == [False, True, False]
    assert len(result.outputs["score"]["text"]) == 1
    wrong, right, _ = record["images"]
    assert right["pieces"] == [["same", WORDS[0]]] and ["missing", "e"] in wrong["pieces"]
    assert fetch(result.outputs["best"]["images"][0]).size == (480, 120)


def test_all_images_come_in_order_and_the_best_score_is_a_number(client, graph, posters, fetch):
    batch(graph, posters)
    score(graph, image=["batch", 0]).node("all", "PreviewImage", images=["score", 11])
    graph.node("best", "PreviewImage", images=["score", 0])
    result = client.run(graph.show("rate", "score", 10).show("cer", "score", 3))
    assert result.ok, result.error_text
    assert result.outputs["rate"]["text"] == ["0.0"]
    best, *others = (fetch(entry).tobytes() for entry in result.outputs["all"]["images"])
    (alone,) = (fetch(entry).tobytes() for entry in result.outputs["best"]["images"])
    assert best == alone and len(others) == 2 and best not in others


def test_the_mask_covers_the_misspelt_word_and_not_the_other(client, graph, posters, fetch):
    graph.picture("p", posters[1])
    score(graph, image=["p", 0]).node("mask", "MaskPreview", mask=["score", 7])
    result = client.run(graph)
    assert result.ok, result.error_text
    mask = fetch(result.outputs["mask"]["images"][0]).convert("L")
    assert mask.size == (480, 120)
    assert mask.getpixel((230, 65)) == 255 and mask.getpixel((80, 65)) == 0


def test_regions_that_are_read_already_are_not_read_again(client, graph, posters):
    batch(graph, posters).read("ocr", "batch")
    score(graph, image=["batch", 0], regions=["ocr", 3]).show("index", "score", 1)
    assert client.run(graph).outputs["index"]["text"] == ["1"]


def test_images_of_different_sizes_are_compared_and_the_best_mask_has_the_size_of_its_image(
    client, graph, scans, fetch
):
    graph.node("pages", "VramwiseLoadPages", file=scans, pages="1-2")
    score(graph, image=["pages", 0], expected="Frist").show("index", "score", 1)
    for name, slot in (("all", 7), ("best", 8)):
        graph.node(name, "MaskPreview", mask=["score", slot])
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["index"]["text"] == ["1"]
    masks = {name: [fetch(image) for image in result.outputs[name]["images"]] for name in ("all", "best")}
    assert [mask.size for mask in masks["all"]] == [(960, 640)] * 2
    assert [mask.size for mask in masks["best"]] == [(625, 313)]
    assert masks["best"][0].convert("L").getextrema() == (0, 255)


def test_what_a_prompt_quotes_is_expected(client, graph, posters):
    graph.picture("p", posters[0])
    score(graph, image=["p", 0], expected='a sign "Grand Opening"', expected_from="quoted parts")
    result = client.run(graph.show("passed", "score", 2))
    assert result.ok, result.error_text
    assert result.outputs["passed"]["text"] == ["True"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"expected_from": "quoted parts"}, "nothing in quotation marks"),
        ({"expected": "a\nb", "expected_for": "one line each"}, "1 images and 2 expected texts"),
        ({"metric": "bleu"}, 'metric "bleu" is unknown'),
        ({"case": "loud"}, 'case "loud" is unknown'),
        ({"threshold": -1}, "threshold"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(client, graph, posters, given, said):
    graph.picture("p", posters[0])
    result = client.run(score(graph, image=["p", 0], **given))
    assert result.status in ("refused", "error") and said in result.error_text, result.error_text


# from here on the same pages are read: the server reads them once


def test_a_list_of_images_and_texts_is_one_comparison(client, graph, scans):
    graph.node("pages", "VramwiseLoadPages", file=scans, pages="2-4").read("ocr", "pages")
    expected = "Frist\nSecond\nThird"
    score(graph, image=["pages", 0], texts=["ocr", 1], expected=expected, expected_for="one line each")
    result = client.run(graph.show("index", "score", 1).show("exact", "score", 5))
    assert result.ok, result.error_text
    assert result.outputs["exact"]["text"] == ["False", "True", "True"]
    assert result.outputs["index"]["text"] == ["1"]


# --- Save Text --------------------------------------------------------------------------------------------


def test_texts_are_numbered_as_comfyui_numbers_images(client, graph, new_graph, comfy, scans):
    def saved(made, **more):
        made.node("pages", "VramwiseLoadPages", file=scans, pages="2-4").read("ocr", "pages")
        inputs = {"text": ["ocr", 1], "format": "txt", "filename_prefix": "notes/page", **more}
        result = client.run(made.node("save", "VramwiseSaveText", **inputs).show("paths", "save"))
        assert result.ok, result.error_text
        return result

    first = saved(graph)
    folder = comfy.base_dir / "output" / "notes"
    names = [f"page_{number:05}_.txt" for number in (1, 2, 3)]
    assert [entry["filename"] for entry in first.outputs["save"]["files"]] == names
    assert [(folder / name).read_text(encoding="utf-8") for name in names] == ["First", "Second", "Third"]
    assert [str(folder / name) for name in names] == first.outputs["paths"]["text"]
    (folder / "page_00007_.png").write_bytes(b"")
    second = saved(new_graph(), format="md")
    assert second.outputs["save"]["files"][0]["filename"] == "page_00008_.md"
    assert client.view(second.outputs["save"]["files"][0]) == b"First"
    assert saved(new_graph(), format="json", if_exists="overwrite").outputs["save"]["files"][2] == {
        "filename": "page_00003_.json",
        "subfolder": "notes",
        "type": "output",
    }
    assert json.loads((folder / "page_00003_.json").read_text()) == {"text": "Third"}


def test_pairs_by_name_lie_under_one_stem_and_no_file_is_lost(client, graph, new_graph, comfy, scans):
    from PIL import Image

    def saved(made, **more):
        made.node("pages", "VramwiseLoadPages", file=scans, pages="2-4").read("ocr", "pages")
        inputs = {"text": ["ocr", 1], "image": ["pages", 0], "names": ["pages", 1], "format": "txt"}
        made.node("save", "VramwiseSaveText", filename_prefix="pairs/any", **inputs, **more)
        result = client.run(made)
        assert result.ok, result.error_text
        return [entry["filename"] for entry in result.outputs["save"]["files"]]

    assert saved(graph) == ["2_p001.txt", "2_p002.txt", "2_p003.txt"]
    folder = comfy.base_dir / "output" / "pairs"
    assert (folder / "2_p002.txt").read_text() == "Second"
    with Image.open(folder / "2_p002.png") as picture:
        assert picture.size == (625, 313)
    assert saved(new_graph(), if_exists="number on")[:2] == ["2_p001_2.txt", "2_p002_2.txt"]
    assert saved(new_graph(), if_exists="overwrite")[0] == "2_p001.txt"
    assert len(list(folder.iterdir())) == 12


def test_pages_of_one_name_become_a_searchable_pdf(client, graph, new_graph, comfy, scans):
    import pypdfium2

    graph.node("pages", "VramwiseLoadPages", file=scans, pages="2-4").read("ocr", "pages")
    links = {"text": ["ocr", 1], "regions": ["ocr", 3], "image": ["pages", 0], "names": ["pages", 1]}
    graph.node("save", "VramwiseSaveText", format="pdf", filename_prefix="searchable/any", **links)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert [entry["filename"] for entry in result.outputs["save"]["files"]] == ["2.pdf"]
    document = pypdfium2.PdfDocument(comfy.base_dir / "output" / "searchable" / "2.pdf")
    read = [page.get_textpage().get_text_bounded().strip() for page in document]
    document.close()
    assert read == ["First", "Second", "Third"]
    without = new_graph().node("pages", "VramwiseLoadPages", file=scans)
    without.node("save", "VramwiseSaveText", text=["pages", 1], format="pdf", filename_prefix="searchable/x")
    failed = client.run(without)
    assert failed.status == "error" and "connect their images to image" in failed.error_text


@pytest.mark.skipif(sys.platform != "linux", reason="Linux takes any name for a file")
def test_a_folder_with_odd_names_is_saved_page_by_page(client, graph, comfy):
    folder = comfy.input_dir / "odd names"
    folder.mkdir(exist_ok=True)
    page = (comfy.input_dir / "vramwise_sample.png").read_bytes()
    odd = [b"photo .png", b"page..png", b"Why?.png", b"nul.png", b"c" * 240 + b".png", b"\x91\xe2\xe0.png"]
    for name in odd:
        (folder / os.fsdecode(name)).write_bytes(page)
    (folder / os.fsdecode(b"\xe0.pdf")).write_bytes(b"no PDF")
    graph.node("pages", "VramwiseLoadPages", file="odd names").show("report", "pages", 3)
    inputs = {"text": ["pages", 1], "names": ["pages", 1], "format": "txt", "filename_prefix": "odd/any"}
    result = client.run(graph.node("save", "VramwiseSaveText", **inputs))
    assert result.ok, result.error_text
    names = [entry["filename"] for entry in result.outputs["save"]["files"]]
    assert len(names) == len(odd)
    assert {"photo.txt", "page.txt", "Why_.txt", "_nul.txt", "___.txt"} < set(names)
    saved = comfy.base_dir / "output" / "odd"
    assert all((saved / name).read_text(encoding="utf-8") == name.removesuffix(".txt") for name in names)


def test_unequal_numbers_of_texts_and_images_are_a_sentence(client, graph, posters, scans):
    graph.picture("p", posters[0]).node("pages", "VramwiseLoadPages", file=scans)
    inputs = {"text": ["pages", 1], "image": ["p", 0], "format": "txt", "filename_prefix": "x/y"}
    result = client.run(graph.node("save", "VramwiseSaveText", **inputs))
    assert result.status == "error" and "There are 4 texts and 1 images" in result.error_text


def test_the_tables_of_a_text_become_a_workbook_and_csv(client, graph, comfy):
    import openpyxl

    table = "| Item | Price |\n|---|---|\n| Tea | 1.50 |\n| =1+1 | 007 |"
    graph.node("text", "PrimitiveStringMultiline", value=table)
    for form in ("xlsx", "csv"):
        graph.node(form, "VramwiseSaveText", text=["text", 0], format=form, filename_prefix="tables/one")
    result = client.run(graph)
    assert result.ok, result.error_text
    folder = comfy.base_dir / "output" / "tables"
    (book,) = folder.glob("*.xlsx")  # the two run in any order, and number on from each other
    sheet = openpyxl.load_workbook(book).active
    assert [[cell.value for cell in row] for row in sheet] == [
        ["Item", "Price"],
        ["Tea", 1.5],
        ["=1+1", "007"],
    ]
    (written,) = folder.glob("*.csv")
    assert written.read_text("utf-8-sig") == "Item,Price\nTea,1.50\n'=1+1,007\n"
