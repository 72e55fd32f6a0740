"""Texts at their worst, and what they cost: for tests/unit/test_growth.py and ``dev.py bench growth``."""

from __future__ import annotations

import cProfile
import gc
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from vramwise.cancel import cancellable
from vramwise.errors import VramwiseError

# What is said again and again, and what stands before and behind all of it.
UNITS = {
    "one letter": "a",
    "two letters": "ab",
    "words": "some words here ",
    "spaces": " ",
    "line feeds": "\n",
    "lines": "a\n",
    "digits": "1",
    "commas": "1,",
    "backslashes": "\\",
    "back to front": "\u202eabc",
    "right to left": "\u05d0 \u200f",
    "marks in no order": "\u0301\u0323",
    "half-width marks": "\uff9e\u0323",
    "Thai": "\u0e01\u0e34",
    "Chinese": "\u6c49",
    "emoji": "\U0001f600\u200d",
    "ligatures": "\ufdfa",
    "escapes": "\x1b[31m",
    "nothing": "\x00",
    "half letters": "\ud800",
    "quotes": '"',
    "quotes open": "\u201c",
    "quotes below": "\u201ea\u201c",
    "apostrophes": " 'a",
    "brackets": "[",
    "braces": "{",
    "round brackets": "(",
    "pipes": "| ",
    "backticks": "`",
    "dollars": "$",
    "hashes": "# ",
    "stars": "*_",
    "tags": "<",
    "tags with a name": "<a ",
    "tags with a value": '<a b="',
    "whole tags": "<b>x",
    "cells": "<td>",
    "boxes in HTML": '<p data-bbox="1 2 3 4">x',
    "ends of tags": "</i>",
    "tags that cross": "<b></i>",
    "comments": "<!--",
    "comments with places": "<!-- Table (",
    "comments that end": "<!-- Table (1, 2, 3, 4) -->x",
    "entities": "&#",
    "percent": "%s%n{0}",
    "keys": '{"a":',
    "objects": '{"a":1},',
    "objects by line": '\n{"a"',
    "objects that break off": '\n{"a":"b',
    "boxes": '{"bbox_2d":[1,2,3,4],"text_content":"x"},',
    "one key": '"a":1,',
    "rows of LaTeX": "\\\\[",
    "tables of LaTeX": "\\begin{tabular}[",
    "columns of LaTeX": "\\begin{tabular}{c",
    "spans of LaTeX": "\\multirow{1}{*}{",
    "cells of OTSL": "<fcel>a",
    "columns of OTSL": "<ucel><nl>",
    "elements": "<text><loc_1>",
    "thinking": "<think>",
    "thinking that ends": "<think>a</think>",
    "ends of thinking": "</think>",
    "half a mark": "<|channel",
    "fences": "```\n",
    "dots": ".",
    "folders": "../",
    "names": "a, ",
    "aliases": "- *a\n",
    "YAML in itself": "- ",
}
ENDS = {
    "": ("", ""),
    "in quotes": ('"', '"x'),
    "in a list": ("[", ""),
    "in an object": ('{"a":"', ""),
    "in a table": ("<table>", ""),
    "in LaTeX": ("\\begin{tabular}{c}", ""),
    "behind a fence": ("```", "`"),
    "before a letter": ("a", "b"),
}


def texts(size: int, ends: tuple[str, ...] = ("",)) -> dict[str, str]:
    """Every unit said until ``size`` characters are full, by name."""
    return {
        f"{name} {end}".strip(): f"{ENDS[end][0]}{(unit * (size // len(unit) + 1))[:size]}{ENDS[end][1]}"
        for end in ends
        for name, unit in UNITS.items()
    }


@dataclass(frozen=True)
class Cost:
    """``steps``: calls of Python and of C functions and resumptions of generators. ``deaf``: the most of them
    between two places at which Cancel is heard. ``sentence``: what was said where the text was refused.
    """

    steps: int
    deaf: int
    sentence: str = ""


def cost(use: Callable[[str], object], text: str) -> Cost:
    """What ``use`` takes for ``text``. Whatever it raises but a sentence is raised."""
    profile = cProfile.Profile()
    heard = [0]
    sentence = ""

    def hear() -> None:
        heard.append(_steps(profile))

    collects = gc.isenabled()
    gc.disable()  # a collection during a reading miscounts
    with cancellable(hear):
        profile.enable()
        try:
            use(text)
        except VramwiseError as error:
            sentence = str(error)
        finally:
            profile.disable()
            if collects:
                gc.enable()
    heard.append(_steps(profile))
    # a reading while a collection runs may count calls twice or miss some: of three the middle one (which
    # changes nothing where they rise), and none is more than a later one
    inner = (sorted(heard[at - 1 : at + 2])[1] for at in range(1, len(heard) - 1))
    heard = [heard[0], *inner, heard[-1]]
    heard = list(itertools.accumulate(reversed(heard), min))[::-1]
    return Cost(heard[-1], max(b - a for a, b in itertools.pairwise(heard)), sentence)


def _steps(profile: cProfile.Profile) -> int:
    return sum(entry.callcount for entry in profile.getstats())  # type: ignore[attr-defined]
