"""Scripts written without spaces between words: one rule for every room that parts, joins or breaks text.

By the Unicode properties East_Asian_Width (UAX 11), Script and Emoji_Presentation, in the version that the
installed ``regex`` package knows; it is imported at the first question.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Pattern = Any

_EMOJI = r"\p{Emoji_Presentation}"
# What fills a square, without Hangul (which has spaces) and emoji; half-width kana are narrow and belong too.
_CJK = (
    rf"[[[\p{{ea=W}}\p{{ea=F}}]--[\p{{Script=Hangul}}{_EMOJI}]]"
    r"||[[\p{scx=Katakana}\p{scx=Hiragana}]&&\p{ea=H}]]"
)
# Of South East Asia; and Hangul, whose particles are joined to the word: there a word has no end to be seen.
_NO_WORD_ENDS = r"[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Hangul}]"
_WORD = rf"\A\s+|{_CJK}\p{{M}}*\s*|(?:(?!{_CJK})\S)+\s*"
_EAST_ASIAN = {
    "Japanese": r"[\p{scx=Hiragana}\p{scx=Katakana}--\p{scx=Han}]",
    "Hangul": r"\p{Script=Hangul}",
    "Han": r"[\p{Script=Han}\p{Script=Bopomofo}]",
}


@functools.lru_cache(maxsize=4096)
def is_cjk(character: str) -> bool:
    """Whether no space stands between it and its like: Han, kana, Bopomofo, their punctuation and full-width
    forms; not Hangul, not emoji.
    """
    return _compiled(_CJK).match(character) is not None


def is_emoji(character: str) -> bool:
    """Whether it is shown as a picture of its own accord."""
    return _compiled(_EMOJI).match(character) is not None


def has_word_ends(character: str) -> bool:
    """Whether one sees where a word ends: not so in CJK, Thai, Lao, Khmer, Burmese, nor in Hangul, where
    particles are joined to the word.
    """
    return not (is_cjk(character) or _compiled(_NO_WORD_ENDS).match(character))


def words_with_spaces(text: str) -> list[str]:
    """The words of ``text``, each with the white space behind it; every CJK character is a word. White space
    at the beginning stands for itself.
    """
    found: list[str] = _compiled(_WORD).findall(text, concurrent=True)  # without the interpreter's lock
    return found


def east_asian_script(character: str) -> str:
    """ "Japanese" for kana, "Hangul", "Han" (with Bopomofo), or "" for any other character."""
    return next((name for name, of in _EAST_ASIAN.items() if _compiled(of).match(character)), "")


@functools.cache
def _compiled(pattern: str) -> Pattern:
    import regex

    return regex.compile(pattern, regex.V1)
