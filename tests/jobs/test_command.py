"""``vramwise ocr`` with the built-in engine: what it prints, what it ends with, what it refuses at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vramwise.cli import main
from vramwise.ocr.results.from_json import pages_from, parse_json


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A picture of 1200 x 400 pixels that says HELLO, of a name that looks like a book's page."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (1200, 400), "white")
    ImageDraw.Draw(picture).text((200, 120), "HELLO", font=ImageFont.load_default(150), fill="black")
    picture.save(tmp_path / "my_page.png")
    return tmp_path / "my_page.png"


def test_places_are_in_the_original_picture_also_when_a_smaller_one_is_read(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = []
    for megapixels in ("0", "0.1"):
        assert main(["ocr", str(page), "--json", "--megapixels", megapixels]) == 0
        (record,) = json.loads(capsys.readouterr().out)
        assert (record["width"], record["height"], record["text"]) == (1200, 400, "HELLO")
        (region,) = pages_from([record])[0].regions
        boxes.append(region.box)
    assert boxes[0] == pytest.approx(boxes[1], abs=40)


def test_what_is_printed_and_what_is_written_goes_into_convert_regions(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = page.parent / "out"
    assert main(["ocr", str(page), "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)[0]["file"] == str(page), "a picture has no page number"
    assert main(["ocr", str(page), "--format", "json", "--out", str(out)]) == 0
    for text in (printed, (out / "my_page.json").read_text(encoding="utf-8")):
        (read,) = pages_from(parse_json(text))
        assert read.text == "HELLO"


def test_only_pages_of_several_have_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    white = Image.new("RGB", (64, 64), "white")
    white.save(tmp_path / "book.tif", save_all=True, append_images=[white])
    assert main(["ocr", str(tmp_path / "book.tif"), "--json"]) == 0
    files = [record["file"] for record in json.loads(capsys.readouterr().out)]
    assert files == [f"{(tmp_path / 'book.tif').as_posix()}#{number}" for number in (1, 2)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--model", "qwen3_vl_2b"], "Qwen3-VL 2B is not on this machine"),
        (["--language", "xx"], '"xx" is not a language'),
        (["--language", "ru"], "Russian text (Cyrillic script) cannot be read"),
        (["--model", "tesseract", "--language", "ru"], "Tesseract"),
    ],
)
def test_what_all_pages_would_fail_for_is_said_once_and_the_right_command_follows(
    page: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wrong: list[str],
    said: str,
) -> None:
    (page.parent / "config.yaml").write_text(f"models_dir: {page.parent.as_posix()}\n", encoding="utf-8")
    monkeypatch.setenv("VRAMWISE_CONFIG", str(page.parent / "config.yaml"))
    monkeypatch.setenv("HF_HUB_CACHE", str(page.parent / "hub"))
    monkeypatch.setattr(
        "vramwise.ocr.engines.language_routing.find_traineddata", lambda names, settings: None
    )
    monkeypatch.setattr("vramwise.ocr.engines.language_routing.find", lambda row, settings: None)
    (page.parent / "other.png").write_bytes(page.read_bytes())
    inputs = [str(page), str(page.parent / "other.png")]
    out = page.parent / "out"
    for place in (["--out", str(out)], []):
        assert main(["ocr", *inputs, *place, *wrong]) == (2 if "xx" in wrong else 1)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("vramwise: ") and said in line
    assert main(["ocr", *inputs, "--out", str(out), "--language", "en", "--resume"]) == 0
    assert capsys.readouterr().err == f"2 pages in {out}; 0 failed.\n"


def test_the_last_line_counts_what_is_there_now(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scans, out = page.parent / "scans", page.parent / "out"
    scans.mkdir()
    (scans / "a.png").write_bytes(page.read_bytes())
    (scans / "bad.png").write_bytes(b"no picture")
    command = ["ocr", str(scans), "--out", str(out)]
    assert main(command) == 3
    assert capsys.readouterr().err.splitlines()[-1] == f"1 page in {out}; 1 failed."
    (scans / "bad.png").unlink()
    assert main([*command, "--resume"]) == 0
    assert capsys.readouterr().err == f"1 page in {out}, 1 of them before; 0 failed.\n"


def test_nothing_read_at_all_is_a_failure_not_a_part_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert main(["ocr", str(tmp_path / "bad.png"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.endswith("; 1 failed.\n")
