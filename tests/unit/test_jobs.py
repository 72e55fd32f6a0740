"""Jobs over many pages: what is read, where it goes, and what a second run leaves alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from vramwise.errors import VramwiseError
from vramwise.jobs import JobOptions, run_job
from vramwise.jobs.manifest import NAME
from vramwise.jobs.outputs import encoded
from vramwise.ocr.engine import ReadOptions
from vramwise.ocr.result import OCRResult, Region, Word


class Echo:
    """A reader whose text is the picture's colour. ``broken`` colours are refused, as an engine would."""

    def __init__(self, broken: Sequence[int] = ()) -> None:
        self.broken, self.seen = broken, []

    def read(self, images: Sequence[Any], options: Any = None, watch: Any = None) -> Iterator[OCRResult]:
        for image in images:
            colour = int(image[0, 0, 0])
            self.seen.append(colour)
            if colour in self.broken:
                raise VramwiseError(f"{colour} cannot be read.")
            yield result(str(colour))


class Stream(Echo):
    """The same as a stream that draws two pictures ahead."""

    def read_each(self, images: Any, options: Any, watch: Any) -> Iterator[OCRResult | VramwiseError]:
        held: list[Any] = []
        for image in images:
            held.append(image)
            if len(held) > 2:
                yield self._one(held.pop(0))
        while held:
            yield self._one(held.pop(0))

    def _one(self, image: Any) -> OCRResult | VramwiseError:
        try:
            return next(self.read([image]))
        except VramwiseError as error:
            return error


