"""OCR results from JSON that anybody may have written: everything is checked, nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...cancel import watched
from ...catalog.words import said
from ...errors import VramwiseError, nearest
from ..images import MAX_SIDE
from .polygons import MAX_COORDINATE, MAX_CORNERS, MAX_REGIONS
from .result import FOUND_AT, SCHEMA_VERSION, Cell, OCRResult, Point, Region, Regions, Table, Word

MAX_CHARACTERS = 64_000_000
MAX_PAGES = 10_000
MAX_WORDS = 100_000  # a region
MAX_CELLS = 200_000  # a table
_HUGE = 1e300  # whole numbers in JSON may be too large for a float
FINISH_REASONS = ("stop", "length", "loop", "blank")


def parse_json(text: str) -> Any:
    """Plain JSON types. Raises VramwiseError for all else, NaN, Infinity and keys given twice too."""
    if len(text) > MAX_CHARACTERS:
        raise VramwiseError(
            f"The JSON has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read. Give fewer pages "
            "at a time."
        )
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise VramwiseError(
            "The JSON is nested too deeply to be OCR regions. Give regions or boxes."
        ) from None
    except ValueError as error:
        raise VramwiseError(
            f"This is not JSON: {error}. Give the json output of OCR Inference or Convert Regions, unchanged."
        ) from error


def regions_from_json(text: str) -> Regions:
    """What ``Regions.to_json`` or OCR Inference wrote, or one page of it. Raises VramwiseError that names the
    first place which is not so; NaN, Infinity and sizes over the limits above are refused.
    """
    return Regions(pages_from(parse_json(text)))


def result_from_dict(data: Any, where: str = "the page") -> OCRResult:
    """One page, as ``OCRResult.to_dict`` writes it and ocr_schema.json describes it. Raises VramwiseError
    that names the first place which is not so, within ``where``.
    """
    page = _Object(data, where)
    if (version := page.take("version", _integer)) != SCHEMA_VERSION:
        raise VramwiseError(
            f"{where}: version {version} is not one that this VRAMwise reads ({SCHEMA_VERSION}). "
            "Write the JSON again with this version, or update VRAMwise."
        )
    result = OCRResult(
        text=page.take("text", _string),
        markdown=page.take("markdown", _string),
        regions=tuple(page.each("regions", _region, MAX_REGIONS)),
        width=page.take("width", _side),
        height=page.take("height", _side),
        finish_reason=page.take("finish_reason", _finish_reason),
        model=page.take("model", _filled),
        precision=page.take("precision", _filled),
        seconds=page.take("seconds", _positive),
        language=page.take("language", _filled),
        tokens=page.take("tokens", _optional(_count)),
        peak_bytes=page.take("peak_bytes", _optional(_count)),
        notes=tuple(page.each("notes", _filled, MAX_REGIONS)),
        reasoning=page.take_if_there("reasoning", _string, ""),
        tables=tuple(page.take_if_there("tables", _tables, ())),
    )
    _check_cells(result, where)
    for key in FOUND_AT:
        page.pass_over(key, _filled)
    page.finish()
    return result


def pages_from(data: Any) -> tuple[OCRResult, ...]:
    """A list of pages, or one page alone."""
    pages = data if isinstance(data, list) else [data]
    if not 1 <= len(pages) <= MAX_PAGES:
        raise VramwiseError(
            f"The JSON holds {len(pages):,} pages; 1 to {MAX_PAGES:,} are read. Give an array with one entry "
            "a page."
        )
    numbered = watched(enumerate(pages, 1), 16)
    return tuple(result_from_dict(page, f"page {number}") for number, page in numbered)


class _Object:
    """One JSON object whose keys are taken one by one; what is missing, wrong or left over is a sentence."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict):
            raise _not_that(where, data, "an object")
        self._left: dict[str, Any] = dict(data)
        self._known: list[str] = []
        self._where = where

    def take(self, key: str, read: Callable[[Any, str], Any]) -> Any:
        self._known.append(key)
        if key not in self._left:
            near = nearest(key, self._left)
            raise VramwiseError(said("error_json_lacks", where=self._where, name=key, near=near))
        return read(self._left.pop(key), f"{self._where}, {key}")

    def pass_over(self, key: str, read: Callable[[Any, str], Any]) -> None:
        """``key`` may be there, and is of no use here."""
        if key in self._left:
            self.take(key, read)

    def take_if_there(self, key: str, read: Callable[[Any, str], Any], otherwise: Any) -> Any:
        """``take`` of a key that older versions did not write."""
        return self.take(key, read) if key in self._left else otherwise

    def each(self, key: str, read: Callable[[Any, str], Any], most: int) -> list[Any]:
        items: list[Any] = self.take(key, _list_of_at_most(most))
        noun = key.removesuffix("s")
        numbered = watched(enumerate(items, 1), 64)
        return [read(item, f"{self._where}, {noun} {number}") for number, item in numbered]

    def finish(self) -> None:
        if self._left:
            left = min(self._left)
            raise VramwiseError(
                f'{self._where} has the unknown key "{left[:60]}".{nearest(left, self._known)} {_REMEDY}'
            )


