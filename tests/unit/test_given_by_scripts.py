"""What a script may hand to the functions of the guide: it is taken, or named in a sentence."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vramwise
from PIL import Image
from vramwise.cli import main
from vramwise.cli.numbers import gibibytes
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.reader_pool import ReaderPool
from vramwise.ocr.images import Pictures

PAGE = np.full((24, 32, 3), 255, np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "page.png"
    Image.fromarray(PAGE).save(path)
    return path


def test_pictures_are_taken_as_people_give_them(file: Path) -> None:
    several: list[Any] = [[PAGE], (PAGE, PAGE), PAGE, np.stack([PAGE] * 3), (page for page in [PAGE, PAGE])]
    assert [len(Pictures(images)) for images in several] == [1, 2, 1, 3, 2]
    for images in ([file], [str(file)], file, str(file), Image.open(file), [Image.open(file)]):
        (picture,) = Pictures(images)
        assert np.array_equal(picture, PAGE)
    assert len(Pictures([])) == 0 and len(Pictures([PAGE] * 4)[1:]) == 3


ODD: dict[str, Any] = {
    "shares of one": [PAGE / 255.0],
    "16 bits": [PAGE.astype(np.uint16)],
    "truths": [PAGE > 9],
    "one grey": PAGE[..., 0],
    "greys": [PAGE[..., 0]],
    "transparent": [np.dstack([PAGE, PAGE[..., 0]])],
    "a batch within": [PAGE[None]],
    "rows": [PAGE.tolist()],
    "nothing": None,
    "a mapping": {"image": PAGE},
    "bytes": b"png",
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_picture_is_told_and_not_read_as_an_empty_page(kind: str) -> None:
    with pytest.raises(VramwiseError, match=r"uint8 RGB array \(height, width, 3\), not "):
        list(Pictures(ODD[kind]))
    with pytest.raises(VramwiseError, match="not "):
        list(vramwise.ocr_handle("rapid").read(ODD[kind]))


@pytest.mark.parametrize(
    "given",
    [
        {"vram_gib": "8"},
        {"vram_gib": True},
        {"ram_gib": "16"},
        {"ram_gib": -5},
        {"ram_gib": math.nan},
        {"also_loaded": [-5]},
        {"also_loaded": [1.5]},
        {"also_loaded": -5},
        {"system": "mac"},
    ],
    ids=str,
)
def test_what_is_no_size_and_no_model_is_refused_by_the_advisor(given: dict[str, Any]) -> None:
    with pytest.raises(VramwiseError, match=r"no memory size|no size of RAM|neither the name|is unknown"):
        vramwise.advise(**{"vram_gib": 8, "task": "OCR", **given})


def test_one_model_beside_needs_no_list() -> None:
    alone, listed, none = (
        vramwise.advise(vram_gib=24, task="OCR", also_loaded=also)  # type: ignore[arg-type]
        for also in ("flux1-dev@fp8", ["flux1-dev@fp8"], None)
    )
    assert alone.taken == listed.taken != none.taken == ()


@pytest.mark.parametrize(
    "given", [{"image": (1e9, 1e9)}, {"image": "x"}, {"batch": "x"}, {"batch": 1.5}], ids=str
)
def test_a_size_that_is_no_whole_number_is_refused_by_a_plan(given: dict[str, Any]) -> None:
    with pytest.raises(VramwiseError, match="give 1 or more"):
        vramwise.plan("qwen3_vl_8b", vram_gib=8, **given)


def test_mebibytes_are_taken_as_nvidia_smi_writes_them() -> None:
    read = gibibytes(0.25, 4096)
    assert [read(text) for text in ("8192MiB", "8192 MB", "16", "15,5 GB", "512 \u041c\u0411")] == [
        8,
        8,
        16,
        15.5,
        0.5,
    ]


def test_without_a_standard_output_a_command_ends_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["ocr", "nothere.png"]) == 2
    assert main(["gpus"]) == 0


class Held:
    def release(self) -> None:
        raise AssertionError("what the parent made is not freed in a child")


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="Windows forks no process.")
def test_a_forked_process_owns_no_reader_and_waits_for_none() -> None:
    pool = ReaderPool()
    with pool.acquire("a", Held):
        pid = os.fork()
        if pid == 0:  # nothing of pytest may end here
            fresh = pool.present() == [] and pool.release() == 0
            with pool.acquire("a", Held) as made:
                os._exit(0 if fresh and isinstance(made, Held) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert pool.present() == ["a"]


FORKED = """
import os, signal, sys
import numpy as np, vramwise
page = np.full((60, 200, 3), 255, np.uint8)
page[20:40, 20:180] = 0
reader = vramwise.ocr_handle("rapid")
first = [result.text for result in reader.read([page])]
pid = os.fork()
if pid == 0:
    signal.alarm(90)
    os._exit(0 if [result.text for result in reader.read([page])] == first else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process.")
def test_a_process_forked_after_a_reading_reads_too() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
