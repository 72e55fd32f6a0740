"""A job is killed at random moments and resumed: nothing is lost, nothing is read twice, nothing is left."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.killing import VRAMWISE, finish, kill_after_more, outputs, pages_of, wait_for_more

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


def test_twenty_kills_change_nothing_in_the_end(scans: Path, tmp_path: Path) -> None:
    script = [sys.executable, str(HERE / "slow_job.py")]
    finish([*script, str(tmp_path / "calm"), str(scans), str(PAGES)])
    chance, out = random.Random(7), tmp_path / "hunted"
    for _ in range(KILLS):
        more, moment = chance.randint(1, 8), chance.random() * 0.01
        command = [*script, str(out), str(scans), str(more + 3), "resume"]
        kill_after_more(command, out / "manifest.jsonl", more, moment)
        done = pages_of(out / "manifest.jsonl")
        assert len(done) == len(set(done)), "a page was read twice"
    assert len(pages_of(out / "manifest.jsonl")) < PAGES, "the kills came too late to show anything"
    finish([*script, str(out), str(scans), str(PAGES), "resume"])
    assert outputs(out) == outputs(tmp_path / "calm")
    assert sorted(pages_of(out / "manifest.jsonl")) == sorted(pages_of(tmp_path / "calm" / "manifest.jsonl"))
    assert {path.name for path in out.iterdir()} == {*outputs(out), "manifest.jsonl"}


def test_the_command_line_survives_a_kill_with_the_built_in_engine(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    some = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
    for times in (3, 12, 48):  # where this machine has no time for us, a small job is done before the kill
        words = some * times
        scans, out = tmp_path / f"scans_{times}", tmp_path / f"out_{times}"
        scans.mkdir()
        for number, word in enumerate(words):
            page = Image.new("RGB", (260, 80), "white")
            ImageDraw.Draw(page).text((30, 20), word, font=ImageFont.load_default(36), fill="black")
            page.save(scans / f"{number}.png")
        command = [*VRAMWISE, "ocr", str(scans), "--out", str(out)]
        kill_after_more(command, out / "manifest.jsonl", 4, 0.01)
        before = len(pages_of(out / "manifest.jsonl"))
        if before < len(words):
            break
    assert 0 < before < len(words)
    finish([*command, "--resume"])
    assert len(pages_of(out / "manifest.jsonl")) == len(words)
    read = [(out / f"{number}.txt").read_text(encoding="utf-8").strip() for number in range(len(words))]
    assert read == words


def test_a_second_job_in_the_folder_waits_outside(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(HERE / "slow_job.py"), str(out), str(scans), "5"]
    first = subprocess.Popen(command)
    try:
        wait_for_more(first, out / "manifest.jsonl", 2)
        second = subprocess.run([*command, "resume"], capture_output=True, text=True, timeout=300)
        assert second.returncode != 0 and f"process {first.pid}" in second.stderr
    finally:
        first.kill()
        first.wait()
