"""Does a line's confidence say how often it is right? Expected calibration error, over drawn pages that the
table was not fitted on, and over the real pictures where ../shared/pictures is there.

A line is right where it stands in the text of its picture letter by letter, after NFKC, case folding and
without white space. Beside it the recogniser's bare score.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from vramwise import ReadOptions, VramwiseError, load_picture, ocr_handle
from vramwise.ocr.engines.confidence import lines as confidence

from benchmarks import real_pictures

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
import line_confidence as drawn

BINS = 10
HELD_OUT = 10_000  # seeds from here on
PAGES = 60


def calibration_error(chances: list[float], right: list[bool]) -> float:
    """Expected calibration error over BINS equal parts of 0..1 (Guo et al. 2017)."""
    error = 0.0
    for part in range(BINS):
        inside = [
            (chance, good)
            for chance, good in zip(chances, right, strict=True)
            if min(int(chance * BINS), BINS - 1) == part
        ]
        if inside:
            said = sum(chance for chance, _ in inside) / len(inside)
            found = sum(good for _, good in inside) / len(inside)
            error += len(inside) / len(chances) * abs(said - found)
    return error


def _drawn(handle: Any) -> list[tuple[float, bool]]:
    found = []
    for seed in range(HELD_OUT, HELD_OUT + PAGES):
        picture, lines = drawn.page(seed)
        try:
            (result,) = handle.read([picture], ReadOptions())
        except VramwiseError:
            continue
        for region in result.regions:
            if region.confidence is not None and drawn.norm(region.text):
                middle = (region.box[1] + region.box[3]) / 2
                truth = min(lines, key=lambda line: abs(line[0] - middle))[1]
                found.append((region.confidence, drawn.norm(region.text) in drawn.norm(truth)))
    return found


def _real(handle: Any) -> list[tuple[float, bool]]:
    found = []
    for row in real_pictures.rows():
        truth = drawn.norm(real_pictures.normalised(row["text"]))
        try:
            picture = load_picture(str(real_pictures.FOLDER / row["file"]))
            (result,) = handle.read([picture], ReadOptions())
        except VramwiseError:
            continue
        for region in result.regions:
            text = drawn.norm(real_pictures.normalised(region.text))
            if region.confidence is not None and text:
                found.append((region.confidence, text in truth))
    return found


def run() -> dict[str, float]:
    """Prints and returns the errors."""
    handle, figures = ocr_handle("rapid"), {}
    for name, read in (("drawn", _drawn), ("real", _real)):
        judged = confidence.correctness
        fitted = read(handle)
        if not fitted:
            print(f"{name}: ../shared/pictures is not here.")
            continue
        try:
            confidence.correctness = lambda score, reader="rapid": score
            bare = read(handle)
        finally:
            confidence.correctness = judged
        for kind, pairs in (("confidence", fitted), ("bare score", bare)):
            chances, right = [chance for chance, _ in pairs], [good for _, good in pairs]
            figures[f"{name} {kind}"] = round(calibration_error(chances, right), 4)
            print(
                f"{name:6} {kind:10} {len(pairs)} lines, {sum(right) / len(right):.3f} right, mean "
                f"{sum(chances) / len(chances):.3f}, calibration error {figures[f'{name} {kind}']:.3f}"
            )
    return figures
