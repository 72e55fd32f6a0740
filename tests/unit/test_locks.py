"""A folder has one writer at a time, also when writers are killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from vramwise.errors import VramwiseError
from vramwise.weights.locks import only_writer

# Tells of each stay in the block in a file to which a line is added in one step: their order is that in time.
WRITER = """
import os, signal, sys
from pathlib import Path
from vramwise.errors import VramwiseError
from vramwise.weights.locks import only_writer

folder, stays, dies = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "dies"
log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def say(what):
    os.write(log, f"{what} {os.getpid()}\\n".encode())

if sys.argv[3] == "waits":
    with only_writer(folder / "x.lock", "x"):
        print("in", flush=True)
        sys.stdin.read()
while stays:
    try:
        with only_writer(folder / "x.lock", "x"):
            say("enter")
            stays -= 1
            for _ in range(200):
                os.stat(folder)
            say("leave")
            if dies and not stays:
                os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    except VramwiseError:
        pass
"""


def writer(folder: Path, stays: int, end: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(stays), end]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("stays", "killed"), [(10, 2), pytest.param(200, 8, marks=pytest.mark.slow, id="full")]
)
def test_four_processes_are_never_in_at_once_while_others_are_killed_in_the_middle(
    tmp_path: Path, stays: int, killed: int
) -> None:
    lasting = [writer(tmp_path, stays, "ends") for _ in range(4)]
    for _ in range(killed):
        victim = writer(tmp_path, 1, "dies")
        assert victim.wait(120) != 0
    assert [process.wait(300) for process in lasting] == [0] * 4
    lines = [line.split() for line in (tmp_path / "log").read_text(encoding="ascii").splitlines()]
    assert len(lines) == 2 * (4 * stays + killed), "nobody was shut out for good"
    for (entering, first), (leaving, second) in zip(lines[::2], lines[1::2], strict=True):
        assert (entering, leaving) == ("enter", "leave") and first == second
    with only_writer(tmp_path / "x.lock", "x"):
        pass
    assert os.listdir(tmp_path) == ["log"]


def test_the_sentence_names_the_process_and_its_lock_ends_with_it(tmp_path: Path) -> None:
    holder, lock = writer(tmp_path, 0, "waits"), tmp_path / "x.lock"
    assert holder.stdout is not None and holder.stdout.readline() == "in\n"
    with (
        pytest.raises(VramwiseError, match=rf"^The job is being written by process {holder.pid}\. Wait"),
        only_writer(lock, "The job"),
    ):
        raise AssertionError("two at once")
    holder.kill()
    holder.wait(60)
    assert lock.exists(), "nobody could take it away"
    with only_writer(lock, "The job"):
        pass
    assert not lock.exists()


@pytest.mark.parametrize("left", ["own", "999999999", "", "nonsense", "7" * 5000])
def test_a_file_that_nobody_holds_is_no_lock_whatever_is_in_it(tmp_path: Path, left: str) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(str(os.getpid()) if left == "own" else left, encoding="ascii")
    with (
        only_writer(lock, "x"),
        pytest.raises(VramwiseError, match=rf"by process {os.getpid()}\."),
        only_writer(lock, "x"),
    ):
        raise AssertionError("two at once")
    assert not lock.exists()


def test_threads_of_one_process_keep_each_other_out_too(tmp_path: Path) -> None:
    inside, together, lock = [0], [], tmp_path / "x.lock"

    def stay() -> None:
        stays = 0
        while stays < 10:
            try:
                with only_writer(lock, "x"):
                    inside[0] += 1
                    together.append(inside[0])
                    os.listdir(tmp_path)
                    inside[0] -= 1
                    stays += 1
            except VramwiseError:
                continue

    threads = [threading.Thread(target=stay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert together == [1] * 40


def test_an_error_in_the_block_lets_the_lock_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), only_writer(tmp_path / "x.lock", "x"):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_the_lock_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.lock").mkdir()
    with (
        pytest.raises(VramwiseError, match=r"^The job cannot be written: .* takes no file"),
        only_writer(tmp_path / "x.lock", "The job"),
    ):
        raise AssertionError("nothing may be written")
