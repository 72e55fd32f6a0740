"""The bytes of an answer as the JSON values in them, whatever a server wraps them in.

Server-sent events as the standard has them and as servers write them (no space after ``data:``, one newline
between two events, no blank line at the end, a byte order mark, comments as signs of life), JSON lines, and
one whole JSON document are told apart by what they begin with, not by the Content-Type, which is often wrong.
The openai client's own decoder takes server-sent events alone, and loses the last one without a blank line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DECODER = json.JSONDecoder(strict=False)  # a newline inside a text that was not escaped is only that
_SHOWN = 200


class Damaged(ValueError):
    """What has arrived is no JSON where JSON was begun."""


class WireEvents:
    """``feed`` the bytes as they come, then ``finish``; both give the values that are complete.

    ``done`` is set by [DONE]. ``other`` is the beginning of the first line that is none of all this.
    """

    def __init__(self) -> None:
        self._bytes: list[bytes] = []
        self._skip_newline = self._begun = False
        self._data: list[str] = []
        self._document: list[str] | None = None
        self._is_error = False
        self.done = False
        self.other = ""

    def feed(self, data: bytes) -> Iterator[Any]:
        """Raises Damaged."""
        if self._skip_newline and data[:1] == b"\n":
            data = data[1:]
        if data:
            self._skip_newline = data[-1:] == b"\r"
        *lines, rest = _LINE_END.split(data)
        for line in lines:
            whole = b"".join((*self._bytes, line))
            self._bytes.clear()
            yield from self._line(whole)
        if rest:
            self._bytes.append(rest)

    def finish(self) -> Iterator[Any]:
        """Raises Damaged."""
        yield from self._line(b"".join(self._bytes))
        self._bytes.clear()
        yield from self._dispatch()
        if self._document is not None:
            yield from self._values("\n".join(self._document))

    def _line(self, line: bytes) -> Iterator[Any]:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Damaged("no UTF-8") from error
        if not self._begun and text:
            text, self._begun = text.removeprefix("\ufeff"), True
        bare = text.strip()
        name, colon, value = bare.partition(":")
        if self.done:
            return
        if self._document is not None:
            self._document.append(text)
        elif not bare:
            yield from self._dispatch()
        elif colon and name.lower() == "data":
            yield from self._one_data(value.strip())
        elif colon and name.lower() == "event":
            self._is_error = value.strip().lower() == "error"
        elif bare.startswith("[DONE]"):
            self.done = True
        elif bare[0] in "{[":
            try:
                yield from self._values(bare)
            except Damaged:
                self._document = [text]  # one value over many lines
        elif not (bare[0] == ":" or name.lower() in ("id", "retry")):
            self.other = self.other or bare[:_SHOWN]

    def _one_data(self, value: str) -> Iterator[Any]:
        """One ``data:`` line: mostly a whole event, else a part of one."""
        if value.strip('"').startswith("[DONE]"):
            yield from self._dispatch()
            self.done = True
        elif not self._data and value[:1] == "{":
            try:
                yield from self._values(value)
            except Damaged:
                self._data.append(value)
        elif self._data or value[:1] == "[":
            self._data.append(value)
        elif value:
            self.other = self.other or value[:_SHOWN]

    def _dispatch(self) -> Iterator[Any]:
        lines = self._data
        self._data = []
        if lines:
            try:
                yield from list(self._values("\n".join(lines)))
            except Damaged:
                for line in lines:
                    yield from self._values(line)
        self._is_error = False

    def _values(self, text: str) -> Iterator[Any]:
        """All JSON values in ``text``, which follow each other."""
        found, at = [], 0
        while at < len(text):
            try:
                value, at = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                raise Damaged("no JSON") from error
            found.append({"error": value} if self._is_error and not _names_error(value) else value)
            while at < len(text) and text[at].isspace():
                at += 1
        yield from found


def _names_error(value: Any) -> bool:
    return isinstance(value, dict) and "error" in value
