"""Consoles and pipes of every encoding: what is set is honoured, nothing raises, no answer is lost."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from vramwise.catalog.words import LANGUAGES
from vramwise.cli import GROUPS, main, streams
from vramwise.doctor import checks
from vramwise.models.handle import OCRHandle
from vramwise.ocr.results.result import OCRResult

TYPED = (
    "",
    "advise --vram-gib 8,5 --ram-gib 16",
    "cache list",
    "check-gpu",
    "compare 3090 4090",
    "doctor",
    "download nothing",
    "gpus 5090",
    "models",
    "ocr page.png",
    "ocr nowhere.png",
    "plan qwen3_vl_8b --vram-gib 8,5",
    "plan flux1-dev --gpu 3090",
)
ENCODINGS = ("cp1251", "cp866", "gbk", "ascii")
HAVE = {"ru": ("cp1251", "cp866", "gbk"), "zh": ("gbk",), "en": ENCODINGS}
OF_A_LANGUAGE = {"en": "the", "ru": "\u043d\u0435", "zh": "\u7684"}
READ = "\u041c\u043e\u0441\u043a\u0432\u0430 \u2014 \u5317\u4eac caf\u00e9"  # Moscow, Beijing, a cafe


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    Image.new("RGB", (30, 20)).save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)
    page = OCRResult(READ, READ, (), 30, 20, "stop", "rapid", "auto", 0.1)
    monkeypatch.setattr(OCRHandle, "read", lambda self, images, *more, **options: [page for _ in images])
    for heavy in ("builtin", "system", "libraries"):  # a page read and two large packages imported for lines
        monkeypatch.delitem(checks._CHECKS, heavy)


def run(typed: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code and everything that a reader of ``encoding`` sees."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    try:
        code = main(typed.split())
    except SystemExit as ended:
        code = int(ended.code or 0)
    out.flush(), err.flush()
    seen = b"".join(stream.buffer.getvalue() for stream in (out, err))  # type: ignore[attr-defined]
    return code, seen.decode(encoding)


def test_every_verb_is_tried() -> None:
    verbs = {verb for its in GROUPS.values() for verb in its}
    assert {typed.partition(" ")[0] for typed in TYPED} == {"", *verbs}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_verb_answers_in_every_encoding(
    encoding: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ""
    for typed in TYPED:
        code, seen = run(f"{typed} --lang {lang}", encoding, monkeypatch)
        assert code in (0, 1, 2) and seen.strip(), typed
        if typed != "ocr page.png":
            assert seen.count("?") <= 2, (typed, seen)  # "Did you mean ...?"
        told += seen
    spoken = lang if encoding in HAVE[lang] else "en"  # a language without its letters is no answer
    assert OF_A_LANGUAGE[spoken] in told


@pytest.mark.parametrize(
    ("encoding", "seen"),
    [
        ("utf-8", READ),
        ("gbk", "\u041c\u043e\u0441\u043a\u0432\u0430 \u2014 \u5317\u4eac caf\u00e9"),
        ("cp1251", "\u041c\u043e\u0441\u043a\u0432\u0430 \u2014 ?? cafe"),
        ("cp866", "\u041c\u043e\u0441\u043a\u0432\u0430 - ?? cafe"),
        ("ascii", "?????? - ?? cafe"),
    ],
)
def test_what_was_read_is_written_as_near_as_can_be(
    encoding: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = run("ocr page.png", encoding, monkeypatch)
    assert code == 0 and told.startswith(f"{seen}\n")
    assert ("PYTHONIOENCODING=utf-8" in told) == ("?" in seen)
    code, told = run("ocr page.png --json", encoding, monkeypatch)
    assert json.loads(told)[0]["text"] == READ


def test_hocr_is_whole_in_every_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("ocr page.png --format hocr", "utf-8", monkeypatch)[1]
    assert (
        run("ocr page.png --format hocr", "ascii", monkeypatch)[1]
        == whole.encode("ascii", "xmlcharrefreplace").decode()
    )


@pytest.mark.parametrize(
    ("platform", "environ", "spelt"),
    [
        ("linux", {}, "cp866"),  # Python has asked the locale
        ("win32", {}, "utf-8"),
        ("win32", {"PYTHONIOENCODING": "cp866"}, "cp866"),
        ("win32", {"PYTHONUTF8": "0"}, "cp866"),
    ],
)
def test_what_the_person_has_set_is_honoured(
    platform: str, environ: dict[str, str], spelt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONIOENCODING", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), "cp866"))
    streams.settle()
    assert sys.stdout.encoding == spelt


def test_a_handler_that_raises_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, taken in (("ascii:strict", streams.LIKENESS), ("ascii:backslashreplace", "backslashreplace")):
        monkeypatch.setenv("PYTHONIOENCODING", asked)
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        streams.settle()
        assert sys.stdout.errors == taken


def test_without_a_home_folder_everything_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobodys() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobodys)
    for typed in ("models", "doctor", "plan qwen3_vl_8b --vram-gib 8", "ocr page.png"):
        code, told = run(typed, "utf-8", monkeypatch)
        assert code in (0, 1) and "home directory" not in told, typed
