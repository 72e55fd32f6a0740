"""The command line answers for what was asked: a device that is not here, a number out of its range, an
option that counts for nothing here.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from vramwise.catalog import language
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.models.names import model_id
from vramwise.ocr.remote.endpoints import resolve
from vramwise.option_values import check_choice
from vramwise.settings import Settings


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "page.png"
    Image.new("RGB", (96, 48), "white").save(path)
    return str(path)


# --- a device that is not here -----------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:7", "xpu:3", "mps", "gpu", "cuda:-1", "cpu:1", "", "cuda:0:0"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_other_device_answers_for_one_that_is_not_here(
    device: str, form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    code, out, err = run("check-gpu", "--device", device, *form)
    assert code == 2
    assert json.loads(out)["error"]["code"] == "unknown_name" if form else out == ""
    assert f'The device "{device}" is not on this machine.' in err and "cpu" in err


@pytest.mark.parametrize("device", ["auto", "cpu", "CPU"])
def test_a_device_that_is_here_answers(device: str) -> None:
    code, out, _ = run("check-gpu", "--device", device, "--json")
    assert code == 0 and json.loads(out)["machine"]["chosen"] == "cpu"


# --- what is ignored ---------------------------------------------------------------------------------------

IGNORED = [
    (("--precision", "int4"), "precision int4"),
    (("--task", "custom"), "The task custom is ignored"),
    (("--task", "table"), "The task table is ignored"),
    (("--prompt", "Translate."), "The prompt is ignored"),
]


@pytest.mark.parametrize(("option", "said"), IGNORED)
def test_what_the_built_in_engine_ignores_is_said(option: tuple[str, ...], said: str, picture: str) -> None:
    code, _, err = run("ocr", picture, *option)
    assert code == 0 and said in err
    code, out, err = run("ocr", picture, *option, "--json")
    assert any(said in note for note in json.loads(out)[0]["notes"]) and said in err


@pytest.mark.parametrize(("option", "said"), IGNORED)
def test_a_job_into_a_folder_says_it_once(
    option: tuple[str, ...], said: str, picture: str, tmp_path: Path
) -> None:
    code, _, err = run("ocr", picture, picture, *option, "--out", str(tmp_path / "out"))
    assert code == 0 and err.count(said) == 1


def test_nothing_is_said_where_nothing_is_ignored(picture: str, tmp_path: Path) -> None:
    _, _, err = run("ocr", picture, "--task", "markdown", "--out", str(tmp_path / "out"))
    assert "ignored" not in err.lower()


def test_the_precision_of_an_endpoint_is_its_servers(picture: str) -> None:
    _, _, err = run("ocr", picture, "--endpoint", "localhost:9", "--precision", "int4")
    assert "--precision int4 is ignored" in err


def test_a_plan_of_the_built_in_engine_says_what_is_ignored() -> None:
    code, out, _ = run("plan", "rapid", "--precision", "int4")
    assert code == 0 and "precision int4" in out
    code, out, err = run("plan", "rapid", "--precision", "int4", "--json")
    assert code == 0 and "precision int4" in err and json.loads(out)["model"] == "rapid"
    assert run("plan", "rapid", "--precision", "int99")[0] == 2
    assert "--tiers is ignored" in run("advise", "--gpu", "RTX 3060 12 GB", "--tiers", "--json")[2]


@pytest.mark.parametrize("lang", ["en", "ru", "zh"])
def test_dots_an_inch_of_no_pdf_are_said_to_be_ignored(lang: str, picture: str, tmp_path: Path) -> None:
    def told(*options: str) -> str:
        return run("ocr", picture, *options, "--lang", lang)[2]

    assert "--dpi 300" in told("--dpi", "300") and "--dpi" not in told()
    assert "--dpi" not in told("--dpi", "300", "--format", "pdf", "--out", str(tmp_path / "made"))
    (tmp_path / "not.pdf").write_bytes(b"%PDF-")
    assert "--dpi" not in told(str(tmp_path / "not.pdf"), "--dpi", "300")


# --- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *((("ocr", "x.png", "--megapixels", value), "from 0 to 1000")
          for value in ("nan", "inf", "-1", "1e300", "many", "")),
        *((("ocr", "x.png", "--dpi", value), "from 36 to 1200") for value in ("0", "1e3", "9" * 30, "-36")),
        *((("plan", "rapid", "--batch", value), "from 1 to 4096") for value in ("0", "-3", "9" * 30, "2.5")),
        *((("advise", "--gpu", "RTX 3060 12 GB", "--ram-gib", value), "GiB from")
          for value in ("nan", "-5", "inf")),
        *((("advise", "--vram-gib", value), "is no memory size") for value in ("nan", "inf", "-5", "1e300")),
        *((("plan", "rapid", "--vram-gib", value), "is no memory size") for value in ("nan", "inf", "0")),
    ],
)  # fmt: skip
def test_a_number_out_of_its_range_is_a_sentence(words: tuple[str, ...], said: str) -> None:
    code, out, err = run(*words)
    assert code == 2 and out == "" and said in err and "Traceback" not in err


OPTIONS = [
    ("ocr x.png --megapixels", ("12,5", "0")),
    ("ocr x.png --dpi", ()),
    ("ocr x.png --temperature", ("0",)),
    ("ocr x.png --seed", ("0",)),
    ("plan qwen3_vl_8b --vram-gib", ("12GB", "12,5")),
    ("plan flux1-dev --vram-gib 8 --ram-gib", ("12GB", "12,5")),
    ("plan flux1-dev --vram-gib 8 --frames", ()),
    ("plan flux1-dev --vram-gib 8 --batch", ()),
    ("plan flux1-dev --vram-gib 8 --size", ()),
    ("advise --vram-gib", ("12GB", "12,5")),
    ("advise --vram-gib 8 --ram-gib", ("12GB", "12,5")),
    ("advise --task which-gpu --max-watts", ("12,5",)),
]
NO_NUMBERS = ("-3", "0", "nan", "inf", "-inf", "1e99", "12GB", "-12GB", "12,5", "-0,5", "1,024.5", "")
REFUSED = {
    "en": "argument --",
    "ru": "\u041f\u0430\u0440\u0430\u043c\u0435\u0442\u0440 --",
    "zh": "\u53c2\u6570 --",
}


@pytest.mark.parametrize("lang", REFUSED)
@pytest.mark.parametrize(("command", "taken"), OPTIONS)
def test_every_number_is_refused_alike_in_every_language(
    command: str, taken: tuple[str, ...], lang: str
) -> None:
    for value in NO_NUMBERS:
        if value in taken:
            continue
        code, out, err = run(*command.split(), value, "--lang", lang)
        assert (code, out, err.count("\n")) == (2, "", 1), value
        assert err.startswith(f"vramwise: {REFUSED[lang]}")
        told = re.sub(r"`[^`]*`|'[^']*'|--[a-z/-]+", "", err.removeprefix("vramwise: "))
        assert re.search(r"\d", told), "it says what is allowed"
        assert lang == "en" or not re.search(r"\b(is|the|no|number|size|takes|automatic)\b", told), told


# --- a name that is no text --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 5, -1.5, float("nan"), True, [], ["auto"], {"a": 1}, b"auto"])
def test_whatever_is_given_for_a_name_is_unknown_in_a_sentence(value: object) -> None:
    for refused in (
        lambda: check_choice("precision", value, ("auto", "int8")),  # type: ignore[arg-type]
        lambda: language(value),  # type: ignore[arg-type]
        lambda: resolve(value, Settings()),  # type: ignore[arg-type]
        lambda: model_id(value),  # type: ignore[arg-type]
    ):
        with pytest.raises(VramwiseError):
            refused()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ocr", ""), "One of the inputs is empty"),
        (("ocr", "PICTURE", " "), "One of the inputs is empty"),
        (("ocr", "PICTURE", "--out", ""), "--out names no folder"),
        (("ocr", "PICTURE", "--history", ""), "--history names no file"),
    ],
)
def test_an_empty_path_is_never_the_folder_one_stands_in(
    words: tuple[str, ...], said: str, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, told = run(*(picture if word == "PICTURE" else word for word in words))
    assert (code, out) == (2, "") and said in told
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resume",), "name it with --out DIR"),
        (("--format", "pdf"), "name a folder for it with --out DIR"),
        (("--format", "xlsx"), "name a folder for it with --out DIR"),
        (("--together", "--out", "o"), "leave out --out, or --together"),
        (("--history", "h.txt", "--out", "o"), "leave out --out, or --history"),
    ],
)
def test_options_that_need_or_exclude_each_other_are_wrong_usage(
    words: tuple[str, ...], said: str, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, told = run("ocr", picture, *words)
    assert (code, out) == (2, "") and said in told and not (tmp_path / "o").exists()


@pytest.mark.parametrize("task", ["custom", "text"])
def test_a_history_gets_no_answer_that_nobody_gave(picture: str, tmp_path: Path, task: str) -> None:
    history = tmp_path / "talk.txt"
    history.write_text("user: a\nassistant: b\n", encoding="utf-8")
    code, _, told = run("ocr", picture, "--task", task, "--prompt", "How much?", "--history", str(history))
    assert code == 1 and "was left as it is: no question was answered" in told
    assert history.read_text(encoding="utf-8") == "user: a\nassistant: b\n"


def test_a_history_is_not_forgotten_where_pages_go_into_a_folder(picture: str, tmp_path: Path) -> None:
    code, _, told = run("ocr", picture, "--out", str(tmp_path / "o"), "--history", str(tmp_path / "h.txt"))
    assert code == 2 and "leave out --out, or --history" in told and not (tmp_path / "o").exists()


@pytest.mark.parametrize("words", [["ocr", "-page.png"], ["ocr", "other.png", "-page.png"]])
def test_a_file_whose_name_begins_with_a_dash_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "-page.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "Write ./-page.png for the file of that name." in err
    assert "There is no option" in run("ocr", "-other.png", "x")[2] or "INPUT" in run("ocr", "-other.png")[2]


def test_a_models_folder_that_takes_no_file_is_not_passed_over_for_another(tmp_path: Path) -> None:
    """It went into the next models folder, a gigabyte of it, without a word."""
    (tmp_path / "taken").write_bytes(b"")
    for name in ("taken", "taken/below"):
        code, _, err = run("download", "eslav", "--models-dir", str(tmp_path / name))
        assert code == 1 and f"Nothing can be written to {tmp_path / name}: " in err, err
        assert "Give another --models-dir." in err and "Errno" not in err


def test_a_history_that_is_a_folder_is_told_in_words(tmp_path: Path, picture: str) -> None:
    model = ("--model", "qwen3_vl_2b", "--task", "custom", "--prompt", "x")
    code, _, err = run("ocr", picture, *model, "--history", str(tmp_path))
    assert code == 1 and "cannot be read: " in err and "Errno" not in err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[CPU] GroupConvolution node with name 'Conv.78' can't alloc"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=["Python", "OpenVINO", "C++"],
)
def test_where_memory_runs_out_a_command_says_so(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of 1.5 GB showed a traceback of forty lines."""

    def full(*_: object) -> int:
        raise error

    monkeypatch.setattr("vramwise.cli._run", full)
    code, out, err = run("ocr", "page.png")
    assert (code, out) == (1, "") and err.startswith("vramwise: The memory of this machine (RAM) ran out.")


def test_another_error_is_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr("vramwise.cli._run", broken)
    with pytest.raises(RuntimeError, match="dictionary"):
        run("gpus")
