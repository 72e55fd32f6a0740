"""Spoiled files and answers end in a result or a sentence: a hundred of a kind; `bench fuzz` tries 2,000."""

from __future__ import annotations

import pytest

from devtools.fuzzing.campaign import try_kind

KINDS = ("png", "jpeg", "webp", "gif", "tiff", "pdf", "manifest", "measured")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_spoiled_ones_end_in_a_result_or_a_sentence(kind: str) -> None:
    tally = try_kind(kind, 100)
    assert not tally.faults, (
        f"python -m devtools.fuzzing {kind} --only {tally.faults[0][0]}\n{tally.faults[0][1]}"
    )
    assert tally.tries == 100 and tally.results
