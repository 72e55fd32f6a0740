"""A quiet neighbour: with every system call watched, reading a picture sends nothing and writes nowhere else.

strace sees what native libraries do, not only Python. CI is unset: some libraries are quiet only there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "vramwise_sample.png"
WRITES = re.compile(r'openat\([^"]*"([^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)[^)]*\)\s+= \d')
INTERNET = re.compile(r"(?:connect|sendto|sendmsg)\(.*(?:AF_INET6?|sin_addr|sin6_addr)")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Every network call and every opened file of `vramwise ocr` on the sample, and the HOME it ran with."""
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is missing; .ci/run installs it.")
        pytest.skip("strace is not installed (Debian: apt install strace; Linux only).")
    folder = tmp_path_factory.mktemp("quiet")
    home, log = folder / "home", folder / "trace.txt"
    home.mkdir()
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "GITHUB_ACTIONS", "DO_NOT_TRACK"}
        and not name.startswith(("XDG_", "VRAMWISE_", "HF_"))
    }
    environ |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["strace", "-f", "-qq", "-e", "trace=network,openat,open,creat", "-o", str(log)]
    program = "import sys; from vramwise.cli import main; sys.exit(main(['ocr', sys.argv[1]]))"
    done = subprocess.run(
        [*command, sys.executable, "-c", program, str(SAMPLE)],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "The Lighthouse Cafe" in done.stdout
    return log.read_text(encoding="utf-8", errors="replace"), home


def test_nothing_is_sent(trace: tuple[str, Path]) -> None:
    calls, _ = trace
    assert [line for line in calls.splitlines() if INTERNET.search(line)] == []


def test_nothing_is_written(trace: tuple[str, Path]) -> None:
    calls, home = trace
    written = {match[1] for line in calls.splitlines() if (match := WRITES.search(line))}
    assert {path for path in written if not path.startswith(("/dev/", "/proc/self/"))} == set()
    assert list(home.rglob("*")) == []


def test_the_watcher_would_have_seen_it(tmp_path: Path, trace: tuple[str, Path]) -> None:
    """The same watch on a program that does write and does send: the patterns above can fail."""
    log = tmp_path / "trace.txt"
    program = (
        "import socket; open('x.txt', 'w').write('x'); s = socket.socket(); s.settimeout(1)\n"
        "try: s.connect(('127.0.0.1', 9))\nexcept OSError: pass"
    )
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=network,openat", "-o", str(log), sys.executable, "-c", program],
        cwd=tmp_path,
        check=True,
        timeout=300,
    )
    calls = log.read_text(encoding="utf-8").splitlines()
    assert any(INTERNET.search(line) for line in calls)
    assert any((match := WRITES.search(line)) and match[1].endswith("x.txt") for line in calls)
