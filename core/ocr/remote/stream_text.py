"""An answer that comes in pieces: put together, watched for circles and for a server that does not stop."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..vlm.loop_guard import LoopGuard

# About what a token is: a word with its space, up to three digits, a run of one sign, else one character.
_PIECE = re.compile(r" ?[^\W\d_\u2e80-\uffff]{1,12}|\d{1,3}|([^\w\s])\1{0,7}|.", re.DOTALL)
_BEYOND = 2  # times the limit in pieces, and then a few: a server that sends half tokens is not cut


class StreamText:
    """``limit`` is max_new_tokens. The loop guard of the local engine sees the text cut into word-like
    pieces, because servers send tokens without their numbers and often several at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._rest = ""
        self._parts: list[str] = []
        self._guard = LoopGuard(self._decode)
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
        """The text for a person who watches; its end is enough."""
        if len(self._parts) > 64:
            self._parts = ["".join(self._parts)]
        return "".join(self._parts)

    def add(self, piece: str) -> None:
        self.pieces += 1
        self._parts.append(piece)
        self._rest += piece
        found = list(_PIECE.finditer(self._rest))
        for word in found[:-1]:  # the last may go on in the next piece
            if self._guard.push(self._number(word[0])):
                self.finish_reason = "loop"
                return
        self._rest = found[-1][0] if found else ""
        if self.pieces > _BEYOND * self._limit + 64:
            self.finish_reason = "length"
            self.notes.append(
                f"The server did not stop at max_new_tokens ({self._limit}); the answer was cut here."
            )

    def text(self) -> str:
        """All of it, a runaway cut down to one repetition."""
        if self._guard.tripped:
            return self._decode(self._guard.kept())
        return "".join(self._parts)

    def count(self) -> int:
        """Tokens as the server counted them, else the pieces that it sent."""
        return self.pieces if self.tokens is None else self.tokens

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number

    def _decode(self, ids: Sequence[int]) -> str:
        return "".join(self._words[number] for number in ids)
