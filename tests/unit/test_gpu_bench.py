"""The session on a lent card: what breaks or is stopped costs one part of it, and no figure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import gpu

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., gpu.Session]:
    """``session(minutes)``: of a card that is not there, with a file that comes back and one that stays."""
    import torch

    card = SimpleNamespace(name="Card", total_memory=8 * gpu.GIB, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    monkeypatch.setattr(gpu, "_card_answers", lambda: True)
    monkeypatch.setattr(gpu.faulthandler, "dump_traceback_later", lambda *args, **more: None)

    def made(minutes: float = 20) -> gpu.Session:
        return gpu.Session(
            tmp_path / "out" / "session.json", minutes, False, tmp_path / "keep" / "session.json"
        )

    return made


def written(session: gpu.Session) -> dict[str, Any]:
    both = [json.loads(file.read_text()) for file in (session.out, session.keep) if file]
    assert both[0] == both[1]
    return both[0]


def test_each_row_is_in_both_files_at_once(session: Callable[..., gpu.Session]) -> None:
    one = session()
    with one.part("2b bf16"):
        one.add(load_seconds=1.5)
        found = written(one)
        assert (found["rows"], found["now"], found["finished"]) == ([{"load_seconds": 1.5}], "2b bf16", False)


def test_what_fails_is_named_and_what_follows_it_is_measured(session: Callable[..., gpu.Session]) -> None:
    one = session()
    with one.part("2b bf16"):
        with one.step("2b bf16 16 at once"):
            raise RuntimeError("no memory")
        one.add(cancel_milliseconds=20)
    with one.part("2b int8"):
        raise ValueError("no kernel")
    found = written(one)
    assert found["failed"] == [
        "2b bf16 16 at once: RuntimeError: no memory",
        "2b int8: ValueError: no kernel",
    ]
    assert found["rows"] == [{"cancel_milliseconds": 20}] and "now" not in found


def test_a_part_that_took_the_process_with_it_is_named_and_left_out_by_the_next_process(
    session: Callable[..., gpu.Session],
) -> None:
    one = session()
    with one.part("2b bf16"):
        one.add(load_seconds=1.5)
    part = one.part("2b int8")
    part.__enter__()  # and here it ends
    again = session()
    again.out.unlink()  # a command's folder begins empty; the other file stays on the machine
    again.resume(["2b bf16"])
    assert again.found["rows"] == [{"load_seconds": 1.5}]
    assert again.found["failed"] == ["2b int8: the process ended in the middle of it"]
    assert [name for name in ("2b bf16", "2b int8", "2b int4") if again.begins(name)] == ["2b int4"]


def test_where_the_card_answers_no_more_a_new_process_is_asked_for(
    session: Callable[..., gpu.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = session()
    monkeypatch.setattr(gpu, "_card_answers", lambda: False)
    with pytest.raises(SystemExit) as end, one.part("2b bf16"), one.step("2b bf16 4 at once"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    assert end.value.code == gpu.RESUME
    again = session()
    again.resume(["2b bf16"])
    assert again.found["failed"] == [
        "2b bf16 4 at once: RuntimeError: CUDA error: an illegal memory access was encountered",
        "2b bf16 4 at once: the card's context is broken, a new process goes on",
    ]
    assert not again.begins("2b bf16") and again.begins("2b int8")


def test_a_finished_session_and_one_of_another_card_are_not_gone_on_with(
    session: Callable[..., gpu.Session],
) -> None:
    for name, value in (("finished", True), ("card", "Other")):
        one = session()
        one.found |= {name: value, "begun": ["2b bf16"]}
        one.write()
        again = session()
        again.resume(["2b bf16"])
        assert again.begins("2b bf16"), name


def test_a_session_of_one_model_goes_on_with_another(session: Callable[..., gpu.Session]) -> None:
    one = session()
    one.found |= {"finished": True, "begun": ["2b bf16"], "rows": [{"model": "2b"}]}
    one.write()
    again = session()
    again.resume(["8b bf16"])
    assert again.found["rows"] == [{"model": "2b"}] and not again.found["finished"]
    assert again.begins("8b bf16") and not again.begins("2b bf16")


def test_when_time_is_up_nothing_is_begun_the_files_stay_and_the_next_call_goes_on(
    session: Callable[..., gpu.Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built, measured = [], []

    def build(model: str, folder: Path, cut: bool) -> None:
        built.append(model)
        folder.mkdir(parents=True)

    def measure(one: gpu.Session, model: str, precision: str, attention: str = "auto") -> None:
        measured.append((precision, attention))
        one.add(model=model, precision=precision, attention="sdpa", reload_seconds=1.0)
        if precision == "int8":
            one.end = 0.0

    monkeypatch.setattr(gpu, "build", build)
    monkeypatch.setattr(gpu.gpu_parts, "measure", measure)
    monkeypatch.setattr(gpu.gpu_parts, "fast", lambda one, model: measured.append(("bf16", "fast")))
    one = session()
    gpu.every_model(one, ["2b"], tmp_path / "home")
    assert measured == [("bf16", "auto"), ("int8", "auto")] and not written(one)["finished"]
    again = session()
    again.resume(["2b bf16"])
    gpu.every_model(again, ["2b"], tmp_path / "home")
    more = [("int4", "auto"), ("bf16", "fast"), ("bf16", "eager"), ("bf16", "flash_attention_2")]
    assert measured[2:] == more, "sdpa was what bf16 was read with"
    assert built == ["2b"] and written(again)["finished"] and not (tmp_path / "home").exists()
    assert set(gpu.names_of("2b")) <= set(written(again)["begun"]), "asked again, it is a new session"


PYTHON = """#!/bin/sh
case "$*" in
*"-m pytest"*) echo "$VRAMWISE_GPU_REPORT" >>asked; exit "$(cat matrix)" ;;
*"run.py gpu"*)
    echo models >>asked
    code=$(head -1 codes); sed -i 1d codes
    exit "${code:-0}"
    ;;
