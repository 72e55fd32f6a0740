"""A CPU reader's memory is given back when it has grown: tensors first, compiled models when these do not
suffice, and never because a model was loaded beside it.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from vramwise.ocr.engines import kept_memory
from vramwise.ocr.engines.line_detection import SHORT_SIDE, detect, pixels_at_once
from vramwise.ocr.engines.line_shapes.bent_lines import BentBands
from vramwise.ocr.engines.line_turning import Cut, half_turns
from vramwise.ocr.engines.openvino_stages import MOST_SIZES, side_of
from vramwise.ocr.engines.protocol import NoProgress
from vramwise.ocr.engines.rapid import AUTO_PIXELS, RapidReader
from vramwise.ocr.engines.reader_pool import ReaderPool
from vramwise.ocr.images import load_picture

MIB = 1024**2
PAGE = Path(__file__).parents[1] / "fixtures" / "pages"


class Process:
    """A process whose size the test sets, and what was given back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, freed_to: int, renewed_to: int) -> None:
        self.size, self.calls = 100, []
        monkeypatch.setattr(kept_memory, "resident", lambda: self.size * MIB)
        monkeypatch.setattr(kept_memory, "trim", lambda: None)
        self.kept = kept_memory.KeptMemory(
            lambda: self._gives_back("tensors", freed_to), lambda: self._gives_back("models", renewed_to)
        )

    def _gives_back(self, what: str, size: int) -> None:
        self.calls.append(what)
        self.size = size

    def page(self, size: int, coming: int = 0) -> None:
        with self.kept.page(coming * MIB):
            if coming:
                self.calls.append(f"read at {self.size}")
            self.size = size


def test_pages_of_one_size_give_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 400, 200)
    for _ in range(50):
        process.page(450)
    assert process.calls == []


def test_tensors_go_first_and_models_when_these_do_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 600, 200)
    for _ in range(kept_memory.PAGES_BETWEEN):
        process.page(1000)
    assert process.calls == ["tensors"] * kept_memory.PAGES_BETWEEN + ["models"]
    assert process.size == 200


def test_holes_between_tensors_go_before_the_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of growing sizes leave freed memory in the C heap: the tensors are kept where that suffices."""
    process = Process(monkeypatch, 300, 200)
    monkeypatch.setattr(kept_memory, "trim", lambda: setattr(process, "size", min(process.size, 420)))
    for _ in range(20):
        process.page(700)
    process.page(700, coming=200)  # there is room when the holes are gone
    assert process.calls == ["read at 420"]
    assert process.size == 420


def test_a_page_that_fails_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 300, 200)
    with pytest.raises(RuntimeError), process.kept.page():
        process.size = 2000
        raise RuntimeError("cancelled")
    assert process.calls == ["tensors"]


def test_a_model_loaded_beside_it_is_not_taken_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 400, 200)
    process.page(450)
    process.size += 9000  # a checkpoint came
    process.page(process.size)
    assert process.calls == []
    process.size -= 9000  # and went
    process.page(process.size + 600)
    assert process.calls == ["tensors"]


def test_what_others_freed_and_the_heap_kept_is_not_taken_for_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Tesseract leaves it: taken for a model that was loaded, the bound would rise by it for good."""
    process = Process(monkeypatch, 400, 200)
    process.page(450)
    monkeypatch.setattr(kept_memory, "trim", lambda: setattr(process, "size", min(process.size, 450)))
    process.size += 400
    with process.kept.page():
        process.size = 480
    monkeypatch.setattr(kept_memory, "trim", lambda: None)
    process.page(600)
    assert process.calls == ["tensors"]


def test_before_a_page_as_much_is_given_back_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 400, 200)
    for _ in range(kept_memory.PAGES_BETWEEN):
        process.page(490)
    process.page(490, coming=100)  # there is room beside what is kept
    process.page(490, coming=250)  # without the tensors
    process.page(490, coming=400)  # without the models' kernels
    told = ["read at 490", "tensors", "read at 400", "tensors", "models", "read at 200"]
    assert process.calls == told


@pytest.mark.parametrize(
    ("height", "width"), [(1754, 1240), (300, 200), (90, 2400), (6000, 300), (9000, 6000)]
)
def test_what_the_detector_sees_of_a_page_is_known_before(height: int, width: int) -> None:
    class Seeing:
        """A detector that measures what it is shown, as large as RapidOCR looks at it."""

        postprocess_op: Any
        seen = 0

        def __call__(self, picture: Any) -> Any:
            Seeing.seen = side_of(picture.shape[0]) * side_of(picture.shape[1])
            Seeing.seen = round(Seeing.seen * max(1.0, SHORT_SIDE / min(picture.shape[:2])) ** 2)
            return SimpleNamespace(boxes=None)

    detector = Seeing()
    ocr = SimpleNamespace(text_det=detector)
    detector.postprocess_op = BentBands(None)
    detect(ocr, np.zeros((height, width, 3), np.uint8), AUTO_PIXELS)
    assert pixels_at_once(height, width, AUTO_PIXELS) == pytest.approx(Seeing.seen, rel=0.08)