_REMEDY = "Give JSON as OCR Inference writes it (core/ocr/results/ocr_schema.json describes it)."


def _region(data: Any, where: str) -> Region:
    region = _Object(data, where)
    result = Region(
        text=region.take("text", _string),
        polygon=region.take("polygon", _polygon),
        order=region.take("order", _count),
        category=region.take("category", _filled),
        confidence=region.take("confidence", _optional(_share)),
        words=tuple(region.each("words", _word, MAX_WORDS)),
    )
    region.finish()
    return result


def _tables(data: Any, where: str) -> list[Table]:
    items: list[Any] = _list_of_at_most(MAX_REGIONS)(data, where)
    return [_table(item, f"{where}, table {number}") for number, item in watched(enumerate(items, 1), 64)]


def _table(data: Any, where: str) -> Table:
    table = _Object(data, where)
    rows = table.each("rows", lambda row, at: tuple(_cells(row, at)), MAX_CELLS)
    header_rows = table.take("header_rows", _count)
    table.finish()
    lengths = {len(row) for row in rows}
    _check(len(lengths) < 2, data, where, "a table whose rows are equally long")
    _check(sum(map(len, rows)) <= MAX_CELLS, data, where, f"a table of at most {MAX_CELLS:,} cells")
    _check(header_rows <= len(rows), data, where, "a table with as many rows as header_rows says")
    for y, row in watched(enumerate(rows)):
        for x, cell in enumerate(row):
            fits = 1 <= cell.across <= len(row) - x and 1 <= cell.down <= len(rows) - y
            _check(fits, data, f"{where}, row {y + 1}, cell {x + 1}", "a cell that ends within the table")
    return Table(tuple(rows), header_rows)


def _cells(data: Any, where: str) -> list[Cell]:
    items: list[Any] = _list_of_at_most(MAX_CELLS)(data, where)
    return [_cell(item, f"{where}, cell {number}") for number, item in watched(enumerate(items, 1), 64)]


def _cell(data: Any, where: str) -> Cell:
    cell = _Object(data, where)
    result = Cell(
        text=cell.take("text", _string),
        regions=tuple(cell.each("regions", _count, MAX_REGIONS)),
        across=cell.take("across", _count),
        down=cell.take("down", _count),
    )
    cell.finish()
    return result


def _check_cells(page: OCRResult, where: str) -> None:
    """A cell names regions that are there."""
    for number, table in enumerate(page.tables, 1):
        named = max((place for row in table.rows for cell in row for place in cell.regions), default=-1)
        if named >= len(page.regions):
            raise VramwiseError(
                f"{where}, table {number} names region {named}, counted from 0, and the page has "
                f"{len(page.regions):,}. {_REMEDY}"
            )


def _word(data: Any, where: str) -> Word:
    word = _Object(data, where)
    result = Word(
        text=word.take("text", _filled),
        polygon=word.take("polygon", _polygon),
        confidence=word.take("confidence", _optional(_share)),
    )
    word.finish()
    return result


