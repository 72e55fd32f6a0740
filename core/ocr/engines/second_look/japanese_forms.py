"""Japanese words in the characters that Japan writes: the recogniser knows those of China and Taiwan too,
which look nearly alike, and takes one for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....cjk import is_cjk
from ...results.line import Line

# Characters that no text in today's Japanese has, and those of nearly the same shape that it has. Where one
# of OLD is, the page is older than the spelling of 1946, or has Chinese beside Japanese.
OTHERS = (
    "\u589e\u8aaa\u7a05\u92b3\u5167\u5355\u58f3\u51cf\u5fb7\u6b77\u9ed1\u6b65\u6bcf\u6236\u5377"
    "\u7d55\u7da0\u7de3\u9304\u503c\u522b\u6536\u665a\u984f\u7522\u5f65\u9ec3\u6a6b\u6eab\u6df8"
    "\u5de2\u9115\u69ea\u65e3\u8cf4\u7028\u5bec\u5c07\u820d\u865b\u5415"
)
JAPANESE = (
    "\u5897\u8aac\u7a0e\u92ed\u5185\u5358\u58f2\u6e1b\u5fb3\u6b74\u9ed2\u6b69\u6bce\u6238\u5dfb"
    "\u7d76\u7dd1\u7e01\u9332\u5024\u5225\u53ce\u6669\u9854\u7523\u5f66\u9ec4\u6a2a\u6e29\u6e05"
    "\u5de3\u90f7\u6982\u65e2\u983c\u702c\u5bdb\u5c06\u820e\u865a\u5442"
)
OLD = (
    "\u570b\u5b78\u6703\u9ad4\u8b8a\u5c0d\u95dc\u5be6\u7d93\u767c\u5716\u865f\u89c0\u8072\u5ee3"
    "\u61c9\u6b78\u9f8d"
)
FORMS = str.maketrans(OTHERS, JAPANESE)
# So many lines of a Japanese page have two kana or more, and of its characters such a share is.
KANA_LINES, KANA = 2, 0.05


def with_japanese_forms(lines: Sequence[Line]) -> list[Line]:
    """``lines`` of a page, in the characters of Japan where its kana say that it is Japanese."""
    texts = [line.text for line in lines]
    kana = [sum("\u3041" <= one <= "\u30fa" for one in text) for text in texts]
    every = sum(map(is_cjk, "".join(texts)))
    several = sum(count > 1 for count in kana) >= KANA_LINES
    if not several or sum(kana) < KANA * every or any(one in text for text in texts for one in OLD):
        return list(lines)
    return [
        line if line.text == (text := line.text.translate(FORMS)) else _with(line, text) for line in lines
    ]


def _with(line: Line, text: str) -> Line:
    words = tuple(replace(word, text=word.text.translate(FORMS)) for word in line.words)
    return replace(line, text=text, words=words)