@pytest.mark.slow
def test_what_is_read_stays_the_same_when_everything_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [load_picture(path) for path in sorted(PAGE.glob("*.png"))[:2]]

    def read() -> list[list[str]]:
        reader = RapidReader()
        texts = [[line.text for line in reader.lines(page, None, NoProgress())] for page in pages]
        reader.release()
        return texts

    before = read()
    monkeypatch.setattr(kept_memory, "FREE_ABOVE", -1 << 60)
    monkeypatch.setattr(kept_memory, "RENEW_ABOVE", -1 << 60)
    monkeypatch.setattr(kept_memory, "PAGES_BETWEEN", 1)
    assert read() == before and any(before[0])


def test_of_many_sizes_the_detector_alone_is_made_anew() -> None:
    """Its kernels are of every size there was; the recogniser's are of few widths and needed again."""
    reader = RapidReader()
    if reader.runtime != "openvino":
        pytest.skip("this Python reads by ONNX Runtime, which keeps no kernels")
    detector, recogniser = reader._ocr.text_det, reader._ocr.text_rec
    reader._free()
    assert reader._ocr.text_det is detector  # of no size yet
    detector._small.sizes.update((32, 32 * width) for width in range(1, MOST_SIZES + 2))
    reader._free()
    assert reader._ocr.text_det is not detector and not reader._ocr.text_det.overfull
    assert reader._ocr.text_rec is recogniser
    reader.release()


def test_what_there_was_is_gone_before_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together would be the peak. Where the second cannot be made, the next page tries again."""
    reader = RapidReader()
    made, before = reader._made, []

    def failing() -> Any:
        before.append(reader._ocr)
        raise MemoryError("no room")

    monkeypatch.setattr(reader, "_made", failing)
    with pytest.raises(MemoryError):
        reader._renew()
    assert before == [None]
    monkeypatch.setattr(reader, "_made", made)
    assert reader.lines(np.full((64, 64, 3), 255, np.uint8), None, NoProgress()) == []
    reader.release()


def test_the_half_turn_net_sees_one_shape_only() -> None:
    """A batch of another number of lines is another shape, whose kernels take 5 MiB and 25 ms."""
    reader, shapes = RapidReader(), set()
    if reader.runtime != "openvino":
        pytest.skip("this Python reads by ONNX Runtime, which keeps no kernels")
    half_turns(reader._ocr, [Cut(np.full((40, 200, 3), 255, np.uint8), ())])
    session = reader._ocr.text_cls.session

    def counted(lines: np.ndarray) -> Any:
        shapes.add(lines.shape)
        return session(lines)

    reader._ocr.text_cls.session = counted
    for count in (1, 3, 6):
        half_turns(reader._ocr, [Cut(np.full((40, 200, 3), 255, np.uint8), ())] * count)
    assert shapes == {(1, 3, 48, 192)}
    reader.release()


@pytest.mark.slow
def test_openvino_is_asked_to_give_its_tensors_back() -> None:
    reader = RapidReader()
    if reader.runtime != "openvino":
        pytest.skip("this Python reads by ONNX Runtime, which has no such call")
    reader.lines(np.full((960, 960, 3), 255, np.uint8), None, NoProgress())
    full = kept_memory.resident()
    reader._free()
    kept_memory.trim()
    assert full - kept_memory.resident() > 64 * MIB
    reader.release()


def test_readers_that_are_released_leave_no_thread_descriptor_or_memory_behind() -> None:
    pool, process, page = ReaderPool(), psutil.Process(), load_picture(sorted(PAGE.glob("*.png"))[0])
    descriptors = process.num_fds if hasattr(process, "num_fds") else process.num_handles

    def left() -> tuple[int, int, int]:
        """(threads, descriptors, bytes) after one reader was made, has read and was released."""
        with pool.acquire("rapid", RapidReader) as reader:
            assert reader.lines(page, None, NoProgress())
        assert pool.release() == 1
        del reader
        return process.num_threads(), descriptors(), kept_memory.resident()

    rounds = [left() for _ in range(6)]
    early, late = ([max(column) for column in zip(*part, strict=True)] for part in (rounds[:2], rounds[4:]))
    assert late[0] <= early[0], rounds
    assert late[1] <= early[1], rounds
    assert late[2] - early[2] < 128 * MIB, rounds


@pytest.mark.parametrize("paper", [255, 0])
def test_of_a_large_page_that_is_mostly_blank_what_is_on_it_is_looked_at(paper: int) -> None:
    """A line of 30 pixels on a page of 4800 was scaled down until nobody saw it."""
    shown: list[tuple[int, ...]] = []

    class Finding:
        """A detector that finds what it is shown, all of it."""

        postprocess_op = BentBands(None)

        def __call__(self, picture: Any) -> Any:
            shown.append(picture.shape)
            dark = np.argwhere(picture[:, :, 0] != paper)
            (y0, x0), (y1, x1) = dark.min(axis=0), dark.max(axis=0)
            return SimpleNamespace(boxes=np.float32([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]))

    page = np.full((4800, 3600, 3), paper, np.uint8)
    page[300:330, 600:1400] = 128
    boxes, _ = detect(SimpleNamespace(text_det=Finding()), page, AUTO_PIXELS)
    assert shown[0][0] < 600 and shown[0][1] < 1000  # as large as it is
    assert np.abs(boxes[0] - [(600, 300), (1400, 300), (1400, 330), (600, 330)]).max() <= 2
    detect(SimpleNamespace(text_det=Finding()), np.ascontiguousarray(page[:1000, :2000]), AUTO_PIXELS)
    assert shown[1][:2] == (1000, 2000)  # is seen whole at full size