*) echo 1 ;;
esac
"""


def in_the_shell(folder: Path, *arguments: str, matrix: int = 0, codes: str = "") -> list[str]:
    """What the session's script asks of Python, whose "bench gpu" ends with ``codes`` one after another."""
    (folder / "devtools").mkdir(exist_ok=True)
    shutil.copy(ROOT / "devtools" / "gpu_session.sh", folder / "devtools")
    fake = folder / "python"
    fake.write_text(PYTHON)
    fake.chmod(0o755)
    (folder / "matrix").write_text(f"{matrix}\n")
    (folder / "codes").write_text(codes)
    (folder / "asked").write_text("")
    env = {"PATH": os.environ["PATH"], "PYTHON": str(fake), "HOME": str(folder), "OUT": str(folder / "out")}
    command = ["bash", str(folder / "devtools" / "gpu_session.sh"), *arguments]
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=60)
    return (folder / "asked").read_text().split("\n")[:-1]


@pytest.mark.skipif(os.name == "nt", reason="The session's script is for a POSIX shell.")
def test_the_script_goes_on_after_a_crash_and_asks_for_the_matrix_once(tmp_path: Path) -> None:
    report = f"{tmp_path}/out/gpu.json"
    assert in_the_shell(tmp_path, "8", codes="75\n139\n0\n") == [report, "models", "models", "models"]
    assert in_the_shell(tmp_path, "8") == ["models"], "the same machine, the next command"


@pytest.mark.skipif(os.name == "nt", reason="The session's script is for a POSIX shell.")
def test_a_matrix_that_was_stopped_is_asked_for_again_and_one_with_failures_is_not(tmp_path: Path) -> None:
    assert len(in_the_shell(tmp_path, "8", matrix=124)) == 2
    assert len(in_the_shell(tmp_path, "8", matrix=1)) == 2
    assert len(in_the_shell(tmp_path, "8")) == 1
