"""A disk without room, at every step of whoever writes: nothing torn is taken for whole, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from vramwise.errors import VramwiseError
from vramwise.jobs import JobOptions, run_job
from vramwise.jobs.manifest import NAME, Entry, Manifest
from vramwise.ocr.results.result import OCRResult

PAGES = 60
BLOCK = 4096


class Disk:
    """A real file system of its own in memory, which can be filled up to so many free blocks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self, free_blocks: int) -> None:
        with contextlib.suppress(OSError), (self.root / "filler").open("ab", buffering=0) as filler:
            while filler.write(b"x" * BLOCK) == BLOCK:
                pass
        size = (self.root / "filler").stat().st_size
        os.truncate(self.root / "filler", max(0, size - free_blocks * BLOCK))

    def make_room(self) -> None:
        (self.root / "filler").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Two mebibytes. Skipped where this user may not mount one."""
    root = tmp_path / "disk"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(root)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("Only root on Linux can mount a small disk; the limits of file sizes are tried without.")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


class Reader:
    def __init__(self) -> None:
        self.seen = 0

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        for image in images:
            self.seen += 1
            text = str(int(image[0, 0, 0]))
            yield OCRResult(text, text, (), 8, 8, "stop", "stand-in", "fp32", 0.1)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(PAGES):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"p{number:02}.png")
    return folder


def texts(out: Path) -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in out.glob("*.txt")}


@pytest.mark.parametrize("free_blocks", range(4))
@pytest.mark.parametrize("for_a_moment", [True, False])
def test_a_job_on_a_disk_that_fills_up_goes_on_where_it_was(
    scans: Path, disk: Disk, free_blocks: int, for_a_moment: bool
) -> None:
    out = disk.root / "out"
    reader = Reader()

    def progress(done: int, total: int | None, entry: Entry) -> None:
        left = BLOCK - (out / NAME).stat().st_size % BLOCK
        if left < 260 and not (disk.root / "filler").exists():  # the next line crosses a block
            disk.fill(free_blocks)
        elif for_a_moment:
            disk.make_room()

    try:
        run_job([str(scans)], out, reader, JobOptions("stand-in"), progress=progress)
    except VramwiseError as error:
        assert "--resume" in str(error)
    lines = (out / NAME).read_bytes().splitlines()
    finished = len([json.loads(line) for line in lines]) - 1
    disk.make_room()
    report = run_job([str(scans)], out, Reader(), JobOptions("stand-in"), resume=True)
    assert (report.before, report.read) == (finished, PAGES - finished)
    assert texts(out) == {f"p{number:02}": f"{number}\n" for number in range(PAGES)}


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The operating system takes a write up to ``size`` bytes of a file, and refuses the rest, as a full disk
    does.
    """
    resource = pytest.importorskip("resource", reason="Windows has no limit of file sizes.")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def entry(number: int) -> Entry:
    return Entry(f"/scans/p{number}.png#1", [1, 1], f"p{number}.txt", "stop", 0.1)


@pytest.mark.parametrize("torn_after", [0, 1, 40, 100])
def test_a_line_that_was_taken_in_part_leaves_the_manifest_as_it_was(tmp_path: Path, torn_after: int) -> None:
    manifest = Manifest(tmp_path, {"reader": "x"})
    manifest.add(entry(1))
    before = (tmp_path / NAME).read_bytes()
    with (
        files_of_at_most(len(before) + torn_after),
        pytest.raises(VramwiseError, match="could not be written"),
    ):
        manifest.add(entry(2))
    assert (tmp_path / NAME).read_bytes() == before
    manifest.add(entry(3))
    manifest.close()
    again = Manifest(tmp_path, {"reader": "x"})
    again.start(resume=True)
    assert [done.output for done in again.done.values()] == ["p1.txt", "p3.txt"]


def saved_text(folder: Path) -> None:
    from vramwise.documents.saving import save

    save(folder, "page", "txt", "new " * 5_000)


def a_run(folder: Path) -> None:
    from vramwise.planning.run_history import Run, record

    for pixels in range(300):
        record(folder, Run("cpu", "m" * 500, "fp32", pixels=pixels))


def quantised(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file
    from vramwise.host import Places
    from vramwise.settings import Settings
    from vramwise.weights import Checkpoint
    from vramwise.weights import quantised_cache as cache

    source = folder.parents[1] / "source"  # beside the full disk
    source.mkdir(exist_ok=True)
    (source / "config.json").write_text('{"model_type": "tiny"}', encoding="utf-8")
    save_file({"a": np.zeros(16, np.uint8)}, source / "model.safetensors")
    settings = Settings(places=Places(folder, (folder,)), quantised_cache=True)
    checkpoint = Checkpoint("Tiny", source, "tiny", (source / "model.safetensors",), 16, None)

    def save(target: Path) -> None:
        (target / "config.json").write_text('{"model_type": "tiny"}', encoding="utf-8")
        save_file({"a": np.zeros(40_000, np.uint8)}, target / "model.safetensors")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "SPARE_BYTES", 0)  # what is asked for beforehand is tried elsewhere
        cache.store(settings, checkpoint, "int8", False, save)


@pytest.mark.parametrize("free_blocks", [0, 1, 3, 6, 9])
@pytest.mark.parametrize("write", [saved_text, a_run, quantised])
def test_whoever_else_writes_leaves_nothing_torn(
    disk: Disk, write: Callable[[Path], None], free_blocks: int
) -> None:
    folder = disk.root / "theirs"
    folder.mkdir()
    (folder / "page.txt").write_text("old", encoding="utf-8")
    disk.fill(free_blocks)
    with contextlib.suppress(VramwiseError):
        write(folder)
    assert (folder / "page.txt").read_text(encoding="utf-8") in ("old", "new " * 5_000)
    left = {path.name for path in folder.rglob("*") if path.is_file()} - {"page.txt", "measured.sqlite3"}
    assert left in (set(), {"complete.json", "config.json", "model.safetensors"}), left
    disk.make_room()
    write(folder)
    a_run(folder)
    from vramwise.planning.run_history import lookup

    assert len(lookup(folder, "cpu", "m" * 500)) == 300


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")
@pytest.mark.parametrize("words", [["gpus"], ["gpus", "--json"]])
def test_output_that_nobody_takes_is_a_sentence_on_the_command_line(words: list[str]) -> None:
    run = "import sys; from vramwise.cli import main; sys.exit(main())"
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", run, *words], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr and "Traceback" not in done.stderr
