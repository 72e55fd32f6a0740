"""Numbers of the command line: a range each, and a sentence outside of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def number(least: float, most: float, unit: str, more: str = "") -> Callable[[str], float]:
    """Takes a number from ``least`` to ``most``, as argparse's ``type``. ``more`` follows the sentence."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no {unit} from {least:g} to {most:g}.{f' {more}' if more else ''}"
            )
        return found

    return read


def whole(least: int, most: int, unit: str) -> Callable[[str], int]:
    """Takes a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        digits = text.strip().lstrip("+-")
        found = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if found is None or not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {unit} from {least} to {most}.")
        return found

    return read
