"""An answer that comes in pieces: put together, watched for circles and for a server that does not stop."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..vlm.answers.reasoning import VisibleStream
from ..vlm.loop_guard import LoopGuard

# About what a token is: a word with its space, up to three digits, a run of one sign, else one character.
_PIECE = re.compile(r" ?[^\W\d_\u2e80-\uffff]{1,12}|\d{1,3}|([^\w\s])\1{0,7}|.", re.DOTALL)
_BEYOND = 2  # times the limit in pieces, and then a few: a server that sends half tokens is not cut
_LONGEST_TOKEN = 64  # letters a token has on average at the very most; runs of spaces are the longest
_SHOWN = 2000  # letters of the end for the person who watches
_SURROGATE = re.compile("[\ud800-\udfff]")


class StreamText:
    """``limit`` is max_new_tokens. The loop guard of the local engine sees the text cut into word-like
    pieces, because servers send tokens without their numbers and often several at once. What the model
    thought is kept apart from what it answered; both count against the limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._text, self._reasoning = _Watched(), _Watched()
        self._visible = VisibleStream(_SHOWN)
        self.pieces = 0
        self.tokens: int | None = None
        self.finish_reason = ""
        self.notes: list[str] = []

    @property
    def runaway(self) -> bool:
        """Whether the rest need not be awaited."""
        return self.finish_reason == "loop" or bool(self.notes)

    @property
    def so_far(self) -> str:
        """The end of the text for a person who watches, without what the model thinks."""
        return self._visible.end

    def add(self, piece: str) -> None:
        self._visible.add(piece)
        self._take(self._text, piece)

    def add_reasoning(self, piece: str) -> None:
        self._take(self._reasoning, piece)

    def text(self) -> str:
        """All of it, a runaway cut down to one repetition."""
        return self._text.whole()

    def reasoning(self) -> str:
        """What the server marked as thinking, likewise."""
        return self._reasoning.whole()

    def count(self) -> int:
        """Tokens as the server counted them, else the pieces that it sent."""
        return self.pieces if self.tokens is None else self.tokens

    def _take(self, into: _Watched, piece: str) -> None:
        self.pieces += 1
        room = _LONGEST_TOKEN * (self._limit + 64) - self._text.letters - self._reasoning.letters
        if into.add(piece[: max(0, room)]):
            self.finish_reason = "loop"
            return
        if self.pieces > _BEYOND * self._limit + 64 or len(piece) > room:
            self.finish_reason = "length"
            self.notes.append(
                f"The server did not stop at max_new_tokens ({self._limit}); the answer was cut here."
            )


class _Watched:
    """One text that grows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._rest = ""
        self._parts: list[str] = []
        self._guard = LoopGuard(self._decode)
        self.letters = 0

    def add(self, piece: str) -> bool:
        """True where the text runs in circles."""
        self._parts.append(piece)
        self.letters += len(piece)
        self._rest += piece
        last = ""  # may go on in the next piece
        for word in _PIECE.finditer(self._rest):
            if last and self._guard.push(self._number(last)):
                return True
            last = word[0]
        self._rest = last
        return False

    def whole(self) -> str:
        text = self._decode(self._guard.kept()) if self._guard.tripped else "".join(self._parts)
        if _SURROGATE.search(text):  # a letter whose halves came in two pieces of JSON
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number

    def _decode(self, ids: Sequence[int]) -> str:
        return "".join(self._words[number] for number in ids)
