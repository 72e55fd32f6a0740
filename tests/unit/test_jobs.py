"""Jobs over many pages: what is read, where it goes, and what a second run leaves alone."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from vramwise.errors import VramwiseError
from vramwise.jobs import JobOptions, run_job
from vramwise.jobs.manifest import NAME
from vramwise.jobs.outputs import encoded
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.results.result import OCRResult, Region, Word


class Echo:
    """A reader whose text is the picture's colour. ``broken`` colours are refused, as an engine would."""

    def __init__(self, broken: Sequence[int] = ()) -> None:
        self.broken, self.seen = broken, []

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        for image in images:
            colour = int(image[0, 0, 0])
            self.seen.append(colour)
            if colour in self.broken:
                raise VramwiseError(f"{colour} cannot be read.")
            yield result(str(colour))


class Stream(Echo):
    """The same as a stream that draws two pictures ahead."""

    def read_each(self, images: Any, options: Any, progress: Any) -> Iterator[OCRResult | VramwiseError]:
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


def test_a_job_of_an_earlier_version_goes_on_and_another_direction_is_another_job(
    scans: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    options = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])["options"]["options"]
    assert set(options) == {"task", "prompt", "language", "max_pixels", "max_new_tokens"}
    vertical = JobOptions("echo", options=ReadOptions(reading_direction="vertical"))
    with pytest.raises(VramwiseError, match="other options"):
        run_job([str(scans)], out, Echo(), vertical, resume=True)
    run_job([str(scans)], tmp_path / "down", Echo(), vertical)
    assert run_job([str(scans)], tmp_path / "down", Echo(), vertical, resume=True).read == 0


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


TORN = b'{"page": "/scans/page_3.png#1", "st'  # what a full disk kept of a line


# The manifest's lines with one of them spoiled: the head is line 0, page_3 is line 3.
BROKEN: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "torn, then whole lines": lambda lines: [*lines[:3], TORN, *lines[4:]],
    "torn and glued to the next": lambda lines: [*lines[:3], TORN + lines[4], *lines[5:]],
    "zeros where the power went": lambda lines: [*lines[:3], b"\0" * 90, *lines[4:]],
    "one letter other": lambda lines: [line.replace(b"page_3.txt", b"page_4.txt") for line in lines],
    "nested deeply": lambda lines: [*lines[:3], b"[" * 50_000, *lines[4:]],
    "no number": lambda lines: [
        *lines[:3],
        lines[3].replace(b'"seconds": ', b'"seconds": 1e999'),
        *lines[4:],
    ],
    "somebody else's line": lambda lines: [*lines[:3], b'{"audio_filepath": "a.wav"}', *lines[4:]],
    "the last line torn": lambda lines: [*lines[:3], *lines[4:], lines[3][:40]],
    "the head torn": lambda lines: [lines[0][:30], *lines[1:3], *lines[4:]],
    "the head's options changed": lambda lines: [lines[0].replace(b"200", b"201"), *lines[1:3], *lines[4:]],
}


@pytest.mark.parametrize("how", BROKEN)
def test_of_a_damaged_manifest_only_what_is_not_proven_is_read_again(
    scans: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    lines = (out / NAME).read_bytes().splitlines()
    (out / NAME).write_bytes(b"\n".join(BROKEN[how](lines)))
    again = Echo()
    run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert again.seen == [3]
    assert run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True).before == 10, "and only once"


def test_an_output_that_leads_out_of_the_folder_proves_nothing(scans: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "page_3.txt"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    kept.write_text("a person's", encoding="utf-8")
    lines = (out / NAME).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    records[0].pop("proof")
    records[3] = {**records[3], "output": "../page_3.txt", "stamp": [0, 0]}
    records[3].pop("proof")
    (out / NAME).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True)
    assert kept.read_text(encoding="utf-8") == "a person's"
    assert texts(out)["page_3.txt"] == "3"


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_of_that_name_that_is_no_manifest_is_left_alone(
    scans: Path, tmp_path: Path, resume: bool
) -> None:
    theirs = tmp_path / NAME
    theirs.write_text('{"audio_filepath": "a.wav", "text": "hello"}\n', encoding="utf-8")
    with pytest.raises(VramwiseError, match="is no manifest of a VRAMwise job"):
        run_job([str(scans)], tmp_path, Echo(), JobOptions("echo"), resume=resume)
    assert theirs.read_text(encoding="utf-8").startswith('{"audio')


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


# --- what a second run finds ------------------------------------------------------------------------------


def picture(path: Path, colour: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), (colour, 0, 0)).save(path)


