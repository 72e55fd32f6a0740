"""What people and drivers call a graphics card, made one: case, spaces, hyphens, look-alike letters, memory
beside the name, laptop forms, counts, shares of a card (vGPU, MIG). Nothing here guesses: a name with a word
more or less than a card's is another name.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from ...units import GIB_WRITTEN, MIB_WRITTEN
from ..csv_rows import table

_SIZE = re.compile(
    f"(?<![0-9.,a-z])([0-9]{{1,4}}(?:[.,][0-9]+)?) *-? *(?:go|{GIB_WRITTEN})"
    "(?![a-z\u0430-\u044f0-9])(?: +hbm[0-9][a-z0-9]*)?"
)
# "12288MiB", as nvidia-smi writes it
_MIB = re.compile(f"(?<![0-9.,a-z])([0-9]{{4,6}}) *(?:{MIB_WRITTEN})(?![a-z\u0430-\u044f0-9])")
_GLUED_SIZE = re.compile(r"(?<=ti|xt|tx|er)(?=\d{1,3} ?gb?\b)")  # Ti, XT, XTX, SUPER
_BARE_SIZE = re.compile(r" (\d{1,3})$")
_TIMES = "[x\u0445\u00d7*]"
_PIECES = "\u0448\u0442(?:\u0443\u043a\u0438?)?"
_COUNT = re.compile(
    f"^([0-9]{{1,2}}) *(?:{_TIMES}|{_PIECES}[.]?|pcs) *(?=[a-z\u0430-\u044f0-9])"
    f"|(?: +|(?<=[0-9]{{4}})){_TIMES} *([0-9]{{1,2}})$| ([0-9]{{1,2}}) *{_PIECES}[.]?$"
)
_HAN = "[\u3400-\u9fff]"
_SHARE = re.compile(r"^(.+?)-(?:\d-)?(\d{1,3})(?:[qabc]|cme)?$")
_MIG = re.compile(r"\s+(?:mig\s+)?\d+c?\.?\d*g\.(\d+)gb.*$")
_GLUED = (
    (r"\b(rtx|gtx|gt|rx|mx)(?=[a-z]?\d)", r"\1 "),
    (r"\b(rtx|gtx|gt|rx) ?pro(?=\d)", r"\1 pro "),
    (r"\b(vega|cmp)(?=\d)", r"\1 "),
    (r"\b(gtx|rtx) (\d{3,4})m\b", r"\1 \2 laptop"),
    (r"(?<=\d{3})(ti|super|xtx|xt|gre|laptop|dv2|d)(?=\b|super|laptop)", r" \1 "),
    (r"(?<=\bti)(super|laptop)\b", r" \1"),
    (r"(?<=\d{3}) tis\b|(?<=\d{3})tis\b", " ti super"),
    (r"\b(m\d)(pro|max|ultra)\b", r"\1 \2"),
    (r"\bmax[ -]?q\b", "maxq"),
    (r"\b(?:macbook(?: pro| air)?|mac (?:studio|mini|pro)|imac)(?= m\d\b)", ""),
    (r"\b(gaming|suprim|vapor) x\b|\bventus [23]x\b|\b1 click\b", r"\1"),
    (r"\b(?:ftw3|xc3) ultra\b|\bmerc 3\d\d\b|\bultra(?= w\b| oc\b)", ""),
    (r"\bmi (?=\d{2,3})", "mi"),
    (r"\b([abhltvp]) (?=\d{2,3}[a-z]?\b)", r"\1"),
    (r"\bsxm\d\b", "sxm"),
    (r"\bpci-?e\b", "pcie"),
)
# "4070 Ti S" and "4080S" are SUPER cards; no other suffix is that short.
_SUPER = re.compile(r"\b((?:16[56]0|(?:20|40|50)\d\d)(?: ti)?) ?s\b")


@dataclass(frozen=True)
class CardName:
    """``words``: sorted, so that their order does not count; ``gib`` named beside them, ``count`` of cards
    ("2x"), ``share`` where it is a part of a card (a vGPU or MIG profile of ``gib``), ``bare`` where ``gib``
    is a number without a unit ("4060 ti 16")."""

    words: tuple[str, ...]
    gib: float | None = None
    count: int = 1
    share: bool = False
    bare: bool = False


@dataclass(frozen=True)
class _Word:
    """A row of cards/words.csv. ``kind``: "noise" and "maker" tell no card from another, "word" is another
    word for ``means``, "looks" and "sounds" are letters, "count" a number of cards."""

    word: str
    kind: str
    means: str
    source: str
    date: str


@functools.cache
def _known(kind: str) -> dict[str, str]:
    rows = table("cards/words.csv", lambda row: _Word(**row))
    return {row.word: row.means for row in rows if row.kind == kind}


@functools.cache
def _letters(kind: str) -> dict[int, str]:
    return {ord(letter): put for letter, put in _known(kind).items()}


def readings(text: str) -> list[CardName]:
    """``text`` as a card's name, the plainest reading first: Cyrillic letters may look like Latin ones or
    sound like them."""
    plain = _plain(text)
    found: dict[CardName, None] = {}
    for letters in (None, _letters("looks"), _letters("sounds")):
        spelled = plain if letters is None else _translated(plain, letters)
        for name in _of_spelling(spelled):
            found.setdefault(name)
    return list(found)


@functools.lru_cache(maxsize=4096)
def key(name: str) -> tuple[str, ...]:
    """The words of a card's own name: memory named in it is not one of them."""
    words = _words(_SIZE.sub(" ", _plain(name)))
    return tuple(sorted(words))


