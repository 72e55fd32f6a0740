"""A second look at columns of Chinese and Japanese. The recogniser reads a column lying on its side and loses
small kana, punctuation and long-vowel bars; set as a row of upright characters it reads these, but takes
others wrongly. So both are read, and what the row has more is put into what the column said.

Columns end early too: a bracket, full stop or exclamation mark is little ink for the detector. The cut is
made longer where ink goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from ....cjk import is_cjk
from ...images import edge_colour
from ..line_turning import TALL, Cut
from ..script_detection import explained_share
from ..way_up import Reading, Stand

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray

MOST_COLUMNS = 60  # of one page
DOUBTED, NEWLY, MORE = 0.8, 0.85, 0.1  # a narrow character's score; a column's in its place; and its lead
SURE = 0.75  # of an inserted character
LIKE = 0.6  # two readings that share less than this are not of one text
ENDS = 1.3  # column widths by which a cut may grow at each end
GAP = 0.75  # column widths of paper that end a column
GREY = (0.114, 0.587, 0.299)  # of blue, green and red
WALLS = 0.3  # ink along the column's sides that comes from beside it
INK = 0.4  # of the full contrast
LEAST_CONTRAST = 40  # grey levels
PITCHES = (0.85, 0.92, 1.0, 1.08, 1.16, 1.25, 1.35)  # of characters, in widths of the column's ink
SHORTEST, TALLEST = 0.5, 1.35  # a character, in pitches
BAR, BAR_LONG = 0.34, 0.5  # width over height, and height in pitches, of what is written lying down in a row
DOT = 0.5  # pitches: smaller marks in the upper right are commas and full stops
# what a row is read as, and what it was in the column: full stop, comma, long-vowel bar, wave dash
TURNED_MARKS = str.maketrans("\u00b0'|\uff5c\u4e28\uff5e", "\u3002\u3001\u30fc\u30fc\u30fc\u301c")
LATIN_MARKS = "!?\u2026\u00b7"


def longer_columns(bgr: NDArray[uint8], cuts: Sequence[Cut]) -> list[Cut]:
    """``cuts`` of a page, columns grown at both ends as far as their ink goes on, not into other lines."""
    return [_longer(bgr, cut, cuts) if cut.tall and cut.bend is None else cut for cut in cuts]


def look_again(
    stands: Sequence[Stand], recognise: Callable[[Sequence[NDArray[uint8]]], Sequence[Reading]]
) -> list[Stand]:
    """The lines of a page; of columns in Chinese or Japanese what a row of their characters says too, and of
    a tall box that was taken for one narrow character, unsurely, what it says as a column.
    """
    rows: dict[int, NDArray[uint8]] = {}
    for index, stand in enumerate(stands):
        if len(rows) < MOST_COLUMNS and (_is_column(stand) or _may_be_column(stand)):
            row = as_row(stand.cut.turned(-1).crop if stand.cut.tall else stand.cut.crop)
            if row is not None:
                rows[index] = row
    better = list(stands)
    readings = recognise(list(rows.values())) if rows else ()
    for (index, row), reading in zip(rows.items(), readings, strict=True):
        stand = stands[index]
        if not stand.cut.tall:
            better[index] = _as_column(stand, reading, row.shape[1])
            continue
        merged = both(stand.reading, reading)
        if merged is not stand.reading:
            better[index] = replace(
                stand, reading=merged, explained=explained_share(stand.cut.crop, merged[2])
            )
    return better


def _is_column(stand: Stand) -> bool:
    return stand.cut.tall and any(map(is_cjk, stand.reading[0]))


def _may_be_column(stand: Stand) -> bool:
    upright = not stand.cut.tall and stand.cut.bend is None and stand.cut.aspect < 1 / TALL
    return upright and stand.reading[1] < DOUBTED


def _as_column(stand: Stand, row: Reading, wide: int) -> Stand:
    """``stand`` as the column that ``row``, so many pixels wide, was made of, if that makes more sense."""
    text, score, spans, chances = row
    if not _is_han(text) or score < max(NEWLY, stand.reading[1] + MORE):
        return stand
    cut = stand.cut.turned(1)
    scale = cut.crop.shape[1] / wide
    reading = text, score, [(a * scale, b * scale) for a, b in spans], chances
    return replace(stand, cut=cut, reading=reading, explained=explained_share(cut.crop, reading[2]))


def _is_han(text: str) -> bool:
    """Whether these are two characters of Chinese or Japanese or more, and nothing else."""
    return len(text) > 1 and all(map(is_cjk, text))


def both(column: Reading, row: Reading) -> Reading:
    """``column`` with the characters that only ``row`` has, where these are sure and the rest is alike."""
    text, _, spans, chances = column
    other, _, _, others = row
    other = other.translate(TURNED_MARKS)
    if " " in text or " " in other or len(text) != len(spans) or len(chances) != len(text):
        return column
    if len(others) != len(other):
        return column
    match = SequenceMatcher(None, text, other, autojunk=False)
    if 2 * sum(block.size for block in match.get_matching_blocks()) < LIKE * (len(text) + len(other)):
        return column
    letters: list[tuple[str, tuple[float, float], float]] = []
    for kind, a0, a1, b0, b1 in match.get_opcodes():
        letters += zip(text[a0:a1], spans[a0:a1], chances[a0:a1], strict=True)
        if kind == "replace" and b1 - b0 > a1 - a0:
            b0 += a1 - a0  # of "replace" what is more
        elif kind != "insert":
            continue
        sure = [b for b in range(b0, b1) if others[b] >= SURE and _belongs(other[b])]
        start = spans[a1 - 1][1] if a1 else 0.0
        end = spans[a1][0] if a1 < len(spans) else max(start, *(span[1] for span in spans))
        if not a1:
            start, end = 0.0, spans[0][0]
        for place, b in enumerate(sure):
            step = max(0.0, end - start) / len(sure)
            letters.append((other[b], (start + place * step, start + (place + 1) * step), others[b]))
    if len(letters) == len(text):
        return column
    merged = "".join(letter for letter, _, _ in letters)
    known = [chance for _, _, chance in letters]
    return merged, sum(known) / len(known), [span for _, span, _ in letters], known


def _belongs(letter: str) -> bool:
    """What a column may have lost: kana, marks, no Latin that a stroke was taken for."""
    return is_cjk(letter) or letter in LATIN_MARKS


def as_row(column: NDArray[uint8]) -> NDArray[uint8] | None:
    """The characters of an upright column, uint8 BGR (height, width, 3), side by side; None where it cannot
    be parted.
    """
    import numpy as np

    ink, paper = _ink(column)
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    if not rows.size or not columns.size:
        return None
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    wide = int(right - left)
    parts = _parted(ink[top:bottom, left:right].mean(axis=1), wide)
    if parts is None or len(parts[0]) < 2:
        return None
    cells, pitch = parts
    side = max(round(1.12 * max(pitch, wide)), 8)
    return np.concatenate(
        [
            _cell(
                column[top + a : top + b, left:right], ink[top + a : top + b, left:right], side, pitch, paper
            )
            for a, b in cells
        ],
        axis=1,
    )


def _cell(
    glyph: NDArray[uint8], ink: NDArray[bool_], side: int, pitch: float, paper: NDArray[Any]
) -> NDArray[uint8]:
    """One character in the middle of a square; what lies down in a column stands up in a row."""
    import numpy as np

    cell = np.empty((side, side, 3), np.uint8)
    cell[:] = paper
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return cell
    high, wide = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    if max(high, wide) < DOT * pitch and columns[0] > 0.45 * glyph.shape[1]:
        small = glyph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        low = side - high - side // 10
        cell[low : low + high, side // 10 : side // 10 + wide] = small
        return cell
    if (
        wide < BAR * high and high > BAR_LONG * pitch and rows.size == high
    ):  # in one piece: no exclamation mark
        glyph = np.rot90(glyph)
    height, width = min(side, glyph.shape[0]), min(side, glyph.shape[1])
    top, left = (side - height) // 2, (side - width) // 2
    cell[top : top + height, left : left + width] = glyph[:height, :width]
    return cell


def _parted(inked: NDArray[Any], wide: int) -> tuple[list[tuple[int, int]], float] | None:
    """Where the characters of a column begin and end, and their pitch: the parting of least cost over all
    pitches, cost being ink that is cut through and unevenness. ``inked``: the share of ink of each row.
    """
    import numpy as np

    factor = max(1, round(wide / 24))  # coarse rows are as good
    length = len(inked) // factor
    if length < 2:
        return None
    coarse = inked[: length * factor].reshape(length, factor).mean(axis=1)
    through = np.zeros(length + 1)
    through[1:length] = coarse[1:] + coarse[:-1]
    best: tuple[float, list[int], float] | None = None
    for share in PITCHES:
        pitch = share * wide / factor
        low, high = max(1, int(SHORTEST * pitch)), max(2, int(TALLEST * pitch) + 1)
        cost, come = np.full(length + 1, np.inf), np.zeros(length + 1, np.intp)
        cost[0] = 0.0
        for end in range(low, length + 1):
            starts = np.arange(max(0, end - high), end - low + 1)
            costs = cost[starts] + 2 * ((end - starts) / pitch - 1) ** 2
            least = int(costs.argmin())
            cost[end], come[end] = costs[least] + 6 * through[end], starts[least]
        if not np.isfinite(cost[length]):
            continue
        ends = [length]
        while ends[-1]:
            ends.append(int(come[ends[-1]]))
        mean = float(cost[length]) / (len(ends) - 1)
        if best is None or mean < best[0]:
            best = mean, ends[::-1], pitch * factor
    if best is None:
        return None
    _, bounds, size = best
    bounds = [bound * factor for bound in bounds]
    return list(zip(bounds[:-1], [*bounds[1:-1], len(inked)], strict=True)), size


def _ink(bgr: NDArray[uint8], inside: slice = slice(None)) -> tuple[NDArray[bool_], NDArray[Any]]:
    """Where ink is, and the paper's colour: the median of the border of the columns ``inside``, of which the
    contrast is too.
    """
    import cv2
    import numpy as np

    paper = edge_colour(bgr[:, inside])
    away = np.abs(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32) - float(paper @ GREY))
    limit = max(LEAST_CONTRAST, INK * float(np.percentile(away[:, inside], 99)))
    return np.asarray(away > limit), paper


def _longer(bgr: NDArray[uint8], cut: Cut, others: Sequence[Cut]) -> Cut:
    """``cut``, a box turned by a quarter, with the ink above and below that belongs to its column."""
    import cv2
    import numpy as np

    corners = np.array(cut.polygon, np.float32)
    start, along = corners[0], corners[1] - corners[0]  # from the text's beginning, along it
    length = float(np.linalg.norm(along))
    across = corners[3] - corners[0]
    wide = float(np.linalg.norm(across))
    if length < wide or wide < 6:
        return cut
    unit = along / length
    reach = ENDS * wide
    ahead = np.stack([-unit, unit, unit, -unit])
    far = corners + reach * ahead
    size = round(length + 2 * reach), max(1, round(wide))
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    warp = cv2.getPerspectiveTransform(far.astype(np.float32), target)
    strip = cv2.warpPerspective(bgr, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = slice(round(reach), round(reach + length))
    ink, _ = _ink(np.asarray(strip, np.uint8), inside)
    margin = max(1, round(0.08 * wide))
    inked = np.asarray(ink[margin : size[1] - margin].any(axis=0))
    walls = ink[[0, -1]]
    grown = [_goes_on(end, wide) for end in (inked[: inside.start + 1][::-1], inked[inside.stop - 1 :])]
    ends = start - unit * grown[0], corners[1] + unit * grown[1]
    beside = walls[:, : inside.start].mean(), walls[:, inside.stop :].mean()
    for which, end in enumerate(ends):
        if not grown[which]:
            continue
        x, y = end + across / 2
        off_page = not (0 <= x <= bgr.shape[1] and 0 <= y <= bgr.shape[0])
        if beside[which] > WALLS or off_page or _others_there(cut, others, (float(x), float(y))):
            grown[which] = 0
    if not any(grown):
        return cut
    by = np.array([grown[0], grown[1], grown[1], grown[0]])[:, None]
    polygon = corners + by * ahead
    polygon[:, 0] = polygon[:, 0].clip(0, bgr.shape[1])
    polygon[:, 1] = polygon[:, 1].clip(0, bgr.shape[0])
    crop = strip[:, max(0, inside.start - grown[0]) : inside.stop + grown[1]]
    if cut.crop.shape[0] != crop.shape[0]:
        crop = cv2.resize(crop, (crop.shape[1], cut.crop.shape[0]), interpolation=cv2.INTER_LINEAR)
    points = tuple((float(x), float(y)) for x, y in polygon)
    return replace(cut, crop=np.ascontiguousarray(crop), polygon=points)


def _goes_on(inked: Any, wide: float) -> int:
    """By how many pixels ink goes on from the first of ``inked``, over gaps of less than a character; 0 where
    it does not end within the reach.
    """
    last, gap = 0, 0
    for place, here in enumerate(inked):
        gap = 0 if here else gap + 1
        if here:
            last = place
        if gap > GAP * wide:
            break
    if not last or last >= len(inked) - 2:
        return 0
    return int(min(len(inked) - 1, last + 0.15 * wide))


def _others_there(cut: Cut, others: Sequence[Cut], point: tuple[float, float]) -> bool:
    """Whether a point lies in another line's box."""
    import cv2
    import numpy as np

    outlines = (np.array(other.polygon, np.float32) for other in others if other is not cut)
    return any(cv2.pointPolygonTest(outline, point, False) >= 0 for outline in outlines)
