"""An answer put together from what a server sends, until it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .answer_fields import BROKEN, FILTERED, LENGTH, STOP, AnswerFields, fields_of
from .stream_text import StreamText
from .wire_events import WireEvents


class AnswerReader:
    """``take`` the bytes as they come, then ``finish``.

    An answer has ``ended`` where a finish reason, [DONE], a count of tokens alone or one whole JSON document
    says so. ``error`` is the body of an error in its place, ``foreign`` how one that is of no such
    protocol begins, ``unknown`` that JSON came which says nothing, ``textless`` a whole one without a text.
    """

    def __init__(self, limit: int) -> None:
        self.text = StreamText(limit)
        self.error: Any = None
        self.refusal = ""
        self.filtered = self.textless = False
        self._wire = WireEvents()
        self._ended = self._said = self._by_pieces = False
        self._events = 0

    @property
    def ended(self) -> bool:
        return self._ended or self.done or self.runaway

    @property
    def done(self) -> bool:
        return self._wire.done

    @property
    def runaway(self) -> bool:
        return self.text.runaway

    @property
    def foreign(self) -> str:
        return "" if self._events or self.done else self._wire.other

    @property
    def unknown(self) -> bool:
        return self._events > 0 and not self._said and not self.done

    def take(self, data: bytes) -> bool:
        """True where the text has grown. Raises ValueError, and Damaged of it, for what is no answer."""
        before = self.text.pieces
        self._take_all(self._wire.feed(data))
        return self.text.pieces > before

    def finish(self) -> None:
        """Nothing more comes. Raises as ``take``."""
        if not self.runaway and self.error is None:
            self._take_all(self._wire.finish())
        if self.ended and not self.text.finish_reason:
            self.text.finish_reason = STOP

    def _take_all(self, events: Iterator[Any]) -> None:
        try:
            for event in events:
                self._take(event)
                if self.runaway or self.error is not None:
                    return
        except ValueError:
            if not self.ended:  # what comes after the end, damaged or not, is nobody's loss
                raise

    def _take(self, event: Any) -> None:
        if self.error is not None or self.runaway:
            return
        if isinstance(event, list) and len(event) > 1:  # all chunks in one array, which has been closed
            for one in event:
                self._take(one)
            self._ended = self._ended or self._said
            return
        self._events += 1
        found = fields_of(event)
        if found.error is not None:
            self.error = None if self._ended else found.error
            return
        self._add(found)
        if found.tokens is not None:
            self.text.tokens = found.tokens
        self.refusal += found.refusal
        is_whole = found.message and event.get("object") != "chat.completion.chunk"
        has_text = bool(found.text or found.reasoning)
        self.textless = is_whole and not has_text
        self._said = self._said or has_text or found.message or bool(found.ended or found.usage_only)
        if found.ended == BROKEN:
            self.error = "The server ended the answer with an error and no reason"
        elif found.ended:
            self.filtered = self.filtered or found.ended == FILTERED
            self._end(STOP if found.ended == STOP else LENGTH)
        elif is_whole or (found.usage_only and self.text.pieces):
            self._ended = True

    def _add(self, found: AnswerFields) -> None:
        text = found.text
        if found.message and text:  # the whole so far, of which pieces may have come before
            before = self.text.text()
            if text.startswith(before):
                text = text[len(before) :]
            elif self._by_pieces:
                text = ""
        elif text:
            self._by_pieces = True
        if found.reasoning and not (found.message and self.text.reasoning()):
            self.text.add_reasoning(found.reasoning)
        if text and not self.runaway:
            self.text.add(text)

    def _end(self, reason: str) -> None:
        self._ended = True
        self.text.finish_reason = self.text.finish_reason or reason
