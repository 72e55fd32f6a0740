"""Spoiled files and answers end in a result or a sentence: a hundred of a kind; `bench fuzz` tries 2,000."""

from __future__ import annotations

import pytest
from vramwise.errors import without_bytes

from devtools.fuzzing.campaign import try_kind
from devtools.fuzzing.kinds import names

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", names())
def test_a_hundred_spoiled_ones_end_in_a_result_or_a_sentence(kind: str) -> None:
    tally = try_kind(kind, 100)
    assert not tally.faults, (
        f"python -m devtools.fuzzing {kind} --only {tally.faults[0][0]}\n{tally.faults[0][1]}"
    )
    assert tally.tries == 100 and tally.results


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("broken PNG file (chunk b'\\xc6?\\x00')", "broken PNG file"),
        ("not a TIFF file (header b'\\x80M' not valid)", "not a TIFF file"),
        ("illegal status line: bytearray(b'HTP/1.1 200 OK')", "illegal status line"),
        ("It's a 'b' there's none", "It's a 'b' there's none"),
    ],
)
def test_raw_bytes_are_left_out_of_what_a_library_says(said: str, plain: str) -> None:
    assert without_bytes(said) == plain
