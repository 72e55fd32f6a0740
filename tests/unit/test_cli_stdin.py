"""``vramwise ocr -``: what another program pipes in; and how a command that was stopped goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from vramwise.cli import main
from vramwise.ocr.results.result import OCRResult

from tests.fixtures.write_pdf import write_pdf


class Reader:
    """Says how large each page is; ``stops`` by Ctrl-C after so many."""

    def __init__(self, stops: int = -1) -> None:
        self.left = stops

    def not_used(self, options: object) -> tuple[str, ...]:
        return ()

    def read(self, images, options=None, progress=None) -> Iterator[OCRResult]:
        for image in images:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            text = f"{image.shape[1]}x{image.shape[0]}"
            yield OCRResult(text, text, (), image.shape[1], image.shape[0], "stop", "m", "fp32", 0.1)


def piped(data: bytes, monkeypatch: pytest.MonkeyPatch, stops: int = -1) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.setattr("vramwise.cli.reading._reader", lambda arguments: Reader(stops))


def picture(form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_a_picture_is_read_from_standard_input(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(picture(form), monkeypatch)
    assert main(["ocr", "-"]) == 0
    assert capsys.readouterr().out == "40x30\n"


def test_a_pdf_is_read_from_standard_input_beside_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.png").write_bytes(picture())
    piped(write_pdf(["one", "two"]), monkeypatch)
    assert main(["ocr", "-", str(tmp_path / "b.png"), "--json"]) == 0
    files = [record["file"] for record in json.loads(capsys.readouterr().out)]
    assert files == ["stdin#1", "stdin#2", str(tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("data", "code", "said"), [(b"", 1, "is empty"), (b"hello there", 1, "stdin: stdin cannot be read")]
)
def test_what_is_no_picture_is_a_sentence(
    data: bytes, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(data, monkeypatch)
    assert main(["ocr", "-"]) == code
    assert said in capsys.readouterr().err


def test_nothing_piped_in_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(b"", monkeypatch)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SystemExit) as ended:
        main(["ocr", "-"])
    assert ended.value.code == 2 and "Nothing is piped in" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["en", "ru", "zh"])
def test_a_job_that_is_stopped_says_in_one_line_how_to_go_on(
    lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture())
    piped(b"", monkeypatch, stops=1)
    out = tmp_path / "out"
    assert main(["ocr", str(tmp_path), "--out", str(out), "--lang", lang]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert "--resume" in line and str(out) in line
    piped(b"", monkeypatch)
    assert main(["ocr", str(tmp_path), "--out", str(out), "--resume"]) == 0
    assert sorted(path.name for path in out.glob("*.txt")) == ["a.txt", "b.txt"]


def test_any_other_command_that_is_stopped_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    piped(b"", monkeypatch, stops=0)
    assert main(["ocr", str(tmp_path / "a.png")]) == 130
    assert capsys.readouterr().err == "vramwise: Stopped.\n"


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="This system has no /dev/fd.")
def test_what_a_shell_hands_over_as_a_pipe_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vramwise ocr <(curl URL)`"""
    import os

    piped(b"", monkeypatch)
    out, into = os.pipe()
    try:
        os.write(into, picture())
        os.close(into)
        assert main(["ocr", f"/dev/fd/{out}"]) == 0
    finally:
        os.close(out)
    assert capsys.readouterr().out == "40x30\n"


@pytest.mark.parametrize(("reason", "says"), [("length", "the limit of tokens"), ("loop", "repeated itself")])
@pytest.mark.parametrize("job", [False, True])
def test_a_page_whose_end_is_missing_is_told(
    reason: str, says: str, job: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def read(self: Reader, images, options=None, progress=None) -> Iterator[OCRResult]:
        for text in ("half a", "whole"):
            why = reason if text == "half a" else "stop"
            yield OCRResult(text, text, (), 40, 30, why, "m", "fp32", 0.1)

    piped(write_pdf(["one", "two"]), monkeypatch)
    monkeypatch.setattr(Reader, "read", read)
    assert main(["ocr", "-", *(["--out", str(tmp_path / "out")] if job else [])]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if says in line]
    assert len(told) == 1 and told[0].startswith("vramwise: stdin#1: ") and "page" in told[0]


class TableReader(Reader):
    """Finds one table on each page."""

    def read(self, images, options=None, progress=None) -> Iterator[OCRResult]:
        table = "| Town | Sum |\n| --- | --- |\n| Oslo | =1+2 |"
        for image in images:
            yield OCRResult(table, table, (), image.shape[1], image.shape[0], "stop", "m", "fp32", 0.1)


def test_printed_csv_has_lines_and_no_escapes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line ended with the four characters of an escaped carriage return, in a pipe too."""
    piped(picture(), monkeypatch)
    monkeypatch.setattr("vramwise.cli.reading._reader", lambda arguments: TableReader())
    assert main(["ocr", "-", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "Town,Sum\nOslo,'=1+2\n"
