"""PP-OCR through RapidOCR, on OpenVINO where it is installed, else on ONNX Runtime.

The three stages (detect, turn upright, recognise) are RapidOCR's own. What is added: the page is scaled
once for detection while lines are cut from the full picture, lines the recogniser could not read are kept
as evidence instead of dropped, and a cancel is noticed between line batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cjk import is_cjk
from ...errors import VramwiseError
from ...hardware import capabilities
from ..images import fit_pixels
from ..results.line import Line
from ..results.result import Point, Word
from .kept_memory import KeptMemory, trim
from .protocol import ProgressCallback
from .script_detection import LineEvidence, character_spans, explained_share, foreign_lines, guess_scripts

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

AUTO_PIXELS = 4_000_000  # what detection sees of a large picture: RapidOCR's own 2000 x 2000
MAX_ASPECT = 8.0  # detection upscales the short side to 736; longer strips are padded instead
MIN_SIDE = 320  # RapidOCR upscales the short side to 736: of a small strip it would make giant letters
TEXT_SCORE = 0.5  # RapidOCR's own threshold under which a line is dropped
LINES_PER_CHECK = 24  # a multiple of RapidOCR's batch of 6
TALL = 1.5  # RapidOCR turns crops that are this much higher than wide
NARROW_GLYPH = 2.5  # below this, among level lines, a tall crop is one narrow character and stays upright

BUILTIN_DET = "PP-OCRv6_det_small.onnx"
BUILTIN_CLS = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
BUILTIN_REC = "PP-OCRv6_rec_small.onnx"


def builtin_models() -> Path:
    """The folder inside the rapidocr wheel that holds the built-in weights; VramwiseError when one is
    missing.
    """
    from importlib import resources

    folder = Path(str(resources.files("rapidocr").joinpath("models")))
    missing = [name for name in (BUILTIN_DET, BUILTIN_CLS, BUILTIN_REC) if not (folder / name).is_file()]
    if missing:
        raise VramwiseError(
            f"The installed rapidocr does not carry {', '.join(missing)} in {folder}. Install one that does: "
            f"{capabilities.pip_line('--upgrade', 'rapidocr>=3.10')}"
        )
    return folder


class RapidReader:
    """A live PP-OCR. ``recogniser``: the file of another recogniser, or None for the one inside the wheel."""

    def __init__(self, recogniser: Path | None = None) -> None:
        self.runtime = capabilities.rapid_runtime()
        self._builtin = recogniser is None
        if self.runtime == "openvino":
            capabilities.import_openvino()
        capabilities.check_opencv()
        self._recogniser = recogniser
        self._ocr = self._made()
        self._kept = KeptMemory(self._free, self._renew)

    def _made(self) -> Any:
        """A RapidOCR; it compiles each of its models at first use."""
        from rapidocr import EngineType, RapidOCR

        engine = EngineType.OPENVINO if self.runtime == "openvino" else EngineType.ONNXRUNTIME
        folder = builtin_models()
        return RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.return_word_box": True,
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "Det.engine_type": engine,
                "Cls.engine_type": engine,
                "Rec.engine_type": engine,
                "Det.model_path": str(folder / BUILTIN_DET),
                "Cls.model_path": str(folder / BUILTIN_CLS),
                "Rec.model_path": str(self._recogniser or folder / BUILTIN_REC),
            }
        )

    def lines(self, image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        """Detect and read the lines of one uint8 RGB image (height, width, 3).

        With the built-in recogniser, ``Line.foreign`` names the script of lines it cannot read. Lines under
        RapidOCR's own score threshold are left out.
        """
        with self._kept.page():
            return self._lines(image, max_pixels, progress)

    def _lines(self, image: NDArray[uint8], max_pixels: int | None, progress: ProgressCallback) -> list[Line]:
        import numpy as np

        bgr = np.ascontiguousarray(image[:, :, ::-1])
        boxes = self._detect(bgr, max_pixels or AUTO_PIXELS)
        if not len(boxes):
            return []
        progress.check()
        polygons, crops = self._upright(bgr, boxes)
        read = self._recognise(crops, progress)
        foreign = self._foreign(crops, read) if self._builtin else {}
        lines = []
        for index, (text, score, spans, confidences) in enumerate(read):
            if not text.strip() and index not in foreign:
                continue
            if score < TEXT_SCORE and index not in foreign:
                continue
            words = _words(text, spans, confidences, crops[index].shape[1], polygons[index])
            lines.append(Line(text, polygons[index], score, words, foreign.get(index)))
        return lines

    def release(self) -> None:
        """Drop the sessions; the object is not used afterwards."""
        del self._ocr
        trim()

    def _free(self) -> None:
        """Give back the tensors of OpenVINO's compiled detector, the largest there are: the recogniser's are
        a tenth of these and cost as much to have again. ONNX Runtime has nothing like it.
        """
        request: Any = getattr(getattr(self._ocr.text_det, "session", None), "session", None)
        compiled: Any = request.get_compiled_model() if hasattr(request, "get_compiled_model") else None
        if hasattr(compiled, "release_memory"):  # OpenVINO before 2024.5 has none
            compiled.release_memory()

    def _renew(self) -> None:
        self._ocr = self._made()

    def _detect(self, bgr: NDArray[uint8], max_pixels: int) -> NDArray[Any]:
        """Four-point boxes (n, 4, 2) float32 in pixels of ``bgr``."""
        import cv2
        import numpy as np
        from rapidocr.main import RapidOCRError

        long, short = max(bgr.shape[:2]), min(bgr.shape[:2])
        padded_share = short / max(short, math.ceil(long / MAX_ASPECT))  # the budget counts the padding
        small = fit_pixels(bgr, max(1, int(max_pixels * padded_share)))
        scale_x, scale_y = bgr.shape[1] / small.shape[1], bgr.shape[0] / small.shape[0]
        height, width = small.shape[:2]
        want_h = max(height, MIN_SIDE, math.ceil(width / MAX_ASPECT))
        want_w = max(width, MIN_SIDE, math.ceil(height / MAX_ASPECT))
        top, left = (want_h - height) // 2, (want_w - width) // 2
        if (want_h, want_w) != (height, width):
            paper = [int(c) for c in np.median(_border(small), axis=0)]
            sides = top, want_h - height - top, left, want_w - width - left
            small = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=paper)
        try:
            _, found = self._ocr.detect_and_crop(small, {})
        except RapidOCRError:  # its way of saying that nothing was detected
            return np.zeros((0, 4, 2), np.float32)
        boxes = (np.asarray(found.boxes, np.float32) - (left, top)) * (scale_x, scale_y)
        boxes[..., 0] = boxes[..., 0].clip(0, bgr.shape[1])
        boxes[..., 1] = boxes[..., 1].clip(0, bgr.shape[0])
        level: NDArray[Any] = boxes.astype(np.float32)
        return level

    def _upright(
        self, bgr: NDArray[uint8], boxes: NDArray[Any]
    ) -> tuple[list[tuple[Point, ...]], list[NDArray[uint8]]]:
        """Cut every line from the full picture, right way up, and give its polygon from its own top left
        corner.

        RapidOCR turns tall crops by a quarter and asks a small net about each half turn. Single lines are
        often judged wrongly, so the half turn is decided by the majority of the page.
        """
        import cv2
        import numpy as np

        wide = [_length(b[0], b[1]) >= _length(b[0], b[3]) for b in boxes]
        level = sum(wide) >= len(wide) / 2
        crops, polygons = [], []
        for box, crop in zip(boxes, self._ocr.crop_text_regions(bgr, list(boxes)), strict=True):
            points = [(float(x), float(y)) for x, y in box]
            ratio = crop.shape[1] / max(1, crop.shape[0])  # RapidOCR has turned it already
            turned = int(_height(box)) / max(1, int(_width(box))) >= TALL
            if turned and level and ratio < NARROW_GLYPH:
                crop = np.rot90(crop, -1)
            elif turned:
                points = points[1:] + points[:1]
            crops.append(np.ascontiguousarray(crop))
            polygons.append(tuple(points))
        usable = [i for i, crop in enumerate(crops) if min(crop.shape[:2]) > 0]
        crops, polygons = [crops[i] for i in usable], [polygons[i] for i in usable]
        if not crops:
            return [], []
        _, judged = self._ocr.cls_and_rotate(crops)
        if _upside_down(crops, [score if label == "180" else 1 - score for label, score in judged.cls_res]):
            crops = [cv2.rotate(crop, cv2.ROTATE_180) for crop in crops]
            polygons = [polygon[2:] + polygon[:2] for polygon in polygons]
        return polygons, crops

    def _recognise(
        self, crops: Sequence[NDArray[uint8]], progress: ProgressCallback
    ) -> list[tuple[str, float, list[tuple[float, float]], list[float]]]:
        """(text, score, x spans of its non-space characters in the crop, score of each character) per
        crop.
        """
        order = sorted(range(len(crops)), key=lambda i: crops[i].shape[1] / crops[i].shape[0])
        read: dict[int, tuple[str, float, list[tuple[float, float]], list[float]]] = {}
        for start in range(0, len(order), LINES_PER_CHECK):
            progress.check()
            some = order[start : start + LINES_PER_CHECK]
            result = self._ocr.recognize_txt([crops[i] for i in some])
            for i, text, score, info in zip(
                some, result.txts, result.scores, result.word_results, strict=True
            ):
                spans = character_spans(info, crops[i].shape[1]) if text.strip() else []
                read[i] = (text, float(score), spans, [float(c) for c in getattr(info, "confs", None) or []])
        return [read[i] for i in range(len(crops))]

    def _foreign(self, crops: Sequence[NDArray[uint8]], read: Sequence[tuple[Any, ...]]) -> dict[int, str]:
        guesses = guess_scripts(crops)
        evidence = [
            LineEvidence(text, explained_share(crop, spans), guess)
            for crop, (text, _, spans, _), guess in zip(crops, read, guesses, strict=True)
        ]
        return foreign_lines(evidence)


def _upside_down(crops: Sequence[NDArray[uint8]], chances: Sequence[float]) -> bool:
    """Whether the page hangs upside down: the lines' chances of that, weighed by how long each line is.

    One or two short lines say little, so these must be sure.
    """
    weights = [crop.shape[1] / max(1, crop.shape[0]) for crop in crops]
    mean = sum(w * float(c) for w, c in zip(weights, chances, strict=True)) / sum(weights)
    return bool(mean > (0.5 if len(crops) > 2 else 0.9))


def _border(image: NDArray[uint8]) -> NDArray[uint8]:
    import numpy as np

    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _length(a: Any, b: Any) -> float:
    return math.hypot(float(a[0] - b[0]), float(a[1] - b[1]))


def _width(box: Any) -> float:
    return max(_length(box[0], box[1]), _length(box[2], box[3]))


def _height(box: Any) -> float:
    return max(_length(box[0], box[3]), _length(box[1], box[2]))


def _words(
    text: str,
    spans: Sequence[tuple[float, float]],
    confidences: Sequence[float],
    crop_width: int,
    polygon: tuple[Point, ...],
) -> tuple[Word, ...]:
    """Group characters into words (CJK: one character each) and lay them on the line's polygon."""
    groups: list[list[tuple[str, int, float | None]]] = []
    position, fresh = 0, True
    for index, character in enumerate(text):
        if character.isspace():
            fresh = True
            continue
        confidence = confidences[index] if index < len(confidences) else None
        cjk = is_cjk(character)
        if fresh or cjk or (groups and is_cjk(groups[-1][-1][0])):
            groups.append([])
        groups[-1].append((character, position, confidence))
        position, fresh = position + 1, False
    if position != len(spans):  # the recogniser gave no usable positions
        return ()
    words = []
    for group in groups:
        start, end = spans[group[0][1]][0] / crop_width, spans[group[-1][1]][1] / crop_width
        known = [c for _, _, c in group if c is not None]
        words.append(
            Word(
                text="".join(character for character, _, _ in group),
                polygon=_slice(polygon, max(0.0, start), min(1.0, end)),
                confidence=sum(known) / len(known) if known else None,
            )
        )
    return tuple(words)