def result(text: str) -> OCRResult:
    box = ((1.0, 2.0), (30.0, 2.0), (30.0, 12.0), (1.0, 12.0))
    region = Region(text, box, 0, confidence=0.987, words=(Word(text, box, 0.987),))
    return OCRResult(text, f"# {text}", (region,), 40, 20, "stop", "echo", "none", 0.01)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Ten one-coloured pictures, page_1 to page_10, of the colours 1 to 10."""
    from PIL import Image

    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(1, 11):
        Image.new("RGB", (40, 20), (number, 0, 0)).save(folder / f"page_{number}.png")
    return folder


def texts(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): path.read_text(encoding="utf-8").strip()
        for path in sorted(out.rglob("*.txt"))
    }


def entries(out: Path) -> list[dict[str, Any]]:
    lines = (out / NAME).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


@pytest.mark.parametrize("reader", [Echo, Stream])
def test_a_folder_is_read_in_the_order_of_its_numbers(scans: Path, tmp_path: Path, reader: Any) -> None:
    out = tmp_path / "out"
    report = run_job([str(scans)], out, reader(), JobOptions("echo"))
    assert (report.read, report.before, report.failed) == (10, 0, ())
    assert texts(out) == {f"page_{number}.txt": str(number) for number in range(1, 11)}
    assert [Path(entry["page"].split("#")[0]).stem for entry in entries(out)] == [
        f"page_{n}" for n in range(1, 11)
    ]
    assert sorted(path.name for path in out.iterdir()) == sorted([*texts(out), NAME])


@pytest.mark.parametrize("reader", [Echo, Stream])
def test_bad_pages_are_reported_in_their_place_and_the_rest_is_read(
    scans: Path, tmp_path: Path, reader: Any
) -> None:
    (scans / "page_3.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    report = run_job([str(scans)], out, reader(broken=[7]), JobOptions("echo"))
    assert [Path(page).name for page, _ in report.failed] == ["page_3.png#1", "page_7.png#1"]
    assert len(texts(out)) == 8 and "page_7.txt" not in texts(out)
    assert report.failed[1][1] == "7 cannot be read."


def test_resuming_reads_what_is_missing_failed_or_changed_and_nothing_else(
    scans: Path, tmp_path: Path
) -> None:
    from PIL import Image

    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(broken=[4]), JobOptions("echo"))
    (out / "page_6.txt").unlink()
    Image.new("RGB", (40, 20), (99, 0, 0)).save(scans / "page_9.png")
    again = Echo()
    report = run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert again.seen == [4, 6, 99]
    assert (report.read, report.before, report.failed) == (3, 7, ())
    assert texts(out)["page_9.txt"] == "99"


def test_a_folder_with_a_job_is_not_written_over(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    with pytest.raises(VramwiseError, match="--resume"):
        run_job([str(scans)], out, Echo(), JobOptions("echo"))


@pytest.mark.parametrize(
    "other",
    [JobOptions("other"), JobOptions("echo", "json"), JobOptions("echo", options=ReadOptions(task="table"))],
)
def test_a_job_goes_on_only_with_its_own_options(scans: Path, tmp_path: Path, other: JobOptions) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    with pytest.raises(VramwiseError, match=r"other options \((reader|form|options)\)"):
        run_job([str(scans)], out, Echo(), other, resume=True)


def test_a_torn_last_line_is_cut_off_and_its_page_read_again(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    manifest = out / NAME
    manifest.write_bytes(manifest.read_bytes()[:-25])
    again = Echo()
    run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert again.seen == [10] and len(entries(out)) == 10


def test_a_damaged_manifest_is_a_sentence_and_is_left_as_it_is(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    lines = (out / NAME).read_bytes().split(b"\n")
    lines[4] = b'{"page": 1'
    (out / NAME).write_bytes(b"\n".join(lines))
    with pytest.raises(VramwiseError, match="damaged"):
        run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True)
    assert (out / NAME).read_bytes() == b"\n".join(lines)


def test_names_that_meet_are_told_apart(scans: Path, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "b").mkdir()
    Image.new("RGB", (40, 20), (50, 0, 0)).save(tmp_path / "b" / "page_1.png")
    Image.new("RGB", (40, 20), (60, 0, 0)).save(tmp_path / "b" / "PAGE_1.bmp")
    out = tmp_path / "out"
    inputs = [
        str(scans / "page_1.png"),
        str(tmp_path / "b" / "page_1.png"),
        str(tmp_path / "b" / "PAGE_1.bmp"),
    ]
    run_job([*inputs, inputs[0]], out, Echo(), JobOptions("echo"))
    assert texts(out) == {"page_1.txt": "1", "page_1_png.txt": "50", "PAGE_1_bmp.txt": "60"}


def test_folders_below_keep_their_place(scans: Path, tmp_path: Path) -> None:
    (scans / "deep").mkdir()
    (scans / "page_10.png").rename(scans / "deep" / "page_10.png")
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    assert texts(out)["deep/page_10.txt"] == "10"


def test_patterns_are_expanded_where_the_shell_did_not(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_job([str(scans / "page_?.png")], out, Echo(), JobOptions("echo"))
    assert len(texts(out)) == 9


@pytest.mark.parametrize("wrong", ["nowhere.png", "nowhere/*.png"])
def test_an_input_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(VramwiseError, match="There is no"):
        run_job([str(tmp_path / wrong)], tmp_path / "out", Echo(), JobOptions("echo"))
    assert not (tmp_path / "out").exists()


def test_hocr_is_well_formed_whatever_the_page_says() -> None:
    nasty = replace(result("<b>&\"'\x00\ud800"), model="a<b")
    root = ElementTree.fromstring(encoded(nasty, "hocr", "we\"ird'<page>.png#1"))  # noqa: S314 - our own
    classes = [node.get("class") for node in root.iter() if node.get("class")]
    assert classes == ["ocr_page", "ocr_line", "ocrx_word"]
    word = next(node for node in root.iter() if node.get("class") == "ocrx_word")
    assert word.text == "<b>&\"'"
    assert word.get("title") == "bbox 1 2 30 12; x_wconf 99"


def test_hocr_of_a_text_without_places_holds_the_text() -> None:
    placeless = replace(result("1 < 2\nand 3"), regions=())
    root = ElementTree.fromstring(encoded(placeless, "hocr", "a.png#1"))  # noqa: S314 - our own
    (paragraph,) = (node for node in root.iter() if node.get("class") == "ocr_par")
    assert (paragraph.text, paragraph.get("title")) == ("1 < 2\nand 3", "bbox 0 0 40 20")


def test_json_is_the_record_of_the_page() -> None:
    record = json.loads(encoded(result("one"), "json", "a.png#1"))
    assert record["page"] == "a.png#1" and record["regions"][0]["text"] == "one"


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    from PIL import Image

    pages = [Image.new("RGB", (40, 20), (value, value, value)) for value in (10, 20, 30)]
    pages[0].save(tmp_path / "book.pdf", save_all=True, append_images=pages[1:])
    out = tmp_path / "out"
    report = run_job([str(tmp_path / "book.pdf")], out, Echo(), JobOptions("echo", dpi=72))
    assert report.read == 3
    assert sorted(texts(out)) == ["book_p001.txt", "book_p002.txt", "book_p003.txt"]
    assert [
        abs(int(text) - colour) <= 2 for text, colour in zip(texts(out).values(), (10, 20, 30), strict=True)
    ]
