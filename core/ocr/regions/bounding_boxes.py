"""Regions to and from ComfyUI's bounding boxes: {"x", "y", "width", "height"} in pixels, a list a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...cancel import watched
from ...errors import VramwiseError
from ..results.from_json import MAX_PAGES, number_at
from ..results.polygons import MAX_REGIONS
from ..results.result import OCRResult, Region
from .masks import upright_box

SIDES = ("x", "y", "width", "height")


def boxes_of(page: OCRResult) -> list[dict[str, Any]]:
    """One upright box of whole pixels a region, cut at the page's edges; regions wholly outside are left out.

    Beside ComfyUI's four keys: ``label`` (the text), ``score`` where the confidence is known, and
    ``metadata`` as its bounding box editor reads it (type, text, desc).
    """
    boxes = []
    for region in page.regions:
        (x0, y0), _, (x1, y1), _ = upright_box([region.polygon])
        left, top = max(0, int(x0)), max(0, int(y0))
        width, height = min(page.width, int(x1)) - left, min(page.height, int(y1)) - top
        if width <= 0 or height <= 0:
            continue
        box = {"x": left, "y": top, "width": width, "height": height, "label": region.text}
        if region.confidence is not None:
            box["score"] = float(region.confidence)
        boxes.append({**box, "metadata": {"type": "text", "text": region.text, "desc": region.category}})
    return boxes


def is_boxes(data: Any) -> bool:
    """Whether plain JSON types are boxes rather than OCR results."""
    while isinstance(data, list) and data:
        data = data[0]
    return isinstance(data, Mapping) and "x" in data


def pages_of_boxes(data: Any, width: int, height: int) -> tuple[OCRResult, ...]:
    """Pages of ``width`` x ``height`` pixels from a box, a list of boxes (one page) or a list of such lists.

    The text of a region is its metadata's ``text``, else ``label``. Raises VramwiseError that names the
    first box which is none.
    """
    frames = _frames(data)
    if len(frames) > MAX_PAGES or sum(map(len, frames)) > MAX_REGIONS:
        raise VramwiseError(
            f"There are {sum(map(len, frames)):,} boxes on {len(frames):,} pages; at most {MAX_REGIONS:,} on "
            f"{MAX_PAGES:,} are converted. Give fewer at a time."
        )
    return tuple(_page(frame, f"page {n}", width, height) for n, frame in enumerate(frames, 1))


def _frames(data: Any) -> list[list[Any]]:
    if isinstance(data, Mapping):
        return [[data]]
    if isinstance(data, Sequence) and not isinstance(data, str):
        if data and all(isinstance(frame, list | tuple) for frame in data):
            return [list(frame) for frame in data]
        return [list(data)]
    raise VramwiseError(
        f"The boxes are a {type(data).__name__}. Give bounding boxes of ComfyUI: objects with x, y, width "
        "and height, in one list a page."
    )


def _page(frame: Sequence[Any], where: str, width: int, height: int) -> OCRResult:
    regions = tuple(_region(box, f"{where}, box {n + 1}", n) for n, box in enumerate(watched(frame, 64)))
    text = "\n".join(region.text for region in regions if region.text)
    return OCRResult(
        text=text,
        markdown=text,
        regions=regions,
        width=width,
        height=height,
        finish_reason="stop" if regions else "blank",
        model="boxes",
        precision="none",
        seconds=0.0,
    )


def _region(box: Any, where: str, order: int) -> Region:
    missing = [side for side in SIDES if not isinstance(box, Mapping) or side not in box]
    if missing:
        raise VramwiseError(
            f"{where} lacks {', '.join(missing)}. A bounding box of ComfyUI has x, y, width and height."
        )
    x, y = (number_at(box[side], f"{where}, {side}") for side in SIDES[:2])
    across, down = (number_at(box[side], f"{where}, {side}", 0) for side in SIDES[2:])
    if not across or not down:
        raise VramwiseError(f"{where} is {across:g} x {down:g} pixels: nothing lies in it. Leave it out.")
    metadata = box.get("metadata")
    text = metadata.get("text") if isinstance(metadata, Mapping) else None
    label = text if isinstance(text, str) else box.get("label")
    score = box.get("score")
    return Region(
        text=label if isinstance(label, str) else "",
        polygon=((x, y), (x + across, y), (x + across, y + down), (x, y + down)),
        order=order,
        confidence=None if score is None else number_at(score, f"{where}, score", 0, 1),
    )
