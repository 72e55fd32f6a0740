"""Polygons as another node or somebody's JSON may hold them, into everything that is made of polygons."""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
from dataclasses import replace
from typing import Any

from devtools.fuzzing.kinds import Kind, Place

WIDTH, HEIGHT = 900, 1200
NUMBERS = (
    *(
        0.0,
        -0.0,
        0.5,
        -1.0,
        -3.7,
        1e-300,
        899.0,
        900.0,
        1200.5,
        32_767.0,
        32_768.0,
        65_536.0,
        -1e5,
        999_999.0,
    ),
    *(-1e6, 1e6, 1e9, 2.0**31, -(2.0**31), 2.0**63, 1e300, -1e308, math.inf, -math.inf, math.nan),
)
MOST_CORNERS = 60_000  # of a case: more is only slow to write
MOST_CROPPED = 2_000  # regions before Cancel, which Crop Regions asks for every four
MOST_DRAWN = 4  # regions before Cancel: Draw Text asks between two


class Cancelled(Exception):
    """What a person's Cancel raises."""


class Hurry:
    """A progress that cancels after MOST_DRAWN regions."""

    def __init__(self) -> None:
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        if self.asked > MOST_DRAWN:
            raise Cancelled


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def ring(count: int, rng: random.Random | None = None) -> list[list[float]]:
    """A star of ``count`` corners; with ``rng`` one whose edges cross."""
    angles = [2 * math.pi * at / count for at in range(count)]
    if rng:
        rng.shuffle(angles)
    reach = [350 if at % 2 else 120 for at in range(count)]
    return [[450 + r * math.cos(a), 600 + r * math.sin(a)] for a, r in zip(angles, reach, strict=True)]


@functools.cache
def samples() -> dict[str, bytes]:
    found = {
        "lines": [box(50, 50 + 40 * at, 800, 80 + 40 * at) for at in range(20)],
        "tilted": [[[100, 100], [700, 300], [690, 340], [90, 140]]],
        "star": [ring(40)],
        "whole page": [box(0, 0, WIDTH, HEIGHT)],
        "hair": [[[0, 0], [899, 1199], [898, 1199], [0, 1]]],
    }
    return {name: json.dumps(polygons).encode() for name, polygons in found.items()}


def spoil(sample: bytes, rng: random.Random) -> bytes:
    polygons: list[Any] = json.loads(sample)
    for _ in range(rng.randint(1, 4)):
        polygon = rng.choice(polygons)
        how = rng.randrange(12)
        if how < 4 and polygon:
            rng.choice(polygon)[rng.randrange(2)] = rng.choice(NUMBERS)
        elif how == 4:
            factor = rng.choice((0, 1e-9, -1, 3, 40, 1000, 1e7))
            polygon[:] = [[x * factor, y * factor] for x, y in polygon]
        elif how == 5:
            rng.shuffle(polygon)
        elif how == 6:
            del polygon[rng.randrange(3) :]
        elif how == 7:
            polygon[:] = ring(rng.choice((3, 5, 999, 1000, 1001, 100_000)), rng)
        elif how == 8:
            times = rng.choice((10, 500, 10_000))
            polygons.extend([polygon] * min(times, MOST_CORNERS // max(1, len(polygon))))
        elif how == 9:
            polygon[:] = [list(polygon[0])] * 4 if polygon else []
        elif how == 10:
            polygons.append(box(-1e6, -1e6, 1e6, 1e6))
        else:
            far = rng.choice((0, 5_000, -5_000, 900_000))
            polygon[:] = [[x + far, y] for x, y in polygon]
    many = itertools.accumulate(map(len, polygons))
    kept = [polygon for polygon, corners in zip(polygons, many, strict=True) if corners <= MOST_CORNERS]
    return json.dumps(kept).encode()  # NaN and Infinity too, as Python writes them


def prepare(place: Place) -> None:
    from vramwise.ocr.regions.text_match import Finder, Query
    from vramwise.typesetting import Style, TextRenderer
    from vramwise.typesetting.fonts import FontIndex

    place.kept["renderer"] = TextRenderer(Style(background="fill", outline=2.0), FontIndex(()))
    place.kept["finder"] = Finder(Query("dues"))


def attempt(data: bytes, sample: str, place: Place) -> None:
    import numpy as np
    from vramwise.errors import VramwiseError
    from vramwise.ocr.regions.masks import fill_polygons
    from vramwise.ocr.regions.overlay import draw_overlay
    from vramwise.ocr.results.from_json import regions_from_json
    from vramwise.ocr.results.polygons import check_polygons
    from vramwise.ocr.results.result import OCRResult, Region

    polygons = json.loads(data)
    regions = tuple(
        Region("Harbour dues", tuple(tuple(corner) for corner in polygon), at)
        for at, polygon in enumerate(polygons)
    )
    page = OCRResult("", "", regions, WIDTH, HEIGHT, "stop", "somebody's", "none", 0.0)
    refused: list[VramwiseError] = []
    few = regions[:20]  # an engine's own regions, which nobody checks
    draw_overlay(np.zeros((HEIGHT, WIDTH, 3), np.float32), few)
    fill_polygons(np.zeros((HEIGHT, WIDTH), np.float32), [region.polygon for region in few])
    try:
        regions_from_json(json.dumps([page.to_dict(exact=True)]))
    except VramwiseError as error:
        refused.append(error)
    check_polygons([page])  # as every node does
    for use in (_mask, _crops, _boxes, _find, _draw):
        try:
            use(page, place)
        except VramwiseError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _mask(page: Any, place: Place) -> None:
    import numpy as np
    from vramwise.ocr.regions.masks import fill_polygons

    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    fill_polygons(mask, [region.polygon for region in page.regions], 12, 30)
    if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
        raise AssertionError("a mask outside of 0 to 1")


def _crops(page: Any, place: Place) -> None:
    import numpy as np
    from vramwise.ocr.regions.crops import check_crops, crop

    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    check_crops([region.polygon for region in page.regions], WIDTH, HEIGHT, 8)
    for region in page.regions[:MOST_CROPPED]:
        part = crop(picture, region.polygon, 8, True)
        if part is not None and part.shape[0] * part.shape[1] > 8 * WIDTH * HEIGHT:
            raise AssertionError(f"a crop of {part.shape}")


def _boxes(page: Any, place: Place) -> None:
    from vramwise.ocr.regions.bounding_boxes import boxes_of

    for found in boxes_of(page):
        if not (0 <= found["x"] < WIDTH and found["x"] + found["width"] <= WIDTH):
            raise AssertionError(f"a box outside the page: {found}")


def _find(page: Any, place: Place) -> None:
    import numpy as np
    from vramwise.ocr.regions.search import outlines, search

    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    few = replace(page, regions=page.regions[:20])
    outlines([search(few, place.kept["finder"], picture)], "words", "page")


def _draw(page: Any, place: Place) -> None:
    import contextlib

    import numpy as np

    picture = np.full((HEIGHT, WIDTH, 3), 0.9, np.float32)
    with contextlib.suppress(Cancelled):
        place.kept["renderer"].page(
            picture,
            np.zeros((HEIGHT, WIDTH), np.float32),
            page.regions,
            ["Harbour dues"] * len(page.regions),
            progress=Hurry(),
        )
    if not np.isfinite(picture).all():
        raise AssertionError("pixels that are no number")


KINDS = {"polygons": Kind(samples, spoil, attempt, prepare)}
