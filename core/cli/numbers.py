"""Numbers of the command line: a range each, a decimal point or comma, and a sentence outside of it."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable

from ..catalog.words import Said, said

# Digits on both sides of one comma: "8,5". "1,024.5" is left to be refused.
_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def decimal(text: str) -> float:
    """The number in ``text``, written with a point or a comma; nan where it is none."""
    try:
        return float(text.replace(",", ".") if _COMMA.fullmatch(text) else text)
    except ValueError:
        return math.nan


def number(least: float, most: float, unit: str, more: str = "") -> Callable[[str], float]:
    """Takes a number from ``least`` to ``most``, as argparse's ``type``. ``more`` follows the sentence."""

    def read(text: str) -> float:
        found = decimal(text)
        if not least <= found <= most:
            sentence = _refused(text, unit, f"{least:g}", f"{most:g}")
            raise argparse.ArgumentTypeError(f"{sentence} {more}" if more else sentence)
        return found

    return read


def memory_size(text: str) -> float:
    """Takes the memory of a card in GiB; what is no size of a card is refused where cards are known."""
    found = decimal(text)
    if math.isnan(found) and text.strip().lower().lstrip("+-") != "nan":
        raise argparse.ArgumentTypeError(
            said("error_number_none", text=repr(text), unit=said("error_unit_size in GiB"))
        )
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
