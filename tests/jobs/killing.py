"""Jobs as processes of their own, stopped by force, and what they leave in their folder. Not a test."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VRAMWISE = (sys.executable, "-c", "import sys; from vramwise.cli import main; sys.exit(main())")


def outputs(out: Path) -> dict[str, bytes]:
    """The pages' files; the manifest and anything else that lies there is left out."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".txt"}


def entries_of(manifest: Path) -> list[dict[str, Any]]:
    """The lines after the first; fails where one is not JSON."""
    head, *lines = manifest.read_text(encoding="utf-8").splitlines()
    assert json.loads(head)["vramwise_job"] == 1
    return [json.loads(line) for line in lines]


def pages_of(manifest: Path) -> list[str]:
    return [entry["page"] for entry in entries_of(manifest)]


def finish(command: Sequence[str], code: int = 0) -> str:
    """Run to the end, which must be ``code``; returns what was said on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stderr


def kill_after_more(command: Sequence[str], manifest: Path, more: int, moment: float) -> None:
    """Start, wait until ``more`` further pages are in the manifest and a ``moment`` longer, kill."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for_more(process, manifest, more)
    time.sleep(moment)
    process.kill()
    process.wait()


def wait_for_more(process: subprocess.Popen[bytes], manifest: Path, more: int) -> None:
    """Until ``more`` further lines are in the manifest, or the process has ended."""
    wanted = lines_of(manifest) + more
    deadline = time.monotonic() + 300
    while process.poll() is None and lines_of(manifest) < wanted and time.monotonic() < deadline:
        time.sleep(0.001)


def lines_of(manifest: Path) -> int:
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0
