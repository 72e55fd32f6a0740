"""Which way up do the lines of a page stand, and which of them need not be read?

RapidOCR asks a small net whether a line hangs upside down. Of single lines it is often wrong, of a page of
two or three lines sometimes, of other scripts often. What a line says when it is read does not lie so: the
right way up the recogniser is sure of nearly all its ink, or the script net of its shapes (measured on
2026-11-28 on 192 drawn Latin pages: 0.98 of 1 at least, upside down 0.83 at most; on 105 pages of 21
languages the right way won on each). So the vote says which way is tried first, and a few lines decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from .line_turning import Cut
from .script_detection import READABLE, ScriptGuess, explained_share, guess_as_they_stand

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

SAMPLE = 6  # lines that decide: what RapidOCR takes at once on ONNX Runtime
TELLING = 8.0  # the aspect of a line that tells most for its cost, some ten letters
# The net alone tells the way up of lines in a script of its own by so much; then so few are read to be sure.
UPRIGHT_BY, FEW = 0.1, 3
SURE = 0.9  # a sample of so much sense stands the right way up
# The other way round must make so much more sense: capitals on their head are read nearly as well (HAPPY as
# HAPY), and then the half-turn net's word counts.
MORE = 0.05
NET_TRUST = 0.9  # "number" upside down is good Armenian: what was read goes before what was guessed
# A single line is turned against the others when the other way makes so much sense, and so much more.
ALONE, ALONE_MORE = 0.75, 0.15
CLEARLY = 0.3  # where three lines make so much less sense the other way round, no more are read so
MOST_ALONE = 24  # lines of a page that are tried alone
ASKED_ALONE = 0.7  # the half-turn net's chance from which a line of little sense is tried alone
# Where the whole sample was in one foreign script, only lines that are so surely Latin or Han are read.
SKIP_SURE = 0.85

Reading = tuple[str, float, list[tuple[float, float]], list[float]]
"""As `recognise` gives it: text, score, spans, confidences."""
UNREAD: Reading = ("", 0.0, [], [])
Recognise = Callable[[Sequence["NDArray[uint8]"]], Sequence[Reading]]
Hanging = Callable[[Sequence[Cut]], Sequence[float]]
"""As `half_turns` tells it: the chance of each line to hang upside down."""


@dataclass(frozen=True)
class Stand:
    """One line as it stands: what was read of it, the share of ink that this explains, the net's guess."""

    cut: Cut
    reading: Reading
    explained: float
    guess: ScriptGuess

    @property
    def sense(self) -> float:
        """0 to 1: how surely and how much of it was read, or how surely it is in a script that cannot be."""
        seen = 0.0 if self.guess.script in READABLE else NET_TRUST * self.guess.confidence
        return max(self.reading[1] * self.explained, seen)


