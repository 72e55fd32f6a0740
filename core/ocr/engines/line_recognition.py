"""What do the cut lines say? The live RapidOCR's recogniser, a few lines at a time: a cancel is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .protocol import ProgressCallback
from .script_detection import character_spans

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

LINES_PER_CHECK = 24  # a multiple of the 6 that RapidOCR takes at once on ONNX Runtime


def recognise(
    ocr: Any, crops: Sequence[NDArray[uint8]], progress: ProgressCallback
) -> list[tuple[str, float, list[tuple[float, float]], list[float]]]:
    """(text, score, x spans of its non-space characters in the crop, score of each character) per
    crop.
    """
    order = sorted(range(len(crops)), key=lambda i: crops[i].shape[1] / crops[i].shape[0], reverse=True)
    read: dict[int, tuple[str, float, list[tuple[float, float]], list[float]]] = {}
    for start in range(0, len(order), LINES_PER_CHECK):
        progress.check()
        some = order[start : start + LINES_PER_CHECK]
        result = ocr.recognize_txt([crops[i] for i in some])
        for i, text, score, info in zip(some, result.txts, result.scores, result.word_results, strict=True):
            spans = character_spans(info, crops[i].shape[1]) if text.strip() else []
            read[i] = (text, float(score), spans, [float(c) for c in getattr(info, "confs", None) or []])
    return [read[i] for i in range(len(crops))]
