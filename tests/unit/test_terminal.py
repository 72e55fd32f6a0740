"""What the command line prints is shown, never obeyed: of pages, files, folders, models and servers."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from vramwise.cli import main, terminal
from vramwise.errors import UNSEEN, VramwiseError, shown
from vramwise.ocr.results.result import OCRResult, Region

COMMANDS = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \x7f a\rb \u202egnp.exe\u2066 \u2028 \x00"
OBEYED = re.compile("[" + "".join(re.escape(chr(code)) for code in UNSEEN) + "]")
BOX = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


class Reader:
    """Reads the same from every page."""

    def not_used(self, options):
        return ()

    def read(self, images, options=None, progress=None):
        for _ in images:
            region = Region(COMMANDS, BOX, 0)
            notes = (f"Odd: {COMMANDS}",)
            yield OCRResult(
                COMMANDS, COMMANDS, (region,), 9, 9, "stop", f"m{COMMANDS}", "fp32", 0.1, notes=notes
            )


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page whose name, too, holds commands for a terminal."""
    monkeypatch.setattr("vramwise.cli.reading._reader", lambda arguments: Reader())
    file = tmp_path / "a\x1b[2J\nvramwise: b\u202e.png"
    Image.new("RGB", (9, 9)).save(file, "PNG")
    Image.new("RGB", (9, 9)).save(tmp_path / "second.png")
    return file


@pytest.mark.parametrize("form", ["text", "markdown", "json", "hocr"])
def test_what_was_read_is_shown(form: str, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = [] if form == "hocr" else [str(page.parent / "second.png")]
    assert main(["ocr", str(page), *second, "--format", form]) == 0
    said = capsys.readouterr()
    assert not OBEYED.search(said.out + said.err), "whatever stands in a page, no terminal hears of it"
    assert "vramwise: b" not in said.out.splitlines() and "vramwise: b" not in said.err.splitlines()
    if form == "json":
        assert json.loads(said.out)[0]["text"] == COMMANDS, "JSON is read back as it was"
    elif form == "hocr":
        assert ElementTree.fromstring(said.out.encode()) is not None  # noqa: S314
    else:
        assert "\\x1b[31mred" in said.out


def test_a_job_names_odd_pages_without_obeying_them(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.write_bytes(b"no picture")
    main(["ocr", str(page.parent), "--out", str(page.parent / "out")])
    assert not OBEYED.search("".join(capsys.readouterr()))


@pytest.mark.parametrize(
    "words",
    [
        ["TEXT"],
        ["ocr", "TEXT"],
        ["ocr", "x.png", "--TEXT"],
        ["ocr", "x.png", "--model", "TEXT"],
        ["ocr", "x.png", "--language", "TEXT"],
        ["ocr", "*TEXT*"],
        ["plan", "TEXT", "--vram-gib", "8"],
        ["plan", "qwen3_vl_8b", "--gpu", "TEXT"],
        ["plan", "qwen3_vl_8b", "--vram-gib", "8", "--precision", "TEXT"],
        ["advise", "--gpu", "TEXT"],
        ["advise", "--vram-gib", "8", "--with", "TEXT"],
        ["compare", "TEXT", "TEXT"],
        ["gpus", "TEXT"],
        ["download", "TEXT"],
        ["cache", "TEXT"],
        ["check-gpu", "--lang", "TEXT"],
    ],
    ids=" ".join,
)
def test_what_was_typed_is_shown_by_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A script may have typed it from a foreign file's name."""
    with contextlib.suppress(SystemExit):
        main([word.replace("TEXT", COMMANDS.replace("\x00", "")) for word in words])
    assert not OBEYED.search("".join(capsys.readouterr()))


def test_a_table_and_a_report_on_a_terminal_obey_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr(terminal, "drawing", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.say_table([COMMANDS, "b"], [[COMMANDS, "[red]c[/red]"]])
    terminal.say_markdown(COMMANDS)
    assert not OBEYED.search(out.getvalue())
    assert "[red]c[/red]" in out.getvalue()


def test_nothing_is_printed_past_the_one_door() -> None:
    folder = Path(terminal.__file__).parent
    past = re.compile(r"(?<![\w.])print\(|std(?:out|err)\.write\((?!f\"\\r\{on_one_line)")
    files = [file for file in folder.glob("*.py") if file.name != "terminal.py"]
    assert len(files) > 4
    assert [file.name for file in files if past.search(file.read_text("utf-8"))] == []


@given(st.text())
def test_shown_is_never_obeyed_can_be_written_down_and_leaves_other_text_alone(text: str) -> None:
    assert not OBEYED.search(shown(text))
    shown(text).encode("utf-8")
    assert str(VramwiseError(text)) == shown(text)
    if not OBEYED.search(text):
        assert shown(text) == text


def test_marks_that_arabic_and_hebrew_need_stay() -> None:
    text = "\u05d0\u200f \u0627\u200e\n\t\u3000\u00a0\u200d"
    assert shown(text) == text
