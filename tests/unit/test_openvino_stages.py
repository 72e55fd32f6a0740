"""The engine's own detector and recogniser: what they say beside RapidOCR's, and what they cost less."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import cv2
import numpy as np
import pytest
from vramwise.ocr.engines import openvino_stages as stages
from vramwise.ocr.engines import script_net
from vramwise.ocr.engines.kept_memory import resident, trim
from vramwise.ocr.engines.line_detection import detect
from vramwise.ocr.engines.openvino_graphs import best_of
from vramwise.ocr.engines.rapid import BUILTIN_CLS, BUILTIN_DET, BUILTIN_REC, builtin_models
from vramwise.ocr.images import load_picture
from vramwise.units import MIB

from benchmarks.pages import FOLDER

pytest.importorskip("openvino", reason="this Python reads by ONNX Runtime: the stages are RapidOCR's own")


@pytest.fixture(scope="module")
def detector() -> stages.Detector:
    return _computing_in(4)


def _computing_in(value: int) -> stages.Detector:
    """With the bounds for so many bytes a value, whatever this processor computes in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "value_bytes", lambda: value)
        return stages.Detector(builtin_models() / BUILTIN_DET)


@pytest.fixture(scope="module")
def recogniser() -> stages.Recogniser:
    return stages.Recogniser(builtin_models() / BUILTIN_REC)


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return np.ascontiguousarray(load_picture(FOLDER / "en_clean_1.png")[:, :, ::-1])


