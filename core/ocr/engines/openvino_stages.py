"""RapidOCR's three stages on OpenVINO, at less cost: they take the places of its own.

Pictures go in as bytes and the network scales their values itself. Of the recogniser's 18,710 chances a step
only the best leaves the network. Lines are read one by one at the width they need, several at once on one
processor core each, which costs less processor time than one line after the other on all cores. Widths come
in steps: OpenVINO compiles kernels for each width once. The net that tells whether a line hangs upside down
is compiled once, for the one size of line that it is shown and for one core.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...units import MIB
from .compiled_models import compiled, read, sized, value_bytes
from .kept_memory import trim
from .line_detection import SHORT_SIDE
from .line_shapes.bent_lines import BentBands
from .line_shapes.pressed_lines import LINE_HEIGHT, is_better_whole, ratio_read, stretch
from .line_shapes.tight_boxes import tightened
from .line_shapes.unclear_places import Place, lowest, unclear_place, window_on, with_found
from .openvino_graphs import detector_graph, recogniser_graph

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

FIRST_LOOK = 0.6  # of that size, which is a third of the work
# These four are for tensors of four bytes a value; where OpenVINO computes in 16 bits they take half.
KEPT_PIXELS = 650_000  # of a small look, up to which its tensors are kept
# Pixels of a look from which a network of that one size costs hardly more than the one for any, and the small
# looks' tensors make room.
LARGE_PIXELS = 1_000_000
# Bytes of tensors for each pixel in either, with what is copied on the way.
ANY_SIZE_BYTES, ONE_SIZE_BYTES = 195, 100
HALVED = 0.57  # of those bytes where a value has two: pictures and the last map stay as they are
COMPILED_BYTES = 48 * MIB  # of that one network
COLUMN_BYTES = 24 * 1024  # of the recogniser's tensors for each column of a line, in 16 bits hardly less
MOST_SIZES = 16  # of pictures whose kernels (5 MiB each) a detector keeps where memory is short
PARTS = 4  # of a pixel, in which corners are measured
HIGH_LINE = 128  # pixels; where all boxes are higher, a larger look falls between the strokes of letters
STEP = 32  # pixels; the network's sides are multiples of it
NARROWEST = 64  # pixels of the narrowest line it is given
MOST_AT_ONCE = 4  # lines in flight; more wins little and takes memory
# (up to this width, in steps of): what is added to a line is less than an eighth of it
WIDTH_STEPS = ((256, 32), (640, 64), (1280, 128), (2560, 256))
WIDEST_STEP = 512
TURNED_LINE = (1, 3, 48, 192)  # lines at once, channels, height and width of what the half-turn net is shown
TURNED_FROM = 0.9  # RapidOCR's own chance from which it turns a line, which nobody here looks at

_Read = dict[int, tuple[Any, Any]]  # by a line's index: (its text and score, its words)
_Decode = Callable[..., tuple[Any, Any]]


def width_of(pixels: int) -> int:
    """The width (pixels) at which a line of so many is read: the next step."""
    for most, step in WIDTH_STEPS:
        if pixels <= most:
            return max(NARROWEST, math.ceil(pixels / step) * step)
    return math.ceil(pixels / WIDEST_STEP) * WIDEST_STEP


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def bytes_before(pixels: int, value: int = 4) -> int:
    """For how many bytes there has to be room before a picture of which the detector sees so many pixels at
    full size: for the first look's, and for all it may take where models may have to go for them, which they
    cannot once it looks.
    """
    first = round(pixels * FIRST_LOOK**2)
    return bytes_at_once(first if pixels <= _large_pixels(value) else pixels, value)


def bytes_at_once(pixels: int, value: int = 4) -> int:
    """How many the detector takes at once for a picture of which it sees so many pixels at full size, where
    a value has so many bytes.
    """
    share, large = (1.0 if value > 2 else HALVED), _large_pixels(value)
    if pixels <= large:  # what the first look takes of that is kept from the picture before
        return round(share * pixels * ANY_SIZE_BYTES)
    small = pixels * FIRST_LOOK**2
    first = share * small * ANY_SIZE_BYTES if small <= large else 0
    return max(round(first), round(share * pixels * ONE_SIZE_BYTES) + COMPILED_BYTES)


def bytes_of_lines(ratios: Iterable[float]) -> int:
    """How many the recogniser takes at once for lines of such widths over their heights."""
    widest = max((width_of(math.ceil(LINE_HEIGHT * ratio)) for ratio in ratios), default=0)
    return lines_at_once() * widest * COLUMN_BYTES


def lines_at_once() -> int:
    return min(MOST_AT_ONCE, cores())


def _large_pixels(value: int) -> int:
    return LARGE_PIXELS * 4 // value


class Detector:
    """In the place of RapidOCR's ``TextDetector``: uint8 BGR (height, width, 3) in, ``TextDetOutput`` out.

    A picture is looked at small first. Where all lines found are high enough and nothing else looks like
    text, that is the answer. Where something does, it alone is looked at as large as RapidOCR does; else all
    of the picture. ``make_room`` is told before such a look how many bytes it takes.
    """

    def __init__(self, weights: Path, make_room: Callable[[int], object] = lambda _: None) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        self._make_room = make_room
        self._looking = False
        self._value = value_bytes()
        # In 16 bits a small look takes some 20 ms of one core: more cores would mostly wait for each other,
        # with each new size's kernels above all, and that waiting is work for a processor.
        self._small = _Network(weights, threads=1 if self._value == 2 else 0)
        self._full = _FullLooks(weights, _large_pixels(self._value))
        self.postprocess_op = BentBands(
            DBPostProcess(
                thresh=0.3, box_thresh=0.5, max_candidates=1000, unclip_ratio=1.6, use_dilation=True
            )
        )

    def __call__(self, picture: NDArray[uint8]) -> Any:
        from rapidocr.ch_ppocr_det import TextDetector, TextDetOutput

        self._looking = True
        try:
            boxes, scores = self._found(picture)
        finally:
            self._looking = False
        if not len(boxes):
            return TextDetOutput()
        return TextDetOutput(picture, TextDetector.sorted_boxes(boxes), scores)

    def _found(self, picture: NDArray[uint8]) -> tuple[NDArray[Any], list[float]]:
        boxes, scores, unclear = self._look(picture, FIRST_LOOK)
        if unclear and lowest(boxes, _scale(picture, FIRST_LOOK)) > HIGH_LINE:
            boxes, scores, unclear = self._look(picture, FIRST_LOOK / 2)
        if not unclear:
            return tightened(boxes, picture), scores
        if closer := self._closer(picture, boxes, scores, unclear):
            return closer
        boxes, scores, _ = self._look(picture, 1.0)
        return boxes, scores

    def _closer(
        self, picture: NDArray[uint8], boxes: NDArray[Any], scores: list[float], place: Place
    ) -> tuple[NDArray[Any], list[float]] | None:
        """All lines, those of an unclear place looked at closer; None where all of the picture is to be."""
        import numpy as np

        scale = _scale(picture, 1.0)
        window = window_on(place, picture.shape, scale)
        if window is None or self.postprocess_op.taken():
            return None
        left, top, right, bottom = window
        seen = np.ascontiguousarray(picture[top:bottom, left:right])
        there, sure, _ = self._look(seen, scale / _scale(seen, 1.0))
        if self.postprocess_op.taken():
            return None
        there = there + np.array((left, top), np.float32)
        return with_found(tightened(boxes, picture), scores, there, sure, place, window, picture.shape)

    def _look(self, picture: NDArray[uint8], share: float) -> tuple[NDArray[Any], list[float], Place | None]:
        """(boxes (n, 4, 2) in pixels of the picture, their scores, the place of which a larger look would
        tell more) at a share of the size that RapidOCR looks at.
        """
        import numpy as np

        seen, down, across = _seen(picture, share)
        network = self._network(share, seen.shape[0] * seen.shape[1])
        chances = network.chances(seen)
        fine = seen.shape[0] * PARTS, seen.shape[1] * PARTS  # boxes are rounded to whole numbers of these
        found, scores = self.postprocess_op(chances, fine)
        self.postprocess_op.enlarge(1 / (PARTS * across), 1 / (PARTS * down))
        boxes = np.asarray(found, np.float32).reshape(-1, 4, 2) / PARTS
        unclear = unclear_place(boxes, chances[0, 0], (across, down))
        if network is self._full or self._small.largest > KEPT_PIXELS * 4 // self._value:
            network.release_memory()
        return boxes / np.array((across, down), np.float32), scores, unclear

    def _network(self, share: float, pixels: int) -> _Network | _FullLooks:
        """Small looks come with each picture and keep their tensors; those of a look at full size are too
        large to be kept, and for those of a large one the small ones make room.
        """
        if share < 1 and pixels <= _large_pixels(self._value):
            return self._small
        if pixels > _large_pixels(self._value):
            self._small.release_memory()
            trim()  # or what it freed stands beside what is needed now
        self._make_room(bytes_at_once(pixels, self._value))
        return self._full

    @property
    def overfull(self) -> bool:
        """Whether the kernels of so many sizes are kept that having it anew costs less than keeping them: not
        while it looks.
        """
        return not self._looking and len(self._small.sizes) + len(self._full.sizes) > MOST_SIZES

    def release_memory(self) -> None:
        """Give back tensors that the next picture makes anew."""
        self._small.release_memory()
        self._full.drop()


class _Network:
    """The detector's network for pictures of any size, on so many ``threads`` (0: on all cores). ``sizes``:
    (height, width) of pictures whose kernels are kept, ``largest``: the pixels whose tensors are.
    """

    def __init__(self, weights: Path, threads: int = 0) -> None:
        properties = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads} if threads else {}
        self._model, _ = compiled(weights, detector_graph, "bytes in, enlarged last", properties)
        self._request = self._model.create_infer_request()
        self.sizes: set[tuple[int, int]] = set()
        self.largest = 0

    def chances(self, seen: NDArray[uint8]) -> NDArray[float32]:
        """(1, 1, height, width): of each pixel to be text. Until the next call or ``release_memory``."""
        height, width = seen.shape[:2]
        if 0 < self.largest < height * width:  # each tensor would grow by itself and leave a hole
            self.release_memory()
        self.largest = max(self.largest, height * width)
        self.sizes.add((height, width))
        self._request.infer([seen[None]])
        chances: NDArray[float32] = self._request.get_output_tensor().data
        return chances

    def release_memory(self) -> None:
        self.largest = 0
        self._model.release_memory()


class _FullLooks:
    """The detector's networks for looks whose tensors are not kept: one for pictures of any size, and from
    so many pixels on that of the last picture.
    """

    def __init__(self, weights: Path, large: int = LARGE_PIXELS) -> None:
        self._weights = weights
        self._large = large
        self._any: _Network | None = None  # made when it is needed first
        self._one = _SizedNetwork(weights)

    @property
    def sizes(self) -> set[tuple[int, int]]:
        """(height, width) of pictures whose kernels are kept, but for the last one's network."""
        return self._any.sizes if self._any else set()

    def chances(self, seen: NDArray[uint8]) -> NDArray[float32]:
        """As a network's. Until the next call or ``release_memory``."""
        if seen.shape[0] * seen.shape[1] > self._large:
            return self._one.chances(seen)
        self._any = self._any or _Network(self._weights)
        return self._any.chances(seen)

    def release_memory(self) -> None:
        self._one.release_memory()
        if self._any:
            self._any.release_memory()

    def drop(self) -> None:
        """Let go of the last picture's network too."""
        self._one.drop()
        self.release_memory()