@dataclass
class WayUp:
    """Turns the lines of one page. ``hanging`` is asked about the lines that decide and those tried alone
    only. ``skip`` tells from the sample's lines which script the page is in, so
    that the rest of its lines is not read in vain; None where all are to be read.
    """

    recognise: Recognise
    hanging: Hanging
    skip: Callable[[Sequence[Stand]], str | None] | None = None

    def stands(self, cuts: Sequence[Cut]) -> list[Stand]:
        """Every line the right way up."""
        upright = list(cuts)
        found: dict[int, Stand] = {}
        for tall in sorted({cut.tall for cut in cuts}):
            group = [i for i, cut in enumerate(cuts) if cut.tall == tall]
            turn, tried = self._group([cuts[i] for i in group])
            for place, i in enumerate(group):
                upright[i] = cuts[i].other_way_up if turn else cuts[i]
                if place in tried:
                    found[i] = tried[place]
        rest = [i for i in range(len(cuts)) if i not in found]
        script = self.skip(list(found.values())) if self.skip and rest else None
        guesses = dict(zip(rest, guess_as_they_stand([upright[i].crop for i in rest]), strict=True))
        unread = {i for i in rest if script and not _may_be_read(guesses[i])}
        to_read = [i for i in rest if i not in unread]
        for i, reading in zip(to_read, self.recognise([upright[i].crop for i in to_read]), strict=True):
            found[i] = _stand(upright[i], reading, guesses[i])
        for i in unread:
            found[i] = Stand(upright[i], UNREAD, 0.0, ScriptGuess(script or "", SKIP_SURE))
        if not script:
            self._alone(cuts, found)
        return [found[i] for i in range(len(cuts))]

    def _group(self, cuts: Sequence[Cut]) -> tuple[bool, dict[int, Stand]]:
        """Whether lines of one direction are to be turned, and those that were read to know."""
        places = sorted(range(len(cuts)), key=lambda i: abs(math.log(max(cuts[i].aspect, 0.01) / TELLING)))
        places = places[:SAMPLE]
        weights = [cuts[i].aspect for i in places]
        chances = self.hanging([cuts[i] for i in places])
        turn = sum(w * c for w, c in zip(weights, chances, strict=True)) > 0.5 * sum(weights)
        stood = [cuts[i].other_way_up if turn else cuts[i] for i in places]
        guesses = guess_as_they_stand([cut.crop for cut in stood])
        foreign = _plainly_foreign(stood, guesses)
        if foreign:
            places, stood, guesses = places[:FEW], stood[:FEW], guesses[:FEW]
        first = self._read(stood, guesses)
        if not foreign and _mean_sense(first) < SURE:
            others = [cuts[i] if turn else cuts[i].other_way_up for i in places]
            second = self._read(others[:FEW])
            if _mean_sense(second) > _mean_sense(first[:FEW]) - CLEARLY:
                second += self._read(others[FEW:])
                if _mean_sense(second) > _mean_sense(first) + MORE:
                    turn, first = not turn, second
        return turn, dict(zip(places, first, strict=True))

    def _alone(self, cuts: Sequence[Cut], found: dict[int, Stand]) -> None:
        """Turn single lines that make no sense among the others, and sense when turned: side text that runs
        the other way, answers printed upside down, short words of a page turned by a quarter.
        """
        lengths = {tall: sum(c.aspect for c in cuts if c.tall == tall) for tall in (False, True)}
        mostly_tall = lengths[True] > lengths[False]
        tall = [stand.cut for stand in found.values() if stand.cut.tall]
        quarters = max((1, 3), key=lambda k: sum(cut.aspect for cut in tall if cut.quarters == k))
        doubtful = [(i, stand) for i, stand in sorted(found.items()) if stand.sense < SURE]
        chances = dict(
            zip((i for i, _ in doubtful), self.hanging([cuts[i] for i, _ in doubtful]), strict=True)
        )
        tries = []
        for i, stand in doubtful:
            hangs = chances[i] if stand.cut.quarters == cuts[i].quarters else 1 - chances[i]
            if stand.cut.tall != mostly_tall or hangs > ASKED_ALONE:
                tries.append((i, stand.cut.other_way_up))
            if stand.cut.unclear and not stand.cut.tall:
                tries.append((i, stand.cut.turned(quarters - stand.cut.quarters)))
        tries = tries[:MOST_ALONE]
        for (i, _), stand in zip(tries, self._read([cut for _, cut in tries]), strict=True):
            if stand.sense >= max(ALONE, found[i].sense + ALONE_MORE):
                found[i] = stand

    def _read(self, cuts: Sequence[Cut], guesses: Sequence[ScriptGuess] | None = None) -> list[Stand]:
        crops = [cut.crop for cut in cuts]
        if not crops:
            return []
        readings = self.recognise(crops)
        guesses = guess_as_they_stand(crops) if guesses is None else guesses
        return [_stand(*parts) for parts in zip(cuts, readings, guesses, strict=True)]


def _plainly_foreign(cuts: Sequence[Cut], guesses: Sequence[ScriptGuess]) -> bool:
    """Whether the script net sees all lines in one script that the recogniser lacks, less so upside down."""
    if len(cuts) < FEW or len({guess.script for guess in guesses} - READABLE) != 1:
        return False
    if any(guess.script in READABLE for guess in guesses) or mean(g.confidence for g in guesses) < SURE:
        return False
    hanging = guess_as_they_stand([cut.other_way_up.crop for cut in cuts])
    return mean(g.confidence for g in guesses) - mean(g.confidence for g in hanging) > UPRIGHT_BY


def _may_be_read(guess: ScriptGuess) -> bool:
    """Whether a line of a foreign page is read all the same: it is in the built-in recogniser's scripts."""
    return guess.script in ("Latin", "Han") and guess.confidence >= SKIP_SURE


def _stand(cut: Cut, reading: Reading, guess: ScriptGuess) -> Stand:
    return Stand(cut, reading, explained_share(cut.crop, reading[2]), guess)


def _mean_sense(stands: Sequence[Stand]) -> float:
    weights = [min(stand.cut.aspect, TELLING) for stand in stands]
    return sum(w * s.sense for w, s in zip(weights, stands, strict=True)) / (sum(weights) or 1.0)