def _slice(polygon: tuple[Point, ...], start: float, end: float) -> tuple[Point, ...]:
    """The part of a four-point line polygon between two shares of its crop's length.

    The crop is the polygon in perspective, so equal parts of it are not equal parts of the polygon: where the
    ends of a long line differ by a pixel in height, its middle stands letters away.
    """
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = polygon
    # the perspective of the unit square onto the polygon (P. Heckbert, 1989, section 2.2.3), of which the
    # depths at the corners suffice: 1 at a, 1 + g at b, 1 + g + h at c, 1 + h at d
    away = (bx - cx) * (dy - cy) - (dx - cx) * (by - cy)
    over_x, over_y = ax - bx + cx - dx, ay - by + cy - dy
    g = (over_x * (dy - cy) - over_y * (dx - cx)) / away if away else 0.0
    h = (over_y * (bx - cx) - over_x * (by - cy)) / away if away else 0.0

    def at(near: Point, far: Point, share: float, deep: float) -> Point:
        depth = deep + g * share
        part = share * (deep + g) / depth if min(deep, deep + g) > 0 else share
        return near[0] + (far[0] - near[0]) * part, near[1] + (far[1] - near[1]) * part

    (a, b, c, d), low = polygon, 1 + h
    return at(a, b, start, 1.0), at(a, b, end, 1.0), at(d, c, end, low), at(d, c, start, low)