def _plain(text: str) -> str:
    """Lower case, one kind of space and hyphen, no marks of trade."""
    folded = unicodedata.normalize("NFKC", text.replace("\u2122", " ").replace("\u00ae", " ")).casefold()
    folded = re.sub(r"\((?:r|tm|c)\)", " ", folded)
    folded = re.sub(f"(?<={_HAN})(?=[a-z0-9])|(?<=[a-z0-9])(?={_HAN})", " ", folded)
    folded = re.sub(f"{_HAN}+", lambda run: " ".join(_parted(run[0])), folded)
    folded = re.sub("[\u2010-\u2015\u2212_/\\\\]", "-", folded)
    folded = _MIB.sub(lambda found: f"{int(found[1]) / 1024:.2f}gb", _GLUED_SIZE.sub(" ", folded))
    return " ".join(re.sub("[\"'`\u00ab\u00bb()\\[\\];:]|,(?![0-9])|(?<![0-9]),", " ", folded).split())


def _parted(run: str) -> list[str]:
    """Chinese words that stand together, by what is known of each; a run with another word in it as it is."""
    known = _known("word").keys() | _known("count").keys()
    found, rest = [], run
    while rest:
        word = next((rest[:end] for end in range(len(rest), 0, -1) if rest[:end] in known), "")
        if not word:
            return [run]
        found.append(word)
        rest = rest[len(word) :]
    return found


def _translated(plain: str, letters: dict[int, str]) -> str:
    known = (_known("word").get(word, word) for word in plain.split())
    return " ".join(word.translate(letters) for word in known if word)


def _of_spelling(plain: str) -> list[CardName]:
    text, count = _counted(plain)
    mig = _MIG.search(text)
    if mig is not None:
        return [
            CardName(tuple(sorted(_words(_SIZE.sub(" ", text[: mig.start()])))), float(mig[1]), count, True)
        ]
    found = []
    size = _SIZE.search(text)
    gib = float(size[1].replace(",", ".")) if size is not None else None
    found.append(CardName(tuple(sorted(_words(_SIZE.sub(" ", text)))), gib, count))
    bare = _BARE_SIZE.search(text) if size is None else None
    if bare is not None:
        found.append(CardName(tuple(sorted(_words(text[: bare.start()]))), float(bare[1]), count, bare=True))
    share = _SHARE.match(re.sub(r"^(?:nvidia|grid)\s+", "", text))
    if share is not None:
        for base in (share[1], re.sub(r"(?<=\d)[a-z]{1,2}$", "", share[1])):
            words = _words(re.sub(r"^grid\s+|-", " ", base))
            found.append(CardName(tuple(sorted(words)), float(share[2]), count, True))
    return found


def _counted(text: str) -> tuple[str, int]:
    first, _, rest = text.partition(" ")
    if first in _known("count") and rest:
        return rest, int(_known("count")[first])
    found = _COUNT.search(text)
    if found is None:
        return text, 1
    number = int(found[1] or found[2] or found[3])
    return (text[: found.start()] + " " + text[found.end() :]).strip(), max(1, number)


def _words(text: str) -> list[str]:
    other = _known("word")
    known = " ".join(other.get(word, word) for word in text.split())
    known = re.sub(r"(?<=[^\W\d_])-(?=\d)|-", " ", known.replace("max-q", "maxq"))
    for pattern, put in _GLUED:
        known = re.sub(pattern, put, known)
    known = _SUPER.sub(r"\1 super", known)
    known = re.sub(r"[^a-z0-9.+\u0080-\uffff]+", " ", known)
    words = [word for word in known.split() if word not in _known("noise")]
    if "rog" in words and "strix" in words:
        words.remove("strix")
    words = [word for word in words if word not in _known("maker")]
    for maker in ("arc", "jetson"):  # said of a card's own number or not
        if len(words) > 1 and maker in words:
            words.remove(maker)
    return [other.get(word, word) for word in words if other.get(word, word)]
