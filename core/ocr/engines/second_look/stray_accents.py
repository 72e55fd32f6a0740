"""Accents that the recogniser sees where a letter of the line above reaches down, or a speck lies: on a word
that the page has without them too, where hardly any word of it has one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...results.line import Line

# Words at least, of which such a share has accents at most; a word's letters.
WORDS, MOST, LETTERS = 60, 0.02, 3
_WORD = re.compile(r"[^\W\d_]+")


def without_stray_accents(lines: Sequence[Line]) -> list[Line]:
    """``lines`` of a page, words with accents as the page has them elsewhere without."""
    words = Counter(word for line in lines for word in _WORD.findall(line.text))
    accented = {word: _bare(word) for word in words if _bare(word) != word}
    count = sum(words[word] for word in accented)
    if sum(words.values()) < WORDS or count > MOST * sum(words.values()):
        return list(lines)
    stray = {
        word: bare
        for word, bare in accented.items()
        if len(word) >= LETTERS and bare.isascii() and words[bare] >= words[word]
    }
    return [_without(line, stray) for line in lines] if stray else list(lines)


def _bare(word: str) -> str:
    """A word without what stands over and under its letters."""
    return "".join(one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one))


def _without(line: Line, stray: dict[str, str]) -> Line:
    def told(text: str) -> str:
        return _WORD.sub(lambda found: stray.get(found[0], found[0]), text)

    text = told(line.text)
    if text == line.text:
        return line
    return replace(line, text=text, words=tuple(replace(word, text=told(word.text)) for word in line.words))
