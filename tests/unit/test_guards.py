"""The loop guard cuts a runaway and leaves the repetitions of real pages alone."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from vramwise.ocr.vlm.loop_guard import LONGEST_PERIOD, LoopGuard


class Words:
    """A tokenizer for tests: a word with the space before it, a run of marks or a digit is one token."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def ids(self, text: str) -> list[int]:
        pieces = re.findall(r" ?[^\W\d_]+|\d|\n|</?\w+>?| ?[^\w\s]|\s|_", text)
        assert "".join(pieces) == text
        for piece in pieces:
            if piece not in self.known:
                self.known.append(piece)
        return [self.known.index(piece) for piece in pieces]

    def text(self, ids: Sequence[int]) -> str:
        return "".join(self.known[number] for number in ids)


class Letters:
    """The other extreme: every character is a token."""

    @staticmethod
    def ids(text: str) -> list[int]:
        return [ord(character) for character in text]

    @staticmethod
    def text(ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def fed(tokenizer: Words | Letters, text: str) -> tuple[LoopGuard, int]:
    """The guard after ``text`` and how many tokens it let through."""
    guard = LoopGuard(tokenizer.text)
    ids = tokenizer.ids(text)
    for number, token in enumerate(ids, start=1):
        if guard.push(token):
            return guard, number
    return guard, len(ids)


REAL = {
    "markdown table, 3 x 20 equal cells": "| a | b | c |\n|---|---|---|\n" + "| 0 | 0 | 0 |\n" * 20,
    "markdown table, 20 x 3 equal cells": "| 0 " * 20
    + "|\n"
    + "|---" * 20
    + "|\n"
    + ("| 0 " * 20 + "|\n") * 3,
    "html table, 3 x 20 equal cells": "<table>" + "<tr><td>0</td><td>0</td><td>0</td></tr>" * 20 + "</table>",
    "60 equal rows of markdown": "| 0 | 0 | 0 |\n" * 60,
    "60 equal rows of html": "<tr><td>0</td><td>0</td></tr>\n" * 60,
    "60 equal rows of 20 cells": ("| 0 " * 20 + "|\n") * 60,
    "60 empty rows": "| | | | |\n" * 60,
    "latex table": "0 & 0 & 0 \\\\\n" * 60,
    "a column of equal numbers": "0,00\n" * 60,
    "a column of equal words": "N/A\n" * 60,
    "leader dots": "Contents " + "." * 120 + " 3\n" + "Index " + "." * 120 + " 9\n",
    "a blank to fill in": "Name: " + "_" * 150 + "\n",
    "a refrain": "Row, row, row your boat, gently down the stream.\n" * 4,
    "a sheet of tickets": "Admit one\n" * 12,
}
RUNAWAYS = {
    "one word": "the " * 200,
    "a sentence": "It was a dark and stormy night, and the rain fell in torrents. " * 30,
    "a line": "It was a dark and stormy night, and the rain fell in torrents.\n" * 30,
    "one box": "[" + '{"bbox_2d": [10, 10, 100, 20], "text_content": "Hello"},\n' * 25,
    "a dots box": "[" + '{"bbox": [10, 10, 100, 20], "category": "Text", "text": "Hello"}, ' * 25,
    "cells without end": "| 0 " * 400,
    "html cells without end": "<tr>" + "<td></td>" * 400,
    "rows without end": "| 0 | 0 | 0 |\n" * 400,
    "line feeds": "\n" * 400,
    "exclamation marks": "!" * 400,
}


@pytest.mark.parametrize("tokenizer", [Words(), Letters()], ids=["words", "letters"])
@pytest.mark.parametrize("name", REAL)
def test_10_what_real_pages_repeat_is_left_alone(name: str, tokenizer: Words | Letters) -> None:
    guard, count = fed(tokenizer, REAL[name])
    assert not guard.tripped
    assert tokenizer.text(guard.kept()) == REAL[name]
    assert count == len(tokenizer.ids(REAL[name]))


@pytest.mark.parametrize("tokenizer", [Words(), Letters()], ids=["words", "letters"])
@pytest.mark.parametrize("name", RUNAWAYS)
def test_10_a_runaway_is_cut_to_one_repetition(name: str, tokenizer: Words | Letters) -> None:
    text = RUNAWAYS[name]
    guard, count = fed(tokenizer, text)
    assert guard.tripped
    assert count < len(tokenizer.ids(text))
    kept = tokenizer.text(guard.kept())
    assert text.startswith(kept)
    assert len(kept) <= 2 * guard.period * max(map(len, getattr(tokenizer, "known", "x"))) + 8


def test_what_came_before_the_runaway_is_kept() -> None:
    words = Words()
    guard, _ = fed(words, "Invoice 4711, due on Friday.\n" + "Total: 12 EUR. " * 100)
    assert guard.tripped
    assert words.text(guard.kept()).startswith("Invoice 4711, due on Friday.\nTotal: 12 EUR.")
    assert words.text(guard.kept()).count("EUR") == 1


def test_boxes_that_move_are_not_a_loop() -> None:
    lines = "".join(
        f'{{"bbox_2d": [10, {y}, 100, {y + 9}], "text_content": "0"}},\n' for y in range(0, 900, 10)
    )
    assert not fed(Words(), "[" + lines)[0].tripped
    assert not fed(Letters(), "[" + lines)[0].tripped


class Counted(list):
    """A list that counts how often it is looked into."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return super().__getitem__(index)


def test_long_prose_costs_little() -> None:
    """A late token no more than an early one, and nothing is decoded for prose that does not repeat."""
    generator = random.Random(1)
    decoded: list[Sequence[int]] = []
    guard = LoopGuard(lambda ids: decoded.append(ids) or "", ids=Counted())
    looks = []
    for _ in range(4000 // LONGEST_PERIOD):
        before = guard.ids.looks
        for _ in range(LONGEST_PERIOD):
            guard.push(generator.randrange(500))
        looks.append(guard.ids.looks - before)
    assert not guard.tripped
    assert decoded == []
    assert looks[-1] < 1.3 * looks[2], "of the third stretch on, a whole window lies behind"
