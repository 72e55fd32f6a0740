"""Which lines of a page did the built-in recogniser not really read, and in which script are they?"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...cjk import is_cjk
from .script_detection import READABLE, ScriptGuess

# The rules of `foreign_lines`, measured (2026-11-22, PP-OCRv6 small by RapidOCR 3.10) on the 92 committed
# pages of tests/fixtures/pages and on 240 pages of tests/fixtures/draw_pages.py in other fonts, with other
# sentences. Ink left unread: 518 of 576 Cyrillic lines, explained to 0.03 in the median; of 712 Latin and
# Han lines with two letters or more none was explained to less than 0.90. Net on such Cyrillic lines: 0.77 in
# the lowest twentieth. On the committed pages the weakest Cyrillic page clears its threshold by 0.22, the
# nearest other page stays 0.23 below.
UNREAD, UNREAD_SURE = 0.65, 0.5
# Ink read in part: a Cyrillic word with many look-alikes. Two letters at least: arcs in drawings are read as
# one.
READ, PARTLY_SURE, PARTLY_LETTERS = 0.93, 0.6, 2
# All ink "read": only the net speaks. Of 2400 drawn Latin lines of one or two words one was called foreign
# this surely.
READ_SURE, READ_LETTERS = 0.9, 4
# On a page where more lines were read than not. A Latin line cut upside down was called Cyrillic with more
# than 0.85.
STRAY_SURE = 0.9
# On a foreign page a line stays as it was read from this confidence in Latin, Han or Common, unless all its
# letters are some that both alphabets have ("MOCKBA", "pecypc", in italics "meceua").
CLEAR = 0.85
LOOK_ALIKE = frozenset("ABCEHIJKMOPSTXYabcegijkmnoprsuxy")
# Nothing is sure and nothing read: spaces between vanished words. Of 32 pages of English too small or blurred
# to read none looked so.
VANISHED = 0.3
# What the recogniser is so sure of, with all ink accounted for, was read, whatever the net says.
# Of 338 lines of Cyrillic pages (2026-11-28) the two that came so far were look-alikes on a page of their own
# script, which draws them in unless they were read without a doubt.
READ_SCORE, NO_DOUBT, NO_DOUBT_INK = 0.93, 0.995, 0.97
# Read well enough to speak for its page. Cyrillic lines: 0.0 to 0.2 of their ink.
PARTLY_SCORE, PARTLY_READ = 0.8, 0.6
# Han letters for most of what came back, that account for so much ink: brushed ones leave more of it than
# printed ones do. Of 483 drawn lines in eleven other scripts (2026-11-29) none came back so with the score of
# `PARTLY_SCORE`, and with a lower one the net was surer than this of each that was long enough to tell.
HAN_INK, HAN_SURE = 0.5, 0.7
# A line's say grows with its length (aspect of its crop), up to some ten letters. The net needs two letters:
# of less in which something was read it must be very sure (lit capitals "PH", a blob).
MOST_SAY, TELLS = 10.0, 2.0
# A line of which nothing came back, in a script unlike Latin, is said to be there on a page that was read.
NOTHING, NOTHING_SURE, NOTHING_LONG = 0.5, 0.7, 2.5
# Two lines or more of which little came back are together so surely in one script. Of 690 pages (2026-11-29:
# 62 real and 260 drawn ones, else memes, scenes and documents) each that was told so had the script on it.
LITTLE_SCORE, TOGETHER_SURE = 0.7, 0.85
LIKE_LATIN = frozenset({"Cyrillic", "Greek", "Armenian", "Georgian"})
# A word or two that seem to be in another alphabet like these, on a page of one of them: so short for their
# height, and of so much of the page's say.
A_WORD, HARDLY = 3.0, 0.25


@dataclass(frozen=True)
class LineEvidence:
    """One line: the text that the recogniser returned, the share of ink it accounts for, the net's guess, the
    recogniser's score (None where it is not known) and how long the line is for its height.
    """

    text: str
    explained: float
    guess: ScriptGuess
    score: float | None = None
    aspect: float = MOST_SAY

    @property
    def say(self) -> float:
        return min(self.aspect, MOST_SAY)


def foreign_lines(lines: Sequence[LineEvidence]) -> dict[int, str]:
    """The lines of one page that the built-in recogniser did not really read: index to script name.

    A line is foreign on its own evidence when the net names a script that the recogniser lacks; the more of
    the ink was accounted for, the surer it must be, and what the recogniser is sure of was read. Where more
    was read than not it must be surer still, so that a logo or a drawing is not; longer lines have more of a
    say. Such lines then draw in the doubtful ones of their page: unread ink of no clear script, capitals
    that look alike in both alphabets, and a word that seems to be of another alphabet like theirs.
    """
    alone = {i: line.guess.script for i, line in enumerate(lines) if _is_foreign(line)}
    read = sum(line.say for i, line in enumerate(lines) if i not in alone and _is_read(line))
    votes = _votes(alone, lines)
    found = {i: name for i, name in alone.items() if votes[name] >= read or _is_sure_alone(lines[i])}
    found |= _said_by_several(lines)
    if not found and not read:
        return {i: "Cyrillic" for i, line in enumerate(lines) if _is_vanished(line)}
    if not found:
        return {}
    votes = _votes(found, lines)
    home = max(sorted(votes), key=lambda name: votes[name])
    at_home = votes[home] >= read
    for i, name in found.items():
        if {name, home} <= LIKE_LATIN and lines[i].aspect < A_WORD and votes[name] < HARDLY * votes[home]:
            found[i] = home
    for i, line in enumerate(lines):
        if i not in found and _is_drawn_in(line, home, at_home):
            found[i] = home
    return dict(sorted(found.items()))


def _votes(found: Mapping[int, str], lines: Sequence[LineEvidence]) -> dict[str, float]:
    votes: dict[str, float] = {}
    for i, name in found.items():
        votes[name] = votes.get(name, 0.0) + lines[i].say
    return votes


def _is_foreign(line: LineEvidence) -> bool:
    name, confidence = line.guess.script, line.guess.confidence
    greek = name == "Greek" and _is_greek(line.text)
    if name in READABLE or (_is_sure(line, READ_SCORE, READ) and not greek):
        return False
    if line.text.strip() and line.aspect < TELLS and confidence < STRAY_SURE:
        return False
    if _is_han(line) and (confidence < HAN_SURE or (line.score or 0.0) >= PARTLY_SCORE):
        return False
    if line.explained <= UNREAD:
        return confidence >= UNREAD_SURE
    letters = sum(map(str.isalpha, line.text))
    if line.explained <= READ or greek:
        return confidence >= PARTLY_SURE and letters >= PARTLY_LETTERS
    return confidence >= READ_SURE and letters >= READ_LETTERS


def _is_sure(line: LineEvidence, score: float, ink: float) -> bool:
    """Whether letters or digits were read with this score at least, and more of the ink than this."""
    known = line.score is not None and line.score >= score
    return known and line.explained > ink and any(map(str.isalnum, line.text))


def _is_sure_alone(line: LineEvidence) -> bool:
    """Whether a foreign line is believed on a page that was read. Alphabets like Latin do not come back as
    Han or kana.
    """
    if _is_han(line) and line.guess.script in LIKE_LATIN:
        return False
    if line.guess.confidence >= STRAY_SURE:
        return line.aspect >= TELLS
    nothing = line.score is not None and line.score < NOTHING and line.explained <= UNREAD
    unlike = line.guess.script not in LIKE_LATIN and line.guess.confidence >= NOTHING_SURE
    return nothing and unlike and line.aspect >= NOTHING_LONG


def _said_by_several(lines: Sequence[LineEvidence]) -> dict[int, str]:
    """Lines in a script unlike Latin that are too short or too small to tell, but not all together. Two names
    on a road sign, of which nothing came back, or two lines of which little did.
    """
    short: dict[str, list[int]] = {}
    hardly: dict[str, list[int]] = {}
    for i, line in enumerate(lines):
        name, score = line.guess.script, line.score
        if name in READABLE | LIKE_LATIN or score is None:
            continue
        if score < NOTHING and line.guess.confidence >= STRAY_SURE:
            short.setdefault(name, []).append(i)
        if score < LITTLE_SCORE and line.explained <= UNREAD and line.aspect >= TELLS:
            hardly.setdefault(name, []).append(i)
    long = {name: some for name, some in short.items() if sum(lines[i].aspect for i in some) >= NOTHING_LONG}
    sure = {name: some for name, some in hardly.items() if _doubt(lines, some) <= 1 - TOGETHER_SURE}
    told = [*long.items(), *sure.items()]
    return {i: name for name, some in told if len(some) > 1 for i in some}


def _doubt(lines: Sequence[LineEvidence], some: Sequence[int]) -> float:
    """The chance that the net is wrong on each of ``some`` lines."""
    return math.prod(1 - lines[i].guess.confidence for i in some)


def _is_greek(text: str) -> bool:
    """Whether most letters that came back are Greek; the recogniser knows them, but none with accents."""
    letters = [char for char in text if char.isalpha()]
    greek = sum(unicodedata.name(char, "").startswith("GREEK") for char in letters)
    return greek >= 4 and greek > len(letters) / 2


def _is_han(line: LineEvidence) -> bool:
    """Whether Chinese or Japanese came back, for more than scraps of the ink."""
    letters = [char for char in line.text if char.isalpha()]
    return line.explained >= HAN_INK and sum(map(is_cjk, letters)) > len(letters) / 2


def _is_vanished(line: LineEvidence) -> bool:
    """Words of which little but the spaces came back, in an alphabet that the net may take for Cyrillic."""
    like = line.guess.script in ("Cyrillic", "Greek", "Latin")
    return like and line.explained <= VANISHED and line.text.count(" ") >= 2


def _is_read(line: LineEvidence) -> bool:
    if line.score is not None and line.score >= PARTLY_SCORE:
        return line.explained >= PARTLY_READ and any(map(str.isalnum, line.text))
    return line.explained > READ and any(map(str.isalpha, line.text))


def _is_drawn_in(line: LineEvidence, home: str, at_home: bool) -> bool:
    name, confidence = line.guess.script, line.guess.confidence
    if not at_home:
        if _is_han(line) and (line.score or 0.0) >= PARTLY_SCORE:
            return False
        return name == home and line.explained <= READ and confidence >= UNREAD_SURE
    if line.explained <= UNREAD:
        return name != "Common" or confidence < CLEAR
    if not any(map(str.isalpha, line.text)):
        return False
    look_alike = all(char in LOOK_ALIKE for char in line.text if char.isalpha())
    if _is_sure(line, NO_DOUBT, NO_DOUBT_INK) and not look_alike:
        return False
    return name == home or confidence < CLEAR or (look_alike and home in ("Cyrillic", "Greek"))
