"""``pytest -p devtools.pretend_card.in_tests``: all tests of this process see a pretend card of 8 GiB."""

from __future__ import annotations

import contextlib

import pytest

from . import Card, pretend_cards

_open = contextlib.ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    from vramwise.ocr.vlm.compat import import_bitsandbytes

    import_bitsandbytes()  # it looks for a card when it is imported: before there is one
    _open.enter_context(pretend_cards(Card("Pretend RTX 4060", 8, (8, 9))))


def pytest_unconfigure(config: pytest.Config) -> None:
    _open.close()
