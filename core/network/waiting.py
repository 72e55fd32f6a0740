"""When a server that is busy wants to be asked again, by what it says in its headers, and how often it is."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

_RESET = re.compile(r";\s*t\s*=\s*(\d{1,9})\b")
"""In the RateLimit header, a draft of the IETF that Hugging Face follows: ``"api";r=0;t=55``."""
LONGEST_WAIT_SECONDS = 330.0  # that a server may ask for: a hub counts requests of five minutes
MOST_WAITS = 6  # that a server asks for, while nothing comes


class Patience:
    """How often and how long one server is waited for until something comes of it."""

    def __init__(self) -> None:
        self._waits = 0

    def suffices(self, seconds: float) -> bool:
        """Whether to wait so long once more, which then counts."""
        if seconds > LONGEST_WAIT_SECONDS or self._waits >= MOST_WAITS:
            return False
        self._waits += 1
        return True


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None where it is neither. Names of
    ``headers`` are in small letters, or compared without their case.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(value).timestamp()
            seconds = until - _servers_clock(headers)
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds and seconds < 10**9 else None


def asked_to_wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks for which says "later"; None for another, or where it names no time."""
    if status not in (429, 503):
        return None
    found = _RESET.search(headers.get("ratelimit", "")) if status == 429 else None
    wait = retry_after(headers)
    return float(found[1]) if wait is None and found is not None else wait


def come_back(status: int, wait: float) -> str:
    """What a server says that is busy, as part of a sentence. ``wait`` in seconds."""
    return f"it asks to come back in {wait:.0f} s (HTTP {status})"


def _servers_clock(headers: Mapping[str, str]) -> float:
    """Seconds since 1970 as the server has them: the two clocks may be hours apart."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return time.time()
