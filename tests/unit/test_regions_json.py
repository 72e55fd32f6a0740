"""Regions to JSON and boxes and back: exact, and strict about what others wrote."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.errors import VramwiseError
from vramwise.jobs.outputs import encoded
from vramwise.ocr.regions.bounding_boxes import boxes_of, is_boxes, pages_of_boxes
from vramwise.ocr.results.from_json import regions_from_json, result_from_dict
from vramwise.ocr.results.result import Cell, OCRResult, Region, Regions, Table, Word

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "core" / "ocr" / "results" / "ocr_schema.json").read_text(
        encoding="utf-8"
    )
)
jsonschema.Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
shares = st.none() | st.floats(0, 1)
polygons = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=6).map(tuple)
filled = st.text(min_size=1, max_size=8)
words = st.builds(Word, filled, polygons, shares)
regions = st.builds(
    Region,
    text=st.text(max_size=12),
    polygon=polygons,
    order=st.integers(0, 99),
    category=filled,
    confidence=shares,
    words=st.lists(words, max_size=2).map(tuple),
)
TABLE = Table(
    ((Cell("Both", (), across=2), Cell("")), (Cell("a|b"), Cell("1", (), down=1))),
    header_rows=1,
)
pages = st.builds(
    OCRResult,
    text=st.text(max_size=12),
    markdown=st.text(max_size=12),
    regions=st.lists(regions, max_size=2).map(tuple),
    width=st.integers(1, 32_000),
    height=st.integers(1, 32_000),
    finish_reason=st.sampled_from(["stop", "length", "loop", "blank"]),
    model=filled,
    precision=filled,
    seconds=st.floats(0, 1e6),
    language=filled,
    tokens=st.none() | st.integers(0, 2**40),
    peak_bytes=st.none() | st.integers(0, 2**40),
    notes=st.lists(filled, max_size=2).map(tuple),
    tables=st.just(()) | st.just((TABLE,)),
)
PAGE = OCRResult(
    text="New York",
    markdown="New York",
    regions=(
        Region(
            "New York",
            ((10.0, 20.0), (110.5, 20.25), (110.5, 40.0), (10.0, 40.0)),
            0,
            confidence=0.9,
            words=(Word("New", ((10.0, 20.0), (50.0, 20.0), (50.0, 40.0)), 0.8),),
        ),
    ),
    width=200,
    height=100,
    finish_reason="stop",
    model="rapid",
    precision="fp32",
    seconds=0.25,
)


def text_of(*records: Any) -> str:
    return json.dumps(list(records))


def changed(path: tuple[Any, ...], value: Any = ...) -> dict[str, Any]:
    """PAGE as a dict with one place changed, or left out."""
    record: Any = copy.deepcopy(PAGE.to_dict(exact=True))
    at = record
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return dict(record)


@given(st.lists(pages, min_size=1, max_size=2))
def test_regions_to_json_and_back_are_equal_and_the_json_is_the_same_text(some: list[OCRResult]) -> None:
    before = Regions(tuple(some))
    written = before.to_json()
    after = regions_from_json(written)
    assert after == before
    assert after.to_json() == written
    VALIDATOR.validate(json.loads(written))


@given(pages)
def test_the_rounded_json_of_ocr_inference_comes_back_as_it_was(page: OCRResult) -> None:
    record = page.to_dict()
    assert result_from_dict(record).to_dict() == record


def test_one_page_alone_is_read_too() -> None:
    assert regions_from_json(json.dumps(PAGE.to_dict(exact=True))) == Regions((PAGE,))


def test_the_json_of_the_command_line_is_read_by_the_schema_and_the_reader() -> None:
    written = json.loads(encoded(PAGE, "json", "scans/a.png#1"))
    printed = {"file": "scans/a.png", **PAGE.to_dict()}
    VALIDATOR.validate([written, printed])
    rounded = result_from_dict(PAGE.to_dict())
    assert regions_from_json(text_of(written, printed)) == Regions((rounded, rounded))


WRONG = {
    "a number for a file": (("file",), 7, "page 1, file is 7, not a text of at least one character"),
    "missing key": (("regions",), ..., 'page 1 lacks "regions"'),
    "unknown key": (("colour",), "red", 'unknown key "colour"'),
    "misspelt key": (
        ("regions", 0, "confidense"),
        1,
        'page 1, region 1 has the unknown key "confidense". Did you',
    ),
    "version": (("version",), 2, "version 2 is not one"),
    "a number for a text": (("text",), 5, "page 1, text is 5, not a text"),
    "true for a number": (("regions", 0, "order"), True, "region 1, order is true, not a whole number"),
    "a share over one": (("regions", 0, "confidence"), 1.5, "confidence is 1.5, not a number from 0 to 1"),
    "two corners": (("regions", 0, "polygon"), [[0, 0], [1, 1]], "has 2 corners"),
    "a corner of three": (("regions", 0, "polygon", 1), [0, 0, 0], "corner 2 is an array of 3, not a pair"),
    "a huge coordinate": (("regions", 0, "polygon", 0, 0), 1e300, "not a number from -1e+06 to 1e+06"),
    "an empty word": (("regions", 0, "words", 0, "text"), "", 'word 1, text is "", not a text of at least'),
    "a null region": (("regions", 0), None, "region 1 is null, not an object"),
    "no width": (("width",), 0, "width is 0, not a size from 1 to 32000"),
    "a giant page": (("height",), 10**9, "not a size from 1 to 32000"),
    "another ending": (("finish_reason",), "done", "not one of stop, length, loop, blank"),
    "an object for regions": (("regions",), {}, "regions is an object of 0, not an array"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_its_place(case: str) -> None:
    path, value, said = WRONG[case]
    record = changed(path, value)
    with pytest.raises(VramwiseError) as caught:
        regions_from_json(text_of(record))
    assert said in str(caught.value)
    if case not in ("a huge coordinate", "a giant page"):  # limits that are ours, not the schema's
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate([record])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "This is not JSON"),
        ("[1,", "This is not JSON"),
        ('[{"text": NaN}]', "NaN is no number"),
        ('[{"text": -Infinity}]', "-Infinity is no number"),
        ('[{"text": "a", "text": "b"}]', 'the key "text" is given twice'),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("9" * 5_000, "This is not JSON"),
        ("[]", "holds 0 pages"),
        ("[[]]", "page 1 is an array of 0, not an object"),
        ('"text"', 'page 1 is "text", not an object'),
        (
            text_of(changed(("seconds",), 0)).replace('"seconds": 0', '"seconds": 1e999'),
            "seconds is Infinity",
        ),
    ],
)
def test_what_is_no_json_of_ours_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(VramwiseError) as caught:
        regions_from_json(text)
    assert said in str(caught.value)


def test_more_than_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vramwise.ocr.results.from_json.MAX_CHARACTERS", 10)
    with pytest.raises(VramwiseError, match="at most 10 are read"):
        regions_from_json(" " * 11)
    monkeypatch.undo()
    with pytest.raises(VramwiseError, match="an array of at most 1,000"):
        regions_from_json(text_of(changed(("regions", 0, "polygon"), [[0, 0]] * 1_001)))


# --- boxes ------------------------------------------------------------------------------------------------


def test_regions_become_upright_boxes_with_their_texts_cut_at_the_page() -> None:
    (box,) = boxes_of(PAGE)
    assert {side: box[side] for side in ("x", "y", "width", "height")} == {
        "x": 10,
        "y": 20,
        "width": 101,
        "height": 20,
    }
    assert (box["label"], box["score"], box["metadata"]["text"]) == ("New York", 0.9, "New York")
    small = OCRResult("", "", PAGE.regions, 60, 30, "stop", "rapid", "fp32", 0)
    assert boxes_of(small)[0]["width"] == 50 and boxes_of(small)[0]["height"] == 10
    assert boxes_of(OCRResult("", "", PAGE.regions, 5, 5, "stop", "rapid", "fp32", 0)) == []


@pytest.mark.parametrize("shape", ["box", "page", "batch"])
def test_one_box_a_list_or_a_list_a_page_become_regions(shape: str) -> None:
    box = {"x": 1, "y": 2.5, "width": 30, "height": 10, "label": "hello", "score": 0.5}
    data = {"box": box, "page": [box, box], "batch": [[box], [], [box]]}[shape]
    assert is_boxes(data)
    read = pages_of_boxes(data, 100, 50)
    assert [len(page.regions) for page in read] == {"box": [1], "page": [2], "batch": [1, 0, 1]}[shape]
    first = read[0].regions[0]
    assert first.polygon == ((1, 2.5), (31, 2.5), (31, 12.5), (1, 12.5))
    assert (first.text, first.confidence, read[0].text.splitlines()[0]) == ("hello", 0.5, "hello")
    VALIDATOR.validate(json.loads(Regions(read).to_json()))


def test_boxes_of_whole_pixels_come_back_as_they_were() -> None:
    boxes = [[{"x": 3, "y": 4, "width": 20, "height": 10, "metadata": {"text": "a", "type": "text"}}], []]
    again = [boxes_of(page) for page in pages_of_boxes(boxes, 100, 100)]
    assert [[(b["x"], b["y"], b["width"], b["height"], b["label"]) for b in page] for page in again] == [
        [(3, 4, 20, 10, "a")],
        [],
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([{"x": 1, "y": 1, "width": 5}], "page 1, box 1 lacks height"),
        ([[{"x": 1, "y": 1, "width": 5, "height": -5}]], "height is -5, not a number from 0"),
        ([{"x": 1, "y": 1, "width": 5, "height": 0}], "5 x 0 pixels: nothing lies in it"),
        ([{"x": float("nan"), "y": 1, "width": 5, "height": 5}], "x is NaN, not a number"),
        ([{"x": "1", "y": 1, "width": 5, "height": 5}], 'x is "1", not a number'),
        ([{"x": 1, "y": 1, "width": 5, "height": 5, "score": 7}], "score is 7, not a number from 0 to 1"),
        ([7], "page 1, box 1 lacks x, y, width, height"),
        ("boxes", "The boxes are a str"),
        ([[]] * 10_001, "at most 100,000 on 10,000"),
    ],
)
def test_what_is_no_box_is_named_with_its_place(data: Any, said: str) -> None:
    with pytest.raises(VramwiseError) as caught:
        pages_of_boxes(data, 100, 100)
    assert said in str(caught.value)


def _with_table(**changes: Any) -> dict[str, Any]:
    table: Any = {
        "rows": [[{"text": "New York", "regions": [0], "across": 1, "down": 1}]],
        "header_rows": 0,
    }
    cell = table["rows"][0][0]
    cell.update({key: value for key, value in changes.items() if key in cell})
    table.update({key: value for key, value in changes.items() if key in table})
    return changed(("tables",), [table])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"regions": [1]}, "table 1 names region 1, counted from 0, and the page has 1"),
        ({"across": 2}, "row 1, cell 1 is .* not a cell that ends within the table"),
        ({"across": 0}, "not a cell that ends within the table"),
        ({"down": 2}, "not a cell that ends within the table"),
        ({"header_rows": 2}, "not a table with as many rows as header_rows says"),
        ({"rows": [[], [1]]}, "row 2, cell 1 is 1, not an object"),
    ],
)
def test_a_table_that_is_none_is_named(changes: dict[str, Any], says: str) -> None:
    assert result_from_dict(_with_table()).tables[0].rows[0][0].regions == (0,)
    with pytest.raises(VramwiseError, match=says):
        result_from_dict(_with_table(**changes))


def test_rows_of_a_table_are_equally_long_and_older_files_have_no_tables() -> None:
    cell = {"text": "", "regions": [], "across": 1, "down": 1}
    with pytest.raises(VramwiseError, match="not a table whose rows are equally long"):
        result_from_dict(_with_table(rows=[[cell], [cell, cell]]))
    assert result_from_dict(changed(("tables",))).tables == ()