class _SizedNetwork:
    """The detector's network compiled for the size of one picture, until another size comes.

    OpenVINO then knows which tensors are never there together: 91 bytes a pixel instead of 182. What
    compiling costs (0.2 s) is won back in page faults from a megapixel on, and with the next page so large.
    """

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        self._of_any_size: Any = None  # read when it is needed first
        self._size = (0, 0)
        self._model: Any = None

    def chances(self, seen: NDArray[uint8]) -> NDArray[float32]:
        """As those of the other network. Until the next call or ``release_memory``."""
        size = seen.shape[:2]
        if size != self._size:
            self.drop()
            self._of_any_size = self._of_any_size or read(self._weights, detector_graph)
            self._model = sized(self._of_any_size, (1, *size, 3))
            self._size = size
        request = self._model.create_infer_request()
        request.infer([seen[None]])
        chances: NDArray[float32] = request.get_output_tensor().data
        return chances

    def release_memory(self) -> None:
        """Give back the tensors. The network stays: a document's pages are of one size."""
        if self._model is not None:
            self._model.release_memory()

    def drop(self) -> None:
        self._size, self._model = (0, 0), None


class Recogniser:
    """In the place of RapidOCR's ``TextRecognizer``: ``TextRecInput`` in, ``TextRecOutput`` out.

    Raises ValueError for weights whose file does not name its characters.
    """

    def __init__(self, weights: Path) -> None:
        from openvino import AsyncInferQueue
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

        at_once = lines_at_once()
        properties = {"NUM_STREAMS": at_once, "INFERENCE_NUM_THREADS": at_once}
        self._model, characters = compiled(weights, recogniser_graph, "best character in parts", properties)
        if not characters:
            raise ValueError(f"{weights} does not name its characters")
        self._decode = CTCLabelDecode(character=characters.splitlines()).decode
        self._queue = AsyncInferQueue(self._model, at_once)
        self._queue.set_callback(_done)

    def __call__(self, asked: Any) -> Any:
        from rapidocr.ch_ppocr_rec.typings import TextRecOutput

        crops = [asked.img] if hasattr(asked.img, "shape") else list(asked.img)
        whole = _ratios(crops)
        pressed = dict(enumerate(map(ratio_read, crops)))
        read = self._read(crops, pressed)
        again: dict[int, float] = {}
        for index, ((text, score), words) in read.items():
            if pressed[index] < whole[index]:
                stretch(words, whole[index] / pressed[index])
                if is_better_whole(text, score, whole[index]):
                    again[index] = whole[index]
        if again:
            read |= self._read(crops, again)
        found = [read[index] for index in range(len(crops))]
        return TextRecOutput(
            crops,
            tuple(line[0] for line, _ in found),
            [line[1] for line, _ in found],
            tuple(words for _, words in found),
        )

    def _read(self, crops: Sequence[NDArray[uint8]], ratios: Mapping[int, float]) -> _Read:
        """Some of the lines. ``ratios``: by a line's index, its width over its height as it is read."""
        read: _Read = {}
        try:
            for index, ratio, line in _prepared(crops, ratios):
                self._queue.start_async([line], (read, self._decode, index, ratio, line.shape[3]))
        finally:
            self._queue.wait_all()
        return read

    def release_memory(self) -> None:
        """Give back tensors that the next line makes anew."""
        self._model.release_memory()


