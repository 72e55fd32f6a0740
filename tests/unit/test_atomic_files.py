"""A file is whole or not there: with failing disks, killed writers and a scanner that holds the new file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from vramwise import atomic_files
from vramwise.atomic_files import SUFFIX, NotWritten, move_into_place, write_whole


def test_missing_folders_are_made_and_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a" / "b" / "c.txt", b"text")
    finally:
        os.umask(before)
    path = tmp_path / "a" / "b" / "c.txt"
    assert path.read_bytes() == b"text" and os.listdir(path.parent) == ["c.txt"]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EIO, False), (errno.EACCES, False)]
)
def test_a_disk_that_fails_is_a_sentence_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, full: bool
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")

    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic_files.os, "fsync", failing)
    with pytest.raises(NotWritten, match=rf"a\.txt could not be written: {os.strerror(number)}\.$") as caught:
        write_whole(tmp_path / "a.txt", b"new")
    assert caught.value.disk_full is full
    assert os.listdir(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_bytes() == b"old"


def test_an_interrupt_in_the_middle_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", b"new")
    assert os.listdir(tmp_path) == []


def test_a_long_name_can_be_written_too(tmp_path: Path) -> None:
    name = "n" * 255
    write_whole(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


KILLED = """
import os, sys
from pathlib import Path
from vramwise import atomic_files
atomic_files.os.fsync = lambda handle: os._exit(9)
atomic_files.write_whole(Path(sys.argv[1]) / "a.txt", b"new")
"""


def test_a_writer_that_is_killed_leaves_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60)
    assert done.returncode == 9
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    (left,) = set(os.listdir(tmp_path)) - {"a.txt"}
    assert left.startswith(".") and left.endswith(SUFFIX)


def test_who_reads_while_others_write_sees_one_of_the_texts_whole(tmp_path: Path) -> None:
    path, texts = tmp_path / "a.txt", [bytes([letter]) * 20_000 for letter in b"abcd"]
    write_whole(path, texts[0])
    writers = [
        threading.Thread(target=lambda text=text: [write_whole(path, text) for _ in range(10)])
        for text in texts
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in texts
    assert os.listdir(tmp_path) == ["a.txt"]


def held(times: int, winerror: int | None) -> Any:
    """os.replace that another program makes fail so many times, as Windows reports it."""
    real, left = os.replace, times

    def replace(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            if winerror is not None:
                error.winerror = winerror  # type: ignore[attr-defined]
            raise error
        real(source, target)

    return replace


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_file_that_a_scanner_holds_for_a_moment_gets_its_name_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int
) -> None:
    monkeypatch.setattr(atomic_files.os, "replace", held(3, winerror))
    write_whole(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new" and os.listdir(tmp_path) == ["a.txt"]


def test_one_that_is_never_let_go_is_a_sentence_after_a_bounded_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(atomic_files.os, "replace", held(10**9, 32))
    with pytest.raises(NotWritten, match="cannot access the file"):
        write_whole(tmp_path / "a.txt", b"new")
    assert os.listdir(tmp_path) == []


def test_a_refusal_that_waiting_cannot_mend_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slept(_: float) -> None:
        raise AssertionError("waited")

    (tmp_path / "a").write_bytes(b"")
    monkeypatch.setattr(atomic_files.time, "sleep", slept)
    monkeypatch.setattr(atomic_files.os, "replace", held(1, None))
    with pytest.raises(PermissionError):
        move_into_place(tmp_path / "a", tmp_path / "b")


def test_a_file_that_a_scanner_holds_is_removed_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.part"
    path.write_bytes(b"x")
    real, refused = Path.unlink, [32, 5]

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if refused:
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            error.winerror = refused.pop()  # type: ignore[attr-defined]
            raise error
        real(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    atomic_files.remove(path)
    assert os.listdir(tmp_path) == [] and not refused


@pytest.mark.parametrize(("letters", "said"), [(20, False), (300, True)])
def test_a_path_too_long_for_windows_is_said_to_be(
    letters: int, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files.sys, "platform", "win32")
    path = Path("/models") / ("x" * letters)
    told = str(NotWritten(path, FileNotFoundError(errno.ENOENT, "No such file or directory")))
    assert ("LongPathsEnabled" in told) is said and "No such file" in told