def _looks(detector: stages.Detector, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The shares at which a picture was looked at."""
    shares, look = [], detector._look

    def counted(seen: np.ndarray, share: float) -> Any:
        shares.append(share)
        return look(seen, share)

    monkeypatch.setattr(detector, "_look", counted)
    detector(picture)
    return shares


def _words(height: float, count: int = 3) -> np.ndarray:
    """Black words on white, capitals ``height`` pixels high on a page of 800 x 1000 pixels."""
    picture = np.full((800, 1000, 3), 255, np.uint8)
    for line in range(count):
        at = 60, 120 + line * max(40, int(height * 3))
        cv2.putText(picture, "WORDS OF A PAGE", at, cv2.FONT_HERSHEY_SIMPLEX, height / 22, (0, 0, 0), 2)
    return picture


def test_high_lines_are_found_by_one_small_look(
    detector: stages.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _looks(detector, _words(40), monkeypatch) == [stages.FIRST_LOOK]


def test_low_lines_are_looked_at_larger(detector: stages.Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _looks(detector, _words(9), monkeypatch) == [stages.FIRST_LOOK, 1.0]


def test_a_page_without_text_is_looked_at_larger_before_that_is_said(
    detector: stages.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = np.full((300, 500, 3), 200, np.uint8)
    assert _looks(detector, blank, monkeypatch) == [stages.FIRST_LOOK, 1.0]
    assert detector(blank).boxes is None


def test_small_print_under_large_letters_is_not_lost(detector: stages.Detector) -> None:
    picture = _words(60, count=1)
    cv2.putText(picture, "small print at the foot", (60, 760), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    boxes = np.asarray(detector(picture).boxes)
    assert any(740 < box[:, 1].mean() < 770 for box in boxes)


def test_letters_as_high_as_the_picture_are_looked_at_smaller(
    detector: stages.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((500, 1900, 3), np.uint8)
    cv2.putText(picture, "HUGE", (120, 430), cv2.FONT_HERSHEY_SIMPLEX, 16, (255, 255, 255), 50)
    shares = _looks(detector, picture, monkeypatch)
    assert 1.0 not in shares
    (box,) = np.asarray(detector(picture).boxes)
    assert box[:, 0].min() < 200 and box[:, 0].max() > 1450


@pytest.mark.parametrize("height", [731, 752, 767, 771])
def test_a_line_that_the_lower_edge_cuts_is_found(detector: stages.Detector, height: int) -> None:
    picture = _words(40, count=7)[:height]  # the seventh stands at 720 to 780
    cv2.putText(picture, "CUT BY THE EDGE", (60, height + 8), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
    boxes = np.asarray(detector(picture).boxes)
    assert any(box[:, 1].max() > height - 12 for box in boxes)


def test_sides_are_those_that_rapidocr_looks_at() -> None:
    assert [stages.side_of(pixels) for pixels in (5, 736, 751, 753, 1000)] == [32, 736, 736, 768, 992]


@pytest.mark.parametrize("side", [(40, 40), (33, 900), (1200, 60), (736, 736), (97, 203), (2000, 1500)])
def test_boxes_stay_on_the_picture_whatever_its_size(
    detector: stages.Detector, side: tuple[int, int]
) -> None:
    class Ocr:
        text_det = detector

    picture = cv2.resize(_words(60), side[::-1], interpolation=cv2.INTER_AREA)
    boxes, _ = detect(Ocr(), picture, 4_000_000)
    assert boxes.shape[1:] == (4, 2)
    assert (boxes >= 0).all() and (boxes[..., 0] <= side[1]).all() and (boxes[..., 1] <= side[0]).all()


def test_the_best_character_and_its_chance_are_those_of_the_whole_table(
    recogniser: stages.Recogniser,
) -> None:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    whole = core.compile_model(builtin_models() / BUILTIN_REC, "CPU")
    line = np.full((48, 320, 3), 255, np.uint8)
    cv2.putText(line, "Words 12", (4, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    ((_, _, given),) = stages._prepared([line], stages._ratios([line]))
    table = whole(given)[0][0]
    found = recogniser._model(given)
    assert (found[0][0, :, 0] == table.argmax(1)).all()
    assert np.abs(found[1][0, :, 0] - table.max(1)).max() < 0.02  # bfloat16 where the processor has it


def test_lines_come_back_in_the_order_they_were_given(recogniser: stages.Recogniser) -> None:
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    texts = [str(number) * (1 + number * 3 % 7) for number in range(1, 10)]
    crops = []
    for text in texts:
        crop = np.full((48, 30 + 24 * len(text), 3), 255, np.uint8)
        cv2.putText(crop, text, (12, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 2)
        crops.append(crop)
    assert list(recogniser(TextRecInput(img=crops, return_word_box=True)).txts) == texts


@pytest.mark.parametrize("broken", [1, 3])
def test_a_line_that_cannot_be_prepared_leaves_the_reader_usable(
    recogniser: stages.Recogniser, broken: int
) -> None:
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    crop = np.full((48, 120, 3), 255, np.uint8)
    cv2.putText(crop, "42", (12, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 2)
    crops = [crop] * 4
    crops[broken] = np.zeros((48, 0, 3), np.uint8)
    with pytest.raises(cv2.error):
        recogniser(TextRecInput(img=crops))
    assert recogniser(TextRecInput(img=[crop])).txts == ("42",)


def test_wide_lines_come_first_so_that_tensors_grow_once() -> None:
    crops = [np.full((48, width, 3), 255, np.uint8) for width in (100, 900, 64, 300)]
    widths = [line.shape[3] for _, _, line in stages._prepared(crops, stages._ratios(crops))]
    assert widths == sorted(widths, reverse=True)


@pytest.fixture
def released(detector: stages.Detector, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which networks of the detector gave their tensors back."""
    told: list[str] = []
    detector(np.full((64, 64, 3), 255, np.uint8))  # both are there
    detector.release_memory()
    for name in ("small", "full"):
        network = getattr(detector, f"_{name}")
        release = network.release_memory

        def noted(name: str = name, release: Any = release) -> None:
            told.append(name)
            release()

        monkeypatch.setattr(network, "release_memory", noted)
    return told


def test_tensors_go_before_they_would_grow(detector: stages.Detector, released: list[str]) -> None:
    """Each would grow by itself, and leave a hole in the C heap where it was."""
    for side, times in ((320, 0), (256, 0), (320, 0), (480, 1), (320, 1)):
        detector._small.chances(np.full((side, side, 3), 255, np.uint8))
        assert len(released) == times


def test_a_look_at_full_size_leaves_the_small_looks_tensors(
    detector: stages.Detector, released: list[str]
) -> None:
    """They are needed for the next picture; a large page has them go while it is looked at."""
    detector._look(np.full((500, 500, 3), 255, np.uint8), stages.FIRST_LOOK)
    detector._look(np.full((500, 500, 3), 255, np.uint8), 1.0)
    assert released == ["full"]
    detector._look(np.full((1024, 1024, 3), 255, np.uint8), 1.0)
    assert released == ["full", "small", "full"]


def test_before_a_large_look_the_heap_hands_back_what_the_small_one_freed(
    detector: stages.Detector, released: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it stands beside what the large one takes."""
    monkeypatch.setattr(stages, "trim", lambda: released.append("trimmed"))
    monkeypatch.setattr(detector._full, "chances", lambda seen: released.append("seen") or _nothing(seen))
    detector._look(np.full((800, 800, 3), 255, np.uint8), 1.0)
    assert released == ["seen", "full"]
    detector._look(np.full((1024, 1024, 3), 255, np.uint8), 1.0)
    assert released[2:] == ["small", "trimmed", "seen", "full"]


def _nothing(seen: np.ndarray) -> np.ndarray:
    return np.zeros((1, 1, *seen.shape[:2]), np.float32)


def test_a_look_at_full_size_takes_no_more_than_is_foreseen() -> None:
    """A network of one size plans its tensors; that of any size takes twice as much."""
    network = stages._SizedNetwork(builtin_models() / BUILTIN_DET)
    network.chances(np.full((736, 736, 3), 255, np.uint8))
    network.drop()
    trim()
    before = resident()
    network.chances(np.full((1536, 1024, 3), 255, np.uint8))
    assert resident() - before < stages.bytes_at_once(1536 * 1024)
    network.release_memory()
    trim()
    assert resident() - before < 64 * MIB


def test_a_look_at_any_size_takes_no_more_than_is_foreseen() -> None:
    network = stages._Network(builtin_models() / BUILTIN_DET)
    network.chances(np.full((64, 64, 3), 255, np.uint8))
    trim()
    before = resident()
    network.chances(np.full((736, 1344, 3), 255, np.uint8))
    assert resident() - before < stages.bytes_at_once(736 * 1344)


def test_pages_of_one_size_share_a_network_that_says_what_the_other_says(
    detector: stages.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sized = [], stages.sized
    monkeypatch.setattr(stages, "sized", lambda model, shape: made.append(shape) or sized(model, shape))
    network = stages._SizedNetwork(builtin_models() / BUILTIN_DET)
    for height in (320, 320, 352):
        picture = cv2.resize(_words(60), (480, height), interpolation=cv2.INTER_AREA)
        found = network.chances(picture).copy()
        network.release_memory()
        assert found == pytest.approx(detector._small.chances(picture), abs=0.02)
    assert made == [(1, 320, 480, 3), (1, 352, 480, 3)]


def test_a_full_look_at_a_small_picture_compiles_no_network_of_its_own(
    detector: stages.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take half of the time of the look."""
    made, sized = [], stages.sized
    monkeypatch.setattr(stages, "sized", lambda model, shape: made.append(shape) or sized(model, shape))
    detector._look(np.full((736, 768, 3), 255, np.uint8), 1.0)
    assert made == []
    detector._look(np.full((736, 1376, 3), 255, np.uint8), 1.0)
    assert made == [(1, 736, 1376, 3)]


@pytest.mark.parametrize("pixels", [541_696, 600_000, 1_000_000, 1_000_001, 4_000_000])
def test_more_is_foreseen_than_either_look_takes(pixels: int) -> None:
    small = round(pixels * stages.FIRST_LOOK**2)
    first = stages.ONE_SIZE_BYTES if small > stages.LARGE_PIXELS else 182
    assert stages.bytes_at_once(pixels) > max(first * small, 91 * pixels)


@pytest.mark.parametrize("pixels", [200_000, 541_696, 1_000_000, 1_900_000, 4_000_000])
def test_in_sixteen_bits_a_look_takes_half(pixels: int) -> None:
    """Tensors there are of two bytes a value, so that one network for all sizes serves twice the pixels."""
    assert 0.45 < stages.bytes_at_once(pixels, 2) / stages.bytes_at_once(pixels, 4) < 1.2
    small, large = stages.bytes_at_once(800_000, 2), stages.bytes_at_once(1_900_000, 2)
    assert large == pytest.approx(small * 19 / 8, abs=1)  # no second network yet


def test_in_sixteen_bits_a_small_look_is_one_cores_and_a_large_one_twice_as_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More cores would wait for each other; its tensors are half as large."""
    made = []
    monkeypatch.setattr(stages, "sized", lambda _, shape: made.append(shape))
    detector, wide = _computing_in(2), _computing_in(4)
    assert detector._small._model.get_property("INFERENCE_NUM_THREADS") == 1
    assert wide._small._model.get_property("INFERENCE_NUM_THREADS") == stages.cores()
    detector._look(np.full((736, 1376, 3), 255, np.uint8), 1.0)
    assert made == []


def test_before_a_picture_there_is_room_for_its_first_look_or_for_all_of_a_large_one() -> None:
    """Models may go before a page and not within it, so that room for a large look is made before."""
    assert stages.bytes_before(900_000) == stages.bytes_at_once(round(900_000 * stages.FIRST_LOOK**2))
    assert stages.bytes_before(1_200_000) == stages.bytes_at_once(1_200_000)
    assert stages.bytes_before(1_200_000, 2) < stages.bytes_at_once(1_200_000, 2)


def test_room_is_made_before_a_look_at_full_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    looking = stages.Detector(builtin_models() / BUILTIN_DET, asked.append)
    looking(_words(60))
    assert asked == []
    monkeypatch.setattr(stages, "unclear_place", lambda *_: (0, 0, 1 << 20, 1 << 20))
    monkeypatch.setattr(looking, "_closer", lambda *_: None)
    looking.postprocess_op.taken()
    picture = _words(60)
    looking(picture)
    height, width = (stages.side_of(side * stages._scale(picture, 1.0)) for side in picture.shape[:2])
    assert asked == [stages.bytes_at_once(height * width, looking._value)]


def test_a_detector_is_not_replaced_while_it_looks() -> None:
    within: list[bool] = []
    looking = stages.Detector(builtin_models() / BUILTIN_DET)
    looking._small.sizes.update((32, 32 * width) for width in range(1, stages.MOST_SIZES + 2))
    assert looking.overfull
    usual = looking._small.chances
    looking._small.chances = lambda seen: (within.append(looking.overfull), usual(seen))[1]  # type: ignore[method-assign]
    looking(_words(60))
    assert within == [False] and looking.overfull


def test_the_recogniser_takes_no_more_than_is_foreseen() -> None:
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    reader = stages.Recogniser(builtin_models() / BUILTIN_REC)
    narrow = np.full((48, 64, 3), 255, np.uint8)
    reader(TextRecInput(img=[narrow] * 8, return_word_box=True))
    wide = np.full((48, 2000, 3), 255, np.uint8)
    trim()
    before = resident()
    reader(TextRecInput(img=[wide] * 8, return_word_box=True))
    foreseen = stages.bytes_of_lines([2000 / 48])
    kernels = 16 * MIB  # of a new width
    assert resident() - before < foreseen + kernels
    assert stages.bytes_of_lines([]) == 0
    assert stages.bytes_of_lines([2.0, 5.0]) == stages.bytes_of_lines([5.0]) < foreseen


def test_the_half_turn_net_says_what_rapidocrs_says() -> None:
    """For one size of line and one core: nothing else differs."""
    from rapidocr import EngineType, RapidOCR

    weights = builtin_models() / BUILTIN_CLS
    asked = {"Cls.engine_type": EngineType.OPENVINO, "Cls.model_path": str(weights), "Cls.cls_batch_num": 1}
    theirs = RapidOCR(params={"Global.log_level": "error", **asked})
    lines = [_words(height, 1)[60 : 140 + int(height)] for height in (16, 30, 60)]
    lines += [np.ascontiguousarray(line[::-1, ::-1]) for line in lines]
    _, expected = theirs.cls_and_rotate(lines)
    found = stages.half_turn_classifier(weights)(lines)
    assert [label for label, _ in found.cls_res] == [label for label, _ in expected.cls_res]
    assert [chance for _, chance in found.cls_res] == pytest.approx(
        [chance for _, chance in expected.cls_res], abs=0.02
    )


def test_few_widths_serve_all_lines() -> None:
    widths = {stages.width_of(pixels) for pixels in range(1, 2561)}
    assert len(widths) < 25
    assert all(width % 8 == 0 for width in widths)
    assert all(pixels <= stages.width_of(pixels) for pixels in range(1, 20_000, 7))
    assert all(stages.width_of(pixels) < pixels * 1.26 for pixels in range(128, 20_000))


def test_weights_without_characters_are_left_to_rapidocr() -> None:
    with pytest.raises(ValueError, match=r"characters|Softmax"):
        stages.Recogniser(builtin_models() / BUILTIN_DET)


def test_a_recogniser_that_has_read_goes_with_its_last_holder() -> None:
    from rapidocr.ch_ppocr_rec.typings import TextRecInput

    reader = stages.Recogniser(builtin_models() / BUILTIN_REC)
    reader(TextRecInput(img=[_words(30, 1)[90:135]], return_word_box=True))
    gone = weakref.ref(reader)
    gc.disable()  # nothing is collected when readers are released, and C++ in a circle never is
    try:
        del reader
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("classes", [18_710, 97, 1])
def test_the_best_of_many_classes_is_found_in_parts(classes: int) -> None:
    import openvino
    from openvino import opset13 as ops

    given = ops.parameter([1, -1, classes], np.float32)
    best, number = best_of(given)
    made = openvino.Core().compile_model(openvino.Model([best.output(0), number.output(0)], [given]), "CPU")
    chances = np.random.default_rng(classes).random((1, 7, classes)).astype(np.float32)
    found = made([chances])
    assert np.array_equal(found[1][..., 0], chances.argmax(axis=2))
    assert found[0][..., 0] == pytest.approx(chances.max(axis=2), abs=0.01)  # bfloat16 inside


def test_the_script_net_says_the_same_on_openvino_and_without() -> None:
    windows = np.random.default_rng(5).random((5, script_net.LINE_HEIGHT, script_net.WINDOW), np.float32)
    request = script_net._on_openvino()
    assert request is not None
    found = script_net.by_openvino(request, windows)
    assert found == pytest.approx(script_net.by_numpy(windows), abs=1e-3)