def half_turn_classifier(weights: Path) -> Any:
    """RapidOCR's ``TextClassifier`` with a session that takes one core: its own takes all, and 0.54 ms a line
    instead of 0.37.
    """
    from rapidocr.ch_ppocr_cls import TextClassifier
    from rapidocr.ch_ppocr_cls.utils import ClsPostProcess

    made = TextClassifier.__new__(TextClassifier)  # its own start compiles the net for itself
    made.cls_image_shape = list(TURNED_LINE[1:])
    made.cls_batch_num = TURNED_LINE[0]
    made.cls_thresh = TURNED_FROM
    made.postprocess_op = ClsPostProcess(["0", "180"])
    made.session = _HalfTurnSession(weights)
    return made


class _HalfTurnSession:
    """In the place of that of RapidOCR's ``TextClassifier``; compiled when it is asked first."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        self._request: Any = None

    def __call__(self, line: NDArray[float32]) -> NDArray[float32]:
        """``line``: of the shape ``TURNED_LINE``. (1, 2): the chances to stand and to hang. Until the next
        call.
        """
        if self._request is None:
            properties = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
            net = sized(read(self._weights, lambda net: net), TURNED_LINE, properties)
            self._request = net.create_infer_request()
        self._request.infer([line])
        chances: NDArray[float32] = self._request.get_output_tensor().data
        return chances


def _done(request: Any, told: tuple[_Read, _Decode, int, float, int]) -> None:
    """A line's best characters have come. Called in a thread of OpenVINO's.

    A function of this file and no closure, and nothing told leads to the queue: the queue is C++ and holds
    both, so that Python's collector could never free such a circle, with the model and its threads in it.
    """
    read, decode, index, ratio, width = told
    best = request.get_output_tensor(0).data[..., 0].copy()
    chance = request.get_output_tensor(1).data[..., 0].copy()
    lines, words = decode(best, chance, True, (ratio,), width / LINE_HEIGHT, True)
    read[index] = lines[0], words[0]


def side_of(pixels: float) -> int:
    """The side (pixels) that the detector sees of one of so many: RapidOCR's, the nearest multiple of 32."""
    return max(1, round(pixels / STEP)) * STEP


