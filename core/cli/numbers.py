"""Numbers of the command line: a range each, a decimal point or comma, and a sentence outside of it."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable

from ..catalog.words import Said, said, words
from ..units import GIB_WRITTEN, MIB_WRITTEN, figure
from .language import spoken

# What stands behind a size of memory.
_UNIT = re.compile(f"(?<=[0-9]) *(?:{GIB_WRITTEN}) *$", re.IGNORECASE)
_MIB = re.compile(f"(?<=[0-9]) *(?:{MIB_WRITTEN}) *$", re.IGNORECASE)
# Digits on both sides of one comma: "8,5". "1,024.5" is left to be refused.
_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def decimal(text: str) -> float:
    """The number in ``text``, written with a point or a comma; nan where it is none."""
    try:
        return float(text.replace(",", ".") if _COMMA.fullmatch(text) else text)
    except ValueError:
        return math.nan


def gibibytes(least: float, most: float) -> Callable[[str], float]:
    """Takes a size in GiB from ``least`` to ``most``, its unit with it or not: "16", "15,5 GB", "8192MiB"."""
    read = number(least, most, "size in GiB")

    def sized(text: str) -> float:
        mebibytes = decimal(_MIB.sub("", text))
        if _MIB.search(text) and not math.isnan(mebibytes):
            return read(f"{mebibytes / 1024:.12g}")
        bare = _UNIT.sub("", text)
        return read(text if math.isnan(decimal(bare)) else bare)

    return sized


def counted(what: str, count: int) -> str:
    """ "1 page", "3 pages", in the language that is spoken."""
    say = words(spoken())
    return say[f"count_{what}_one" if count == 1 else f"count_{what}"].format(count=count)


def number(least: float, most: float, unit: str, more: str = "") -> Callable[[str], float]:
    """Takes a number from ``least`` to ``most``, as argparse's ``type``. ``more`` is the key of what follows
    the sentence."""

    def read(text: str) -> float:
        found = decimal(text)
        if not least <= found <= most:
            sentence = _refused(text, unit, figure(least), figure(most))
            raise argparse.ArgumentTypeError(
                said("error_number_more", first=sentence, more=said(more)) if more else sentence
            )
        return found

    return read


def memory_size(text: str) -> float:
    """Takes the memory of a card in GiB, above 0 and at most what a card could have."""
    from ..hardware.budget import MOST_VRAM_GIB

    found, most = decimal(_UNIT.sub("", text)), figure(MOST_VRAM_GIB)
    if math.isnan(found) and text.strip().lower().lstrip("+-") != "nan":
        raise argparse.ArgumentTypeError(
            said("error_number_none", text=repr(text), unit=said("error_unit_size in GiB"), most=most)
        )
    if not 0 < found <= MOST_VRAM_GIB:
        raise argparse.ArgumentTypeError(said("error_memory_size", size=figure(found), most=most))
    return found


def whole(least: int, most: int, unit: str) -> Callable[[str], int]:
    """Takes a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        digits = text.strip().lstrip("+-")
        found = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if found is None or not least <= found <= most:
            raise argparse.ArgumentTypeError(_refused(text, unit, str(least), str(most)))
        return found

    return read


def _refused(text: str, unit: str, least: str, most: str) -> Said:
    return said("error_number", text=repr(text), unit=said(f"error_unit_{unit}"), least=least, most=most)
