"""What one types, the exit code and the first line that comes back: a table of invocations."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from vramwise.catalog.words import LANGUAGES
from vramwise.cli import GROUPS, main
from vramwise.cli.language import language_of_environment, named_language

TABLE = Path(__file__).with_name("cli_invocations.csv")
with TABLE.open(encoding="utf-8", newline="") as file:
    ROWS = [(row["command"], int(row["code"]), row["first_line"]) for row in csv.DictReader(file)]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two pictures, a user folder of its own, and an English system without a GPU."""
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("VRAMWISE_MODELS", "VRAMWISE_CONFIG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("vramwise.cli.language._windows_language", lambda: 9)
    for name in ("one.png", "book.tif"):
        Image.new("RGB", (30, 20)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(("command", "code", "first"), ROWS, ids=[row[0] or "nothing" for row in ROWS])
def test_an_invocation_ends_as_the_table_says(command: str, code: int, first: str) -> None:
    ended, out, err = run(*shlex.split(command))
    assert ended == code
    said = err if code else out or err
    assert said.partition("\n")[0].startswith(first)
    assert "usage:" not in err and "invalid choice" not in err and "Traceback" not in err
    assert not (code and out), "what failed says so on standard error alone"


def test_the_table_is_long_and_has_every_verb_and_language() -> None:
    commands = [row[0] for row in ROWS]
    assert len(set(commands)) == len(commands) >= 60
    assert {verb for its in GROUPS.values() for verb in its} <= {
        command.split(" ")[0] for command in commands
    }
    assert all(any(f"--lang {lang}" in command for command in commands) for lang in ("ru", "zh"))


@pytest.mark.parametrize("variable", ["LC_ALL", "LC_MESSAGES", "LANG"])
@pytest.mark.parametrize(
    ("value", "begins"), [("ru_RU.UTF-8", "\u041a"), ("zh_CN", "\u6ca1"), ("de_DE", "T")]
)
def test_the_system_says_the_language(
    variable: str, value: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert run("frobnicate")[2].removeprefix("vramwise: ").startswith(begins)
    assert run("frobnicate", "--lang", "en")[2].startswith("vramwise: There is no verb")


def test_c_before_lang_and_windows_where_neither_says_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    monkeypatch.setenv("LC_ALL", "C")
    assert run("frobnicate")[2].startswith("vramwise: There is no verb")
    monkeypatch.delenv("LC_ALL")
    monkeypatch.delenv("LANG")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("vramwise.cli.language._windows_language", lambda: 0x0419)
    assert run("frobnicate")[2].startswith("vramwise: \u041a")


RU, ZH = "ru_RU.UTF-8", "zh_CN.GB18030"


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({"LANG": RU}, "ru"),
        ({"LANG": "ru"}, "ru"),
        ({"LANG": "Russian_Russia.1251"}, "ru"),
        ({"LANG": "Chinese (Simplified)_China.936"}, "zh"),
        ({"LANG": ZH, "LC_MESSAGES": RU}, "ru"),
        ({"LANG": RU, "LC_ALL": ZH}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "ru"}, "ru"),
        ({"LANG": ZH, "LANGUAGE": "de:ru_RU:en"}, "ru"),
        ({"LANG": RU, "LANGUAGE": "en:ru"}, "en"),
        ({"LANG": RU, "LANGUAGE": "de:fr"}, "en"),
        ({"LANG": RU, "LANGUAGE": "::"}, "ru"),
        ({"LANG": RU, "LC_ALL": "", "LANGUAGE": ""}, "ru"),
        ({"LANG": "C", "LANGUAGE": "ru"}, "en"),  # as gettext: C is for machines
        ({"LANG": RU, "LC_ALL": "C.UTF-8", "LANGUAGE": "ru"}, "en"),
        ({"LANG": RU, "LC_ALL": "POSIX"}, "en"),
        ({"LANGUAGE": "ru"}, "en"),
        ({"LANG": "uk_UA.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_is_asked_as_gettext_asks_it(environ: dict[str, str], lang: str) -> None:
    assert language_of_environment(environ) == lang


def test_windows_without_variables_speaks_as_its_windows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    for number, lang in ((0x0419, "ru"), (0x0804, "zh"), (0x0404, "zh"), (0x0407, "en")):
        monkeypatch.setattr("vramwise.cli.language._windows_language", lambda number=number: number)
        assert language_of_environment({}) == lang
        assert language_of_environment({"LANGUAGE": "ru:en"}) == "ru"


def test_alone_it_speaks_russian_on_a_russian_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", RU)
    _, out, _ = run()
    assert [bool(re.search("[\u0430-\u044f]{4}", line)) for line in out.splitlines()] == 5 * [True]


RUSSIAN = "\u0440\u0443\u0441\u0441\u043a\u0438\u0439"
RUSSIAN = "\u0440\u0443\u0441\u0441\u043a\u0438\u0439"
CALLED = {
    "ru": ("RU", "ru-RU", "ru_RU.UTF-8", "ru_RU@euro", "russian", "Russian_Russia.1251", RUSSIAN),
    "zh": ("ZH", "zh-CN", "zh_Hans", "zh-Hant-TW", "Chinese", "Simplified Chinese", "\u4e2d\u6587"),
    "en": ("EN", "en-GB", "en_US.UTF-8", "English"),
    "": ("de", "xx", "klingon", "C", "POSIX", "", "-", "12", "r", "runic", "zhx", "u\u0440"),
}


@pytest.mark.parametrize(("lang", "text"), [(lang, text) for lang, its in CALLED.items() for text in its])
def test_a_language_may_be_called_by_any_of_its_names(lang: str, text: str) -> None:
    assert named_language(text) == lang
    if lang:
        assert run("gpus", "5090", "--lang", text) == run("gpus", "5090", "--lang", lang)
    else:
        code, out, err = run("gpus", "5090", f"--lang={text}")
        assert (code, out) == (2, "") and "en, ru, zh" in err


@pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != "en"])
def test_no_help_stays_english(lang: str) -> None:
    """Apart from names of options and their values."""
    for verb in (verb for its in GROUPS.values() for verb in its):
        code, out, _ = run(verb, "--help", "--lang", lang)
        english = [
            line
            for line in out.splitlines()
            if line.isascii() and any(word in line for word in (" the ", " of ", " default", "show this"))
        ]
        assert code == 0 and english == [], verb


@pytest.mark.parametrize("lang", LANGUAGES)
def test_alone_it_says_in_five_lines_what_one_can_do(lang: str) -> None:
    code, out, err = run("--lang", lang)
    assert (code, err) == (0, "") and len(out.splitlines()) == 5
    assert all(line.startswith("vramwise ") for line in out.splitlines())


@pytest.mark.parametrize("words", [("--lang", "ru", "frobnicate"), ("--lang=ru", "frobnicate")])
def test_the_language_may_stand_before_the_verb(words: tuple[str, ...]) -> None:
    assert run(*words)[2].startswith("vramwise: \u041a")


def test_json_is_the_same_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run("gpus", "4060", "--json")
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    assert run("gpus", "4060", "--json") == before
