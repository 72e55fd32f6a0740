"""PDFs with bytes around them, and folders as people have them: what is read, what is said of the rest."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from vramwise.documents.folders import files_of
from vramwise.documents.pages import PageFiles, open_book, pdf_scale
from vramwise.documents.safe_names import within
from vramwise.errors import VramwiseError
from vramwise.jobs.inputs import find_files, find_pages
from vramwise.jobs.job import JobOptions, run_job
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.pictures.decode import MOST_PIXELS

from tests.fixtures.write_pdf import write_pdf

PDF = write_pdf(["Invoice 4711", "Second"], (300, 120))
TRAILER = PDF[PDF.index(b"trailer") : PDF.index(b"startxref")]
AROUND = {
    "zeros behind": PDF + b"\0" * 20_000,
    "a page of HTML behind": PDF + b"\n<!-- portal -->\n" + b"<p>filler</p>\n" * 600,
    "its own last line in the HTML behind": PDF + b"<p>a PDF ends in %%EOF</p>" + b" " * 9_000,
    "a head of HTTP before": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1500 + b"\r\n\r\n" + PDF,
    "a mark of UTF-8 before": b"\xef\xbb\xbf" + PDF,
    "both": b"x" * 3000 + b"\n" + PDF + b"\0" * 9_000,
    "no last line": PDF.replace(b"%%EOF", b"").rstrip() + b"\n",
    "half a last line": PDF.rstrip()[:-2],
    "a wrong offset in startxref": PDF.replace(b"startxref\n", b"startxref\n9"),
    "lines that end as on Windows": PDF.replace(b"\n", b"\r\n"),
    "an old revision behind": PDF + b"\n" + PDF,
}


def pictures(path: Path) -> list[np.ndarray]:
    return [picture for _, picture in open_book(path, dpi=72, on_broken="stop")]


@pytest.mark.parametrize("kind", AROUND)
def test_a_pdf_with_bytes_around_it_is_read_as_browsers_do(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plain.pdf").write_bytes(PDF)
    (tmp_path / "odd.pdf").write_bytes(AROUND[kind])
    got, right = pictures(tmp_path / "odd.pdf"), pictures(tmp_path / "plain.pdf")
    assert len(got) == len(right) == 2
    assert all(np.array_equal(one, other) for one, other in zip(got, right, strict=True))
    assert (right[0] < 128).any()


def test_a_revision_whose_last_line_is_missing_is_not_read_as_the_one_before(tmp_path: Path) -> None:
    """The last line of the first revision is no end of the file."""
    newer = PDF + PDF[:60] + b"\n7 0 obj\n<</Length 2>>stream\n" + b"q " * 3000
    (tmp_path / "a.pdf").write_bytes(newer)
    try:
        book = open_book(tmp_path / "a.pdf", dpi=72)
    except VramwiseError as error:
        assert "cut short" in str(error) or "damaged" in str(error) or "lost" in str(error)
    else:
        assert len(book) + len(book.problems) == 2  # what has lost its content is named


def test_what_was_lost_with_the_end_of_a_mended_pdf_is_named(tmp_path: Path) -> None:
    head, body = PDF[:9], PDF[9:]
    cut = body[: body.rindex(b"stream\nBT")]  # the text of the last page is gone, and the table with it
    (tmp_path / "a.pdf").write_bytes(head + TRAILER + cut)
    book = open_book(tmp_path / "a.pdf")
    assert [page.name for page in book.pages] == ["a_p001"]
    assert "Page 2 of a.pdf is empty, and the end of the PDF is missing" in book.problems[0]


def test_a_page_of_any_size_is_drawn_within_bounds() -> None:
    for across, down in ((595, 842), (14_400, 14_400), (200, 14_400), (1e9, 3.0), (0.0, 0.0)):
        scale = pdf_scale(across, down, 1200)
        assert across * down * scale**2 <= MOST_PIXELS * 1.001 and max(across, down) * scale <= 32_000


# --- folders ----------------------------------------------------------------------------------------------


def saved(form: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), (90, 90, 90)).save(buffer, form, **how)
    return buffer.getvalue()


AVIF = saved("AVIF") if features.check("avif") else saved("PNG")  # Pillow knows the form since 11.3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "a.jfif": saved("JPEG"), "b.JPE": saved("JPEG"), "c.avif": AVIF, "d.jp2": saved("JPEG2000"),
        "e.webp": saved("WEBP"), "f.gif": saved("GIF"), "g.ppm": saved("PPM"), "h.tga": saved("TGA"),
        "i.ico": saved("ICO"), "j": saved("PNG"), "k.scan": PDF, "l.pdf": PDF, "m.dib": saved("DIB"),
        "empty.png": b"", "letter.docx": b"PK\x03\x04....", "raw.CR2": b"II*\0....", "page.html": b"<html>",
        "v.mp4": b"\0\0\0\x18ftypmp42", "x.jpg.part": saved("JPEG"), "._a.jpg": b"\0\x05\x16\x07\0\x02",
        ".DS_Store": b"\0\0\0\x01Bud1", "drawing.svg": b"<svg xmlns='x'/>", "old.eps": b"%!PS-Adobe",
        "sub/z.png": saved("PNG"), "sub/deeper/y.jpg": saved("JPEG"), "sub/notes.txt": b"hello",
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


LEFT_OUT = {
    "letter.docx": "an Office document", "raw.CR2": "a camera's raw file", "page.html": "web page",
    "v.mp4": "a video", "x.jpg.part": "a download that is not finished", "._a.jpg": "a note of macOS",
    ".DS_Store": "no picture and no PDF", "drawing.svg": "an SVG drawing", "old.eps": "PostScript",
}  # fmt: skip


def test_a_folder_gives_every_format_and_names_each_other_file_with_the_reason(folder: Path) -> None:
    book = open_book(folder)
    names = [page.name for page in book.pages]
    assert names == [
        *"abcdefghij", "k_p001", "k_p002", "l_p001", "l_p002", "m"
    ]  # fmt: skip
    told = "\n".join(book.problems)
    assert "empty.png cannot be read as a picture: it is empty (0 bytes)" in told
    for name, why in LEFT_OUT.items():
        (line,) = [problem for problem in book.problems if name in problem]
        assert why in line
    assert "sub/ (a folder in it; subfolders are not asked for)" in told


def test_with_subfolders_their_pages_come_too_under_names_of_their_own(folder: Path) -> None:
    book = open_book(folder, subfolders=True)
    assert [page.name for page in book.pages][-2:] == ["sub_deeper_y", "sub_z"]
    assert "sub/notes.txt (a text file)" in book.problems


def test_a_folder_job_names_what_it_leaves_out_and_passes_over_its_own_output(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.txt").write_text("read before")
    with caplog.at_level(logging.WARNING):
        found = find_files([str(folder)], without=(folder / "out").resolve())
    stems = [stem for _, stem in found]
    assert {"a", "k", "sub/z", "sub/deeper/y"} <= set(stems) and "out/a" not in stems
    assert all(name in caplog.text for name in LEFT_OUT) and "out/a.txt" not in caplog.text


def test_a_named_pipe_in_a_folder_job_is_a_sentence_and_no_wait(tmp_path: Path) -> None:
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("This system has no named pipes.")
    os.mkfifo(tmp_path / "x.png")
    (page,) = find_pages([str(tmp_path)], PageFiles())
    assert "x.png is not a file that can be read" in page.problem


def test_a_folder_of_nothing_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        VramwiseError, match=r"holds no PDF and no picture\. It holds notes\.txt \(a text file\)"
    ):
        open_book(tmp_path)


def test_many_other_files_are_one_sentence_a_reason(tmp_path: Path) -> None:
    for at in range(30):
        (tmp_path / f"{at}.txt").write_text("x")
    (sentence,) = files_of(tmp_path).sentences()
    assert sentence.startswith("0.txt, 1.txt, 2.txt") and sentence.endswith("29.txt (a text file)")


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("C:\\Users\\me\\scan.pdf", "scan.pdf"),
        ('"C:\\Users\\me\\my scan.pdf"', "my scan.pdf"),
        ("scans\\a.png", "a.png"),
        ("/home/me/scan.pdf", "scan.pdf"),
        ("\\\\server\\share\\scan.pdf", "scan.pdf"),
        ("../scan.pdf", "scan.pdf"),
        ("file:///C:/scan.pdf", "scan.pdf"),
    ],
)
def test_a_path_from_elsewhere_says_to_copy_it_into_the_input_folder(
    tmp_path: Path, name: str, last: str
) -> None:
    with pytest.raises(VramwiseError) as caught:
        within(tmp_path, name)
    said = str(caught.value)
    assert (
        f"Copy it into ComfyUI's input folder (ComfyUI/input) and give its name there, such as {last};"
        in said
    )
    with pytest.raises(VramwiseError, match="Give a plain name inside ComfyUI's own folder"):
        within(tmp_path, name, "filename_prefix", written=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="This system has no named pipes.")
def test_a_named_pipe_as_an_input_is_not_said_to_be_missing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(VramwiseError, match=r"x\.png is a pipe or a device and no file\. Save as a file"):
        find_files([str(tmp_path / "x.png")])


def ring(path: Path) -> Path:
    try:
        path.symlink_to(path.name)
    except OSError:
        pytest.skip("Links cannot be made here.")
    return path


def test_links_to_nothing_are_told_as_links(tmp_path: Path) -> None:
    for link in (ring(tmp_path / "ring.png"), tmp_path / "dead.png"):
        if not link.is_symlink():
            link.symlink_to("nowhere.png")
        with pytest.raises(VramwiseError, match=r"\.png is a link that leads nowhere\."):
            find_files([str(link)])
    for page in find_pages([str(tmp_path)], PageFiles()):
        assert page.problem == f"{page.file.name} is a link that leads nowhere."


def test_results_cannot_go_into_a_ring_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    out = ring(tmp_path / "out")
    with pytest.raises(VramwiseError, match=r"out cannot be made: .+ Give another --out\."):
        run_job([str(tmp_path / "a.png")], out, Nobody(), JobOptions("m", "text", 200, ReadOptions()))


class Nobody:
    """Is asked nothing."""

    def read(self, images: Any, options: Any = None, progress: Any = None) -> Any:
        raise AssertionError


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """``closed(folder)``: it cannot be listed, also by root."""
    shut: list[str] = []
    scandir = os.scandir

    def listed(path: Any) -> Any:
        if os.fspath(path) in shut:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)
    return lambda folder: shut.append(str(folder))


def test_a_folder_that_cannot_be_listed_is_named_and_not_taken_for_empty(
    tmp_path: Path, closed: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/b.png"):
        (tmp_path / name).write_bytes(saved("PNG"))
    closed(tmp_path / "sub")
    with caplog.at_level(logging.WARNING):
        assert [file.name for file, _ in find_files([str(tmp_path)])] == ["a.png"]
    assert "left out sub/ (cannot be opened (Permission denied))" in caplog.text
    assert "sub/ (cannot be opened (Permission denied))" in open_book(tmp_path, subfolders=True).problems
    with pytest.raises(
        VramwiseError, match=r"sub cannot be opened: Permission denied\. Check its permissions"
    ):
        find_files([str(tmp_path / "sub")])


def test_a_name_that_no_system_takes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(self: Path) -> bool:
        raise OSError(36, "File name too long", str(self))

    monkeypatch.setattr(Path, "is_dir", too_long)
    with pytest.raises(VramwiseError, match=r"x+ cannot be opened: File name too long\."):
        find_files(["x" * 300])
