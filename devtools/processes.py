"""Programs that dev.py starts: in the foreground, ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path

from devtools.paths import ROOT

INTERRUPTED = 130  # what `run` answers after Ctrl-C or SIGTERM, as shells do

terminated = threading.Event()


class Stop(Exception):
    """Ends dev.py with exit code 1; the message says what failed, why, and what to do."""


def say(text: str) -> None:
    print(text, flush=True)


def on_sigterm(number, frame) -> None:
    terminated.set()
    raise KeyboardInterrupt


def children(process_id: int) -> list[int]:
    """Ids of a process and everything it started (POSIX), children last."""
    try:
        table = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [process_id]
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    family = [process_id]
    for parent in family:
        family.extend(child for child, its_parent in pairs if its_parent == parent)
    return family


def end_tree(process: subprocess.Popen) -> None:
    """End one process that this program started and all it started, by their ids."""
    if process.poll() is not None:
        return
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
    else:
        family = children(process.pid)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for process_id in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process_id, sign)
            try:
                process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue
    process.wait()


def terminal_told_everyone() -> bool:
    """Whether Ctrl-C came from a terminal, which sends it to this program and to what it runs alike."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def run(command: list, cwd: Path = ROOT, env: dict | None = None) -> int:
    """Run a command in the foreground. Ctrl-C and SIGTERM are passed on, and it gets time to tidy up."""
    process = subprocess.Popen([str(part) for part in command], cwd=cwd, env=env)
    try:
        return process.wait()
    except KeyboardInterrupt:
        if os.name != "nt" and (terminated.is_set() or not terminal_told_everyone()):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM if terminated.is_set() else signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            say("It does not end by itself; ending it.")
        return INTERRUPTED
    finally:
        end_tree(process)
