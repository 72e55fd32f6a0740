"""A job is killed at random moments and resumed: nothing is lost, nothing is read twice, nothing is left."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGES, KILLS = 200, 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 small pictures, each of a colour of its own."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("scans")
    for number in range(PAGES):
        Image.new("RGB", (8, 8), (number, 255 - number, 7)).save(folder / f"page_{number}.png")
    return folder


def outputs(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".txt"}


def pages_of(manifest: Path) -> list[str]:
    """The pages of a manifest; fails where a line is not JSON."""
    head, *lines = manifest.read_text(encoding="utf-8").splitlines()
    assert json.loads(head)["vramwise_job"] == 1
    return [json.loads(line)["page"] for line in lines]


def finish(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def kill_after_more(command: Sequence[str], manifest: Path, more: int, moment: float) -> None:
    """Start, wait until ``more`` further pages are in the manifest and a ``moment`` longer, kill."""
    before = _lines(manifest)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and _lines(manifest) < before + more and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(moment)
    process.kill()
    process.wait()


def _lines(manifest: Path) -> int:
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def test_twenty_kills_change_nothing_in_the_end(scans: Path, tmp_path: Path) -> None:
    script = [sys.executable, str(HERE / "slow_job.py")]
    finish([*script, str(tmp_path / "calm"), str(scans)])
    rest, out = random.Random(7), tmp_path / "hunted"
    command = [*script, str(out), str(scans), "resume"]
    for _ in range(KILLS):
        kill_after_more(command, out / "manifest.jsonl", rest.randint(1, 8), rest.random() * 0.01)
        done = pages_of(out / "manifest.jsonl")
        assert len(done) == len(set(done)), "a page was read twice"
    assert len(pages_of(out / "manifest.jsonl")) < PAGES, "the kills came too late to show anything"
    finish(command)
    assert outputs(out) == outputs(tmp_path / "calm")
    assert sorted(pages_of(out / "manifest.jsonl")) == sorted(pages_of(tmp_path / "calm" / "manifest.jsonl"))
    assert {path.name for path in out.iterdir()} == {*outputs(out), "manifest.jsonl"}


def test_the_command_line_survives_a_kill_with_the_built_in_engine(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"] * 3
    for number, word in enumerate(words):
        page = Image.new("RGB", (260, 80), "white")
        ImageDraw.Draw(page).text((30, 20), word, font=ImageFont.load_default(36), fill="black")
        page.save(scans / f"{number}.png")
    command = [sys.executable, "-c", "import sys; from vramwise.cli import main; sys.exit(main())"]
    command += ["ocr", str(scans), "--out", str(out)]
    kill_after_more(command, out / "manifest.jsonl", 4, 0.01)
    before = len(pages_of(out / "manifest.jsonl"))
    assert 0 < before < len(words)
    finish([*command, "--resume"])
    assert len(pages_of(out / "manifest.jsonl")) == len(words)
    read = [(out / f"{number}.txt").read_text(encoding="utf-8").strip() for number in range(len(words))]
    assert read == words


def test_a_second_job_in_the_folder_waits_outside(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(HERE / "slow_job.py"), str(out), str(scans)]
    first = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while _lines(out / "manifest.jsonl") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        second = subprocess.run([*command, "resume"], capture_output=True, text=True, timeout=60)
        assert second.returncode != 0 and f"process {first.pid}" in second.stderr
    finally:
        first.kill()
        first.wait()
