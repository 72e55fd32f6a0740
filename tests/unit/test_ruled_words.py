"""Words between rules: a doubted page is looked at without these before its script is told."""

from __future__ import annotations

import numpy as np
import pytest
from vramwise.ocr.engines.line_turning import Cut
from vramwise.ocr.engines.protocol import NoProgress
from vramwise.ocr.engines.rapid import RapidReader
from vramwise.ocr.engines.script_detection import ScriptGuess
from vramwise.ocr.engines.second_look.ruled_words import are_doubted, guessed_without_rules
from vramwise.ocr.engines.way_up import Stand

from tests.fixtures import draw_small_tables


def _stand(text: str, score: float, row: int = 0) -> Stand:
    box = ((10.0, 40.0 * row), (110.0, 40.0 * row), (110.0, 40.0 * row + 24), (10.0, 40.0 * row + 24))
    cut = Cut(np.full((24, 100, 3), 255, np.uint8), box)
    return Stand(cut, (text, score, [], []), 1.0, ScriptGuess("Latin", 0.6))


@pytest.mark.parametrize(
    ("lines", "doubted"),
    [
        ([("OCHIO", 0.6)] * 3 + [("", 0.0)] * 3, True),
        ([("OCHIO", 0.6)] * 3 + [("report", 0.99)] * 3, True),
        ([("OCHIO", 0.6)] * 3 + [("report", 0.99)] * 4, False),
        ([("OCHIO", 0.6)] * 3 + [("974", 0.99)] * 9 + [("", 0.0)] * 3, True),  # numbers tell nothing
        ([("OCHIO", 0.6)] * 5, False),  # too few
        ([], False),
    ],
)
def test_a_page_is_doubted_where_half_of_its_words_are(lines: list[tuple[str, float]], doubted: bool) -> None:
    assert are_doubted([_stand(text, score) for text, score in lines]) is doubted


def test_without_rules_nothing_is_guessed_anew() -> None:
    stands = [_stand("OCHIO", 0.6, row) for row in range(8)]
    found = guessed_without_rules(np.full((400, 200, 3), 255, np.uint8), stands)
    assert all(one is other for one, other in zip(found, stands, strict=True))


def test_a_dotted_table_in_cyrillic_that_lies_aslant_is_told() -> None:
    """It came back as "roA report, OCHIO nabae 974", for Latin."""
    *_, table = draw_small_tables.tables(31, 51)
    reader = RapidReader()
    lines = reader.lines(draw_small_tables.turned(table.picture, 15), None, NoProgress())
    reader.release()
    words = [line for line in lines if not line.text.isdigit()]
    assert sum(line.foreign == "Cyrillic" for line in words) > 0.7 * len(words)