def _polygon(data: Any, where: str) -> tuple[Point, ...]:
    points: list[Any] = _list_of_at_most(MAX_CORNERS)(data, where)
    if len(points) < 3:
        raise VramwiseError(f"{where} has {len(points)} corners; a polygon has at least 3. {_REMEDY}")
    if all(map(_is_plain_point, points)):
        return tuple((float(x), float(y)) for x, y in points)
    return tuple(_point(point, f"{where}, corner {number}") for number, point in enumerate(points, 1))


def _is_plain_point(data: Any) -> bool:
    """Whether a corner needs no closer look: of a million corners nobody wants the place of each in words."""
    return (
        type(data) is list
        and len(data) == 2
        and all(type(side) in (int, float) and -MAX_COORDINATE <= side <= MAX_COORDINATE for side in data)
    )


def _point(data: Any, where: str) -> Point:
    if not isinstance(data, list) or len(data) != 2:
        raise VramwiseError(f"{where} is {_shown(data)}, not a pair of numbers [x, y]. {_REMEDY}")
    return _coordinate(data[0], where), _coordinate(data[1], where)


def _check(fits: bool, data: Any, where: str, wanted: str) -> None:
    if not fits:
        raise _not_that(where, data, wanted)


def _not_that(where: str, data: Any, wanted: str) -> VramwiseError:
    return VramwiseError(said("error_json_kind", where=where, found=_shown(data), wanted=wanted))


def _shown(data: Any) -> str:
    """A value short enough for a sentence."""
    if isinstance(data, Mapping | list | tuple):
        return f"an {'object' if isinstance(data, Mapping) else 'array'} of {len(data)}"
    if isinstance(data, str):
        data = data[:60]
    text = json.dumps(data) if isinstance(data, str | int | float | None) else f"a {type(data).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(data: Any) -> bool:
    return isinstance(data, int | float) and not isinstance(data, bool) and -_HUGE < data < _HUGE


def number_at(data: Any, where: str, low: float = -MAX_COORDINATE, high: float = MAX_COORDINATE) -> float:
    """``data`` as a float within the limits, or VramwiseError that names ``where``."""
    _check(_number(data) and low <= data <= high, data, where, f"a number from {low:g} to {high:g}")
    return float(data)


def _coordinate(data: Any, where: str) -> float:
    return number_at(data, where)


def _share(data: Any, where: str) -> float:
    return number_at(data, where, 0, 1)


def _positive(data: Any, where: str) -> float:
    return number_at(data, where, 0, 1e9)


def _integer(data: Any, where: str) -> int:
    _check(isinstance(data, int) and not isinstance(data, bool), data, where, "a whole number")
    return int(data)


def _count(data: Any, where: str) -> int:
    _check(_integer(data, where) in range(2**63), data, where, "a whole number from 0")
    return int(data)


def _side(data: Any, where: str) -> int:
    _check(
        _integer(data, where) in range(1, MAX_SIDE + 1), data, where, f"a size from 1 to {MAX_SIDE} pixels"
    )
    return int(data)


def _string(data: Any, where: str) -> str:
    _check(isinstance(data, str), data, where, "a text")
    return str(data)


def _filled(data: Any, where: str) -> str:
    _check(isinstance(data, str) and data != "", data, where, "a text of at least one character")
    return str(data)


def _finish_reason(data: Any, where: str) -> str:
    _check(data in FINISH_REASONS, data, where, f"one of {', '.join(FINISH_REASONS)}")
    return str(data)


def _optional(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda data, where: None if data is None else read(data, where)


def _list_of_at_most(most: int) -> Callable[[Any, str], list[Any]]:
    def read(data: Any, where: str) -> list[Any]:
        _check(isinstance(data, list), data, where, "an array")
        _check(len(data) <= most, data, where, f"an array of at most {most:,}")
        return list(data)

    return read


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f'the key "{twice[:60]}" is given twice')
    return keys