def _scale(picture: NDArray[uint8], share: float) -> float:
    """At a share of 1 the short side is at least RapidOCR's 736."""
    short: int = min(picture.shape[:2])
    return share * max(1.0, SHORT_SIDE / short)


def _seen(picture: NDArray[uint8], share: float) -> tuple[NDArray[uint8], float, float]:
    """(what the detector sees, its scale down, its scale across), stretched to whole steps: a line that the
    picture's edge cuts would be lost in what is put beside it.
    """
    import cv2

    height, width = picture.shape[:2]
    scale = _scale(picture, share)
    tall, wide = side_of(height * scale), side_of(width * scale)
    if (tall, wide) == (height, width):
        return picture, 1.0, 1.0
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, (wide, tall), interpolation=how), tall / height, wide / width


def _ratios(crops: Sequence[NDArray[uint8]]) -> dict[int, float]:
    """By each line's index its width over its height."""
    return {index: crop.shape[1] / crop.shape[0] for index, crop in enumerate(crops)}


def _prepared(
    crops: Sequence[NDArray[uint8]], ratios: Mapping[int, float]
) -> Iterator[tuple[int, float, NDArray[float32]]]:
    """(index, width over height, (1, 3, 48, width) between -1 and 1) of each line in ``ratios``, wide ones
    first: what these need in memory suffices for the others.
    """
    import cv2
    import numpy as np

    for index in sorted(ratios, key=ratios.__getitem__, reverse=True):
        wide = max(1, math.ceil(LINE_HEIGHT * ratios[index]))
        small = cv2.resize(crops[index], (wide, LINE_HEIGHT))
        line = np.zeros((1, 3, LINE_HEIGHT, width_of(wide)), np.float32)
        line[0, :, :, :wide] = small.transpose(2, 0, 1)
        line[0, :, :, :wide] *= 1 / 127.5
        line[0, :, :, :wide] -= 1
        yield index, ratios[index], line
