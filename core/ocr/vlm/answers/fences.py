"""Code fences that chat models put around an answer. Those of a longer answer are the page's, and stay."""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([^`\n]*?)[ \t\r]*\Z")
_ONE_LINE = re.compile(r"(`{3,})([^`\n]+)\1\Z")
_LANGUAGE = re.compile(r"[a-z0-9+#._-]{1,20}\Z")
_WRAPPERS = ("markdown", "md")  # a page does not begin with such a fence, an answer does
_NAMED = (*_WRAPPERS, "text", "txt", "plaintext", "plain", "html", "latex", "tex", "json", "xml", "csv")


def unwrapped(answer: str) -> str:
    """``answer`` without the fence that stands around all of it."""
    return _unwrapped(answer)[0]


def unfenced(answer: str) -> str:
    """What is in the fence that ``answer`` begins with, where what stands behind it are words about it."""
    text, whole = _unwrapped(answer)
    opening = _FENCE.match(text.split("\n", 1)[0])
    if whole or opening is None or "\n" not in text:
        return text
    inside = text.split("\n", 1)[1]
    closing = inside.rfind(opening[1][:3])
    return (inside if closing < 0 else inside[:closing]).strip()


def without_fence_lines(answer: str) -> str:
    """``answer`` without the fence that it begins with, and with all that stands in it and behind it."""
    text, whole = _unwrapped(answer)
    lines = text.split("\n")
    end = None if whole or not _FENCE.match(lines[0]) else _end(lines)
    return text if end is None else "\n".join((*lines[1:end], *lines[end + 1 :])).strip()


def wraps_markdown(answer: str) -> bool:
    """Whether ``answer`` begins with a fence that names markdown."""
    opening = _FENCE.match(answer.lstrip().split("\n", 1)[0])
    return opening is not None and opening[2].lower() in _WRAPPERS


def _unwrapped(answer: str) -> tuple[str, bool]:
    """(the answer, whether a fence around it was taken off)."""
    text = answer.strip()
    one = _ONE_LINE.match(text)
    if one:
        name, _, rest = one[2].strip().partition(" ")
        return (rest if rest and name.lower() in _NAMED else _after_name(one[2])).strip(), True
    lines = text.split("\n")
    opening = _FENCE.match(lines[0])
    if opening is None or len(lines) == 1:
        return text, False
    end = _end(lines)
    last = len(lines) - 1
    closes = _FENCE.match(lines[last])
    if opening[2].lower() in _WRAPPERS and closes and not closes[2]:
        end = last  # fences within have no names, so that the first seems to close
    if end is not None and end < last:
        return text, False
    inside = lines[1:end]
    if end is None and inside[-1].rstrip().endswith(opening[1]):
        inside[-1] = inside[-1].rstrip().removesuffix(opening[1])
    return "\n".join((*_kept(opening[2]), *inside)).strip(), True


def _end(lines: list[str]) -> int | None:
    """The line that closes the fence of the first line; None where none does."""
    inner: list[str] = []
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if found is None:
            continue
        closes = inner and not found[2] and found[1].startswith(inner[-1])
        if not closes:
            if found[2] or not inner:
                inner.append(found[1])
            continue
        inner.pop()
        if not inner:
            return number
    return None


def _kept(name: str) -> tuple[str, ...]:
    """Words of the page on the line of the fence."""
    first, _, rest = name.partition(" ")
    if first.lower() in _NAMED or not name:
        return (rest,) if rest else ()
    return () if _LANGUAGE.match(name) else (name,)


def _after_name(text: str) -> str:
    """One line without the name that touches its first bracket, as in ```json[...]```."""
    return re.sub(r"\A(?:json(?=[\[{])|html(?=<)|latex(?=\\))", "", text)