def test_a_file_added_later_leaves_every_text_where_it_is(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    picture(scans / "a.png", 1)
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    picture(scans / "a.bmp", 2)  # before a.png
    picture(scans / "A.gif", 3)
    again = Echo()
    report = run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert (report.read, report.before, report.failed) == (2, 1, ())
    assert texts(out) == {"a.txt": "1", "a_bmp.txt": "2", "A_gif.txt": str(again.seen[1])}
    last = Echo()
    run_job([str(scans)], out, last, JobOptions("echo"), resume=True)
    assert last.seen == []


def test_a_pattern_that_matches_more_later_leaves_every_text_where_it_is(tmp_path: Path) -> None:
    out, inputs = tmp_path / "out", [str(tmp_path / "**" / "*.png")]
    picture(tmp_path / "2024" / "page1.png", 24)
    picture(tmp_path / "2025" / "page1.png", 25)
    run_job(inputs, out, Echo(), JobOptions("echo"))
    before = texts(out)
    picture(tmp_path / "2023" / "page1.png", 23)
    again = Echo()
    run_job(inputs, out, again, JobOptions("echo"), resume=True)
    assert again.seen == [23]
    assert before == {"page1.txt": "24", "page1_png.txt": "25"}
    assert texts(out) == {**before, "page1_2.txt": "23"}


def test_the_rest_of_a_book_joins_its_first_pages(tmp_path: Path) -> None:
    from PIL import Image

    pages = [Image.new("RGB", (40, 20), (value, 0, 0)) for value in (1, 2, 3)]
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    pages[0].save(scans / "book.tif", save_all=True, append_images=pages[1:])
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(b"".join(lines[:2]))  # killed after the first page
    pages[0].save(scans / "book.pdf", save_all=True, append_images=pages[1:])  # before book.tif
    again = Echo()
    run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert len(again.seen) == 5
    assert [texts(out)[f"book_p00{number}.txt"] for number in (1, 2, 3)] == ["1", "2", "3"]
    assert {name for name in texts(out) if "pdf" in name} == {f"book_pdf_p00{n}.txt" for n in (1, 2, 3)}


def test_a_book_and_a_picture_of_its_page_do_not_meet(tmp_path: Path) -> None:
    from PIL import Image

    scans, out = tmp_path / "scans", tmp_path / "out"
    picture(scans / "book_p001.png", 9)
    pages = [Image.new("RGB", (40, 20), (value, 0, 0)) for value in (1, 2)]
    pages[0].save(scans / "book.tif", save_all=True, append_images=pages[1:])
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    assert sorted(texts(out).values()) == ["1", "2", "9"]


def test_a_page_is_the_same_however_its_path_is_typed(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_job(["scans", str(scans)], Path("out"), first := Echo(), JobOptions("echo"))
    assert len(first.seen) == 10
    for typed in ("./scans/../scans", str(scans)):
        again = Echo()
        run_job([typed], tmp_path / "out", again, JobOptions("echo"), resume=True)
        assert again.seen == []


def test_a_manifest_of_before_goes_on(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names files as they were typed, its head is always there, and two pages may share an output."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    run_job(["scans"], out, Echo(), JobOptions("echo"))
    head, *lines = (out / NAME).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    head = json.dumps({key: value for key, value in json.loads(head).items() if key != "proof"})
    for record in records:
        del record["proof"]
        record["page"] = Path(record["page"]).relative_to(tmp_path).as_posix()
    picture(scans / "page_3.bmp", 30)
    status = (scans / "page_3.bmp").stat()
    stamp = [status.st_size, status.st_mtime_ns]
    records.append({**records[2], "page": "scans/page_3.bmp#1", "stamp": stamp})
    (out / "page_3.txt").write_text("30\n", encoding="utf-8")
    (out / NAME).write_text("\n".join([head, *map(json.dumps, records)]) + "\n", encoding="utf-8")
    again = Echo()
    report = run_job([str(scans)], out, again, JobOptions("echo"), resume=True)
    assert (again.seen, report.before) == ([3], 10)
    assert (texts(out)["page_3.txt"], texts(out)["page_3_png.txt"]) == ("30", "3")


def test_a_bad_file_that_is_gone_is_no_failure_any_more(scans: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "out", scans / "bad.png"
    bad.write_bytes(b"no picture")
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    bad.unlink()
    report = run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True)
    assert (report.read, report.before, report.failed) == (0, 10, ())


def test_an_input_with_nothing_in_it_beside_a_good_one_is_said(
    scans: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    inputs = [str(scans / "*.jpg"), str(scans / "page_1.png"), str(tmp_path / "empty")]
    with caplog.at_level(logging.WARNING, "vramwise"):
        run_job(inputs, tmp_path / "out", Echo(), JobOptions("echo"))
    assert caplog.messages == [
        f"There is no PDF and no picture in {inputs[0]}, {inputs[2]}. The other inputs are read."
    ]


# --- what all pages share, and what is one page's own -----------------------------------------------------


class Absent(Echo):
    """A model whose weights are not here: it says so of no page as of any."""

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        raise VramwiseError("The weights are missing.")


def test_a_cause_that_all_pages_share_ends_the_job_and_binds_nothing(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(VramwiseError, match="weights are missing"):
        run_job([str(scans)], out, Absent(), JobOptions("absent"))
    assert list(out.iterdir()) == []
    report = run_job([str(scans)], out, Echo(), JobOptions("echo"))
    assert (report.read, report.failed) == (10, ())


def test_what_is_done_needs_no_reader(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    (scans / "bad.png").write_bytes(b"no picture")
    report = run_job([str(scans)], out, Absent(), JobOptions("echo"), resume=True)
    assert (report.read, report.before, len(report.failed)) == (1, 10, 1)


@pytest.mark.parametrize("resume", [False, True])
def test_a_job_without_a_page_read_may_begin_again_with_other_options(
    scans: Path, tmp_path: Path, resume: bool
) -> None:
    out = tmp_path / "out"
    report = run_job([str(scans)], out, Echo(broken=range(20)), JobOptions("echo"))
    assert len(report.failed) == 10
    report = run_job([str(scans)], out, Echo(), JobOptions("other"), resume=resume)
    assert (report.read, report.before, report.failed) == (10, 0, ())
    assert json.loads((out / NAME).read_bytes().splitlines()[0])["options"]["reader"] == "other"
    assert len(entries(out)) == 10


@pytest.mark.parametrize("reader", [Echo, Stream])
def test_pictures_reach_the_reader_in_their_full_size(scans: Path, tmp_path: Path, reader: Any) -> None:
    """The engines scale to max_pixels themselves, and give places in the original."""

    class Sizes(reader):  # type: ignore[misc]
        def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Any:
            sizes.extend(image.shape for image in images)
            return super().read(images, options, progress)

    sizes: list[tuple[int, ...]] = []
    run_job([str(scans)], tmp_path / "out", Sizes(), JobOptions("echo", options=ReadOptions(max_pixels=90)))
    assert sizes == [(20, 40, 3)] * 10


# --- odd names and full disks -----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops at 260 letters with all folders")
def test_long_names_are_shortened_and_stay_apart(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    for colour, name in enumerate(("\u9875" * 80, "\u9875" * 79 + "\u4e8c", "z" * 245), 1):
        picture(scans / "deep" / f"{name}.png", colour)
    report = run_job([str(scans)], out, Echo(), JobOptions("echo", "markdown"))
    assert (report.read, report.failed) == (3, ())
    written = sorted(path.read_text(encoding="utf-8").strip() for path in (out / "deep").iterdir())
    assert written == ["# 1", "# 2", "# 3"]
    again = Echo()
    run_job([str(scans)], out, again, JobOptions("echo", "markdown"), resume=True)
    assert again.seen == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are always Unicode")
@pytest.mark.parametrize("form", ["text", "json", "hocr"])
def test_a_name_that_is_no_unicode_is_read_like_any_other(scans: Path, tmp_path: Path, form: str) -> None:
    odd = os.fsdecode("\u0441\u043a\u0430\u043d".encode("cp866"))
    (scans / "page_2.png").rename(scans / f"{odd}.png")
    from PIL import Image

    Image.new("RGB", (40, 20), (200, 200, 200)).save(tmp_path / "book.pdf")
    (tmp_path / "book.pdf").rename(scans / f"{odd}_2.pdf")
    (scans / f"{odd}_3.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    report = run_job([str(scans)], out, Echo(), JobOptions("echo", form, dpi=72))
    assert (report.read, len(report.failed)) == (12, 1)
    again = Echo()
    report = run_job([str(scans)], out, again, JobOptions("echo", form, dpi=72), resume=True)
    assert (again.seen, report.before, len(report.failed)) == ([], 11, 1)


def test_a_page_that_cannot_be_written_is_its_own_failure(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "page_3.txt").mkdir(parents=True)
    report = run_job([str(scans)], out, Echo(), JobOptions("echo"))
    ((page, sentence),) = report.failed
    assert Path(page).name == "page_3.png#1"
    assert "could not be written" in sentence and "space" not in sentence
    (out / "page_3.txt").rmdir()
    report = run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True)
    assert (report.read, report.before, report.failed) == (1, 9, ())
    assert {path.name for path in out.iterdir()} == {*texts(out), NAME}


def test_a_full_disk_ends_the_job_with_its_advice_and_nothing_half_written(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def full(source: Path, target: Path) -> None:
        if Path(target).name == "page_4.txt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.rename(source, target)

    with monkeypatch.context() as patched, pytest.raises(VramwiseError, match="Free space on the disk"):
        patched.setattr("vramwise.atomic_files.os.replace", full)
        run_job([str(scans)], out, Echo(), JobOptions("echo"))
    assert {path.name for path in out.iterdir()} == {f"page_{n}.txt" for n in (1, 2, 3)} | {NAME}
    report = run_job([str(scans)], out, Echo(), JobOptions("echo"), resume=True)
    assert (report.read, report.before, report.failed) == (7, 3, ())


@pytest.mark.parametrize("name", [".vramwise-tmp", "page_1.txt.vramwise-tmp"])
def test_what_a_kill_left_half_written_is_taken_away(scans: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"ha")
    run_job([str(scans)], out, Echo(), JobOptions("echo"))
    assert {path.name for path in out.iterdir()} == {*texts(out), NAME}


def test_a_folder_that_takes_no_file_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.weights import locks

    def refused(path: Any, *rest: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(locks.os, "open", refused)
    with (
        pytest.raises(VramwiseError, match=r"takes no file \(Permission denied\)"),
        locks.only_writer(tmp_path / "job" / ".lock", "The job"),
    ):
        raise AssertionError("nothing may be written")
