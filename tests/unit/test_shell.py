"""Hints are command lines that run as they stand: on a portable Windows, in custom_nodes, after pip."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vramwise import cli, shell
from vramwise.catalog.sentences import _patterns, _whole
from vramwise.catalog.words import LANGUAGES, in_language, words
from vramwise.host import Places
from vramwise.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PORTABLE = r"C:\ComfyUI_windows_portable\python_embeded\python.exe"
CYRILLIC = "D:\\\u041c\u043e\u0438 AI\\python_embeded\\python.exe"


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shell, "_is_installed", lambda: False)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    yield
    for kept in (words, _whole, _patterns):
        kept.cache_clear()


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (PORTABLE, rf'{PORTABLE} -s -m pip install "rapidocr>=3.10" pikepdf'),
        (
            CYRILLIC,
            rf'& "{CYRILLIC}" -s -m pip install "rapidocr>=3.10" pikepdf'
            " (in PowerShell; in cmd without the &)",
        ),
        (
            r"C:\AI (2)\venv\Scripts\python.exe",
            r'& "C:\AI (2)\venv\Scripts\python.exe" -m pip install "rapidocr>=3.10" pikepdf'
            " (in PowerShell; in cmd without the &)",
        ),
        (
            r"\\nas\models, AI\python.exe",
            r'& "\\nas\models, AI\python.exe" -m pip install "rapidocr>=3.10" pikepdf'
            " (in PowerShell; in cmd without the &)",
        ),
        (
            r"\\?\D:\AI\python.exe",
            r'& "\\?\D:\AI\python.exe" -m pip install "rapidocr>=3.10" pikepdf'
            " (in PowerShell; in cmd without the &)",
        ),
        (
            r"C:\AI $1\python.exe",
            r'& "C:\AI `$1\python.exe" -m pip install "rapidocr>=3.10" pikepdf'
            r' (in PowerShell; in cmd: "C:\AI $1\python.exe" -m pip install "rapidocr>=3.10" pikepdf)',
        ),
        (r"\\nas\ai\python.exe", r'\\nas\ai\python.exe -m pip install "rapidocr>=3.10" pikepdf'),
        ("/opt/comfy/bin/python", '/opt/comfy/bin/python -m pip install "rapidocr>=3.10" pikepdf'),
        ("/home/anna/my ai/python", '"/home/anna/my ai/python" -m pip install "rapidocr>=3.10" pikepdf'),
    ],
)
def test_the_pip_line_is_of_this_python_in_every_shell(
    python: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    assert shell.pip_line("rapidocr>=3.10", "pikepdf") == said


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        (
            "D:\\\u041c\u043e\u0438 \u043c\u043e\u0434\u0435\u043b\u0438\\",
            '"D:\\\u041c\u043e\u0438 \u043c\u043e\u0434\u0435\u043b\u0438"',
        ),
        ("D:\\\u041c\u043e\u0434\u0435\u043b\u0438", "D:\\\u041c\u043e\u0434\u0435\u043b\u0438"),
        ("\\\\nas\\my models\\", '"\\\\nas\\my models"'),
        ("C:\\AI, two", '"C:\\AI, two"'),
        ("C:\\", "C:\\"),
    ],
)
def test_a_folder_is_one_word_to_cmd_and_powershell(word: str, typed: str) -> None:
    assert shell.quoted(word) == typed


@pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != "en"])
def test_the_remark_about_cmd_is_told_in_the_readers_language(lang: str) -> None:
    for remark in (shell.line(CYRILLIC, "-m", "pip"), shell.line(r"C:\$a\python.exe", "x y")):
        assert "; in cmd" in remark and "; in cmd" not in in_language(remark, lang)


@pytest.mark.parametrize("uv", [None, "/usr/bin/uv"])
def test_an_environment_without_pip_is_given_to_uv_or_gets_its_pip(
    uv: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/anna/.venv/bin/python")
    monkeypatch.setattr(shell, "_has_pip", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: uv)
    by_uv = "uv pip install --python /home/anna/.venv/bin/python pikepdf"
    by_pip = (
        "/home/anna/.venv/bin/python -m ensurepip, then /home/anna/.venv/bin/python -m pip install pikepdf"
    )
    assert shell.pip_line("pikepdf") == (by_uv if uv else by_pip)
    for lang in LANGUAGES:
        told = in_language(f"tesserocr is not installed; {shell.pip_line('tesserocr')} adds it", lang)
        assert "tesserocr is" not in told or lang == "en"
        assert ", then" not in told or lang == "en"


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        ("/usr/local/bin/vramwise", "vramwise download eslav"),
        (r"C:\Python312\Scripts\vramwise.exe", "vramwise download eslav"),
        ("scripts/vramwise.py", f"{sys.executable} {ROOT / 'scripts' / 'vramwise.py'} download eslav"),
        (r"ComfyUI\main.py", f"{sys.executable} {ROOT / 'scripts' / 'vramwise.py'} download eslav"),
    ],
)
def test_a_command_is_named_as_it_was_called_or_as_it_can_be(
    typed: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [typed])
    assert shell.own_line("download", "eslav") == begins


def test_an_installed_package_off_path_is_run_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SCRIPT", ROOT / "nowhere.py")
    assert shell.own_line("models") == f"{sys.executable} -m vramwise models"


@pytest.mark.parametrize("hosted", [True, False])
def test_a_hint_runs_as_it_stands(hosted: bool, tmp_path: Path) -> None:
    folder = tmp_path / "\u041c\u043e\u0438 \u043c\u043e\u0434\u0435\u043b\u0438 (1)"
    machine = Settings(places=Places(folder, (folder,), hosted=hosted))
    line = machine.command("download", "eslaw")
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, "eslav" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_names_a_command_that_is_not_called_so(
    lang: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kept in (words, _whole, _patterns):
        kept.cache_clear()
    script = f"{sys.executable} {ROOT / 'scripts' / 'vramwise.py'}"
    assert [text for text in words(lang).values() if "`vramwise " in text] == []
    assert cli.main(["plan", "qwen3_vl_2b", "--gpu", "Voodoo 3", "--lang", lang]) == 2
    assert f"`{script} gpus`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["plan", "--help", "--lang", lang])
    told = "".join(capsys.readouterr().out.split())
    assert f"`{script} gpus`".replace(" ", "") in told


def test_command_lines_in_code_are_written_so_that_they_are_found() -> None:
    bare = re.compile(r"[:(] ?vramwise (download|models|gpus|cache|check|plan|advise|doctor|ocr)")
    sources = [path for place in ("core", "nodes") for path in (ROOT / place).rglob("*.py")]
    texts = {path: re.sub(r'""".*?"""|#.*', "", path.read_text("utf-8"), flags=re.DOTALL) for path in sources}
    assert [path for path, text in texts.items() if bare.search(text)] == []
