"""A quiet neighbour: with every system call watched, reading a picture sends nothing and writes nowhere but
in the user's own folder, where compiled models are kept at the first reading.

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
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """Every network call and every opened file of `vramwise ocr` on the sample, the first time and the
    second, and the HOME it ran with.
    """
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is missing; .ci/run installs it.")
        pytest.skip("strace is not installed (Debian: apt install strace; Linux only).")
    folder = tmp_path_factory.mktemp("quiet")
    home = folder / "home"
    home.mkdir()
    return _calls(folder, home), _calls(folder, home), home


def _calls(folder: Path, home: Path) -> str:
    log = folder / "trace.txt"
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
    return log.read_text(encoding="utf-8", errors="replace")


def _written(calls: str) -> set[Path]:
    paths = {match[1] for line in calls.splitlines() if (match := WRITES.search(line))}
    return {Path(path) for path in paths if not path.startswith(("/dev/", "/proc/self/"))}


def test_nothing_is_sent(traces: tuple[str, str, Path]) -> None:
    for calls in traces[:2]:
        assert [line for line in calls.splitlines() if INTERNET.search(line)] == []


def test_only_compiled_models_are_written_and_once(traces: tuple[str, str, Path]) -> None:
    first, second, home = traces
    kept = home / ".config" / "vramwise" / "compiled"
    assert {path.parent for path in _written(first)} <= {kept}
    assert _written(second) == set()
    left = {path for path in home.rglob("*") if not path.is_dir()}
    assert all(path.parent == kept and path.suffix == ".openvino" for path in left)  # nothing half written
    assert len(left) == len(_written(first)) <= 2


def test_the_watcher_would_have_seen_it(tmp_path: Path, traces: tuple[str, str, Path]) -> None:
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
