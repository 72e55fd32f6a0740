"""What is said where nobody answers: the system's words, once, and not asyncio's."""

from __future__ import annotations

import asyncio

import pytest
from vramwise.catalog.words import in_language
from vramwise.network.failures import failure

TWICE = (
    "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9, 0, 0), "
    "[Errno 111] Connect call failed ('127.0.0.1', 9)"
)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"),
        OSError(10061, "Connect call failed ('127.0.0.1', 9)"),  # of Windows
        OSError(TWICE),  # a name that is IPv4 and IPv6
    ],
)
def test_a_refused_connection_is_said_once_and_in_the_readers_language(error: OSError) -> None:
    around = RuntimeError("All connection attempts failed")
    around.__cause__ = error
    said = failure(around, "http://localhost:9/v1", None).sentence
    assert said == "localhost:9 cannot be reached (Connection refused)."
    assert "Connect" not in in_language(said, "ru") and "refused" not in in_language(said, "zh")


def test_asyncio_still_says_it_in_the_words_that_are_looked_for() -> None:
    with pytest.raises(OSError, match=r"\[Errno \d+\] Connect call failed"):
        asyncio.run(asyncio.open_connection("127.0.0.1", 9))
