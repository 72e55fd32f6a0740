"""The bench of real pictures: what counts as the same text, what it says where the pictures are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import real_pictures as bench


@pytest.mark.parametrize(
    ("read", "truth", "spaceless", "rate"),
    [
        ("Chapter 1 ..... 7", "chapter 1 7", False, 0.0),
        ("\u201cIt\u2019s\u201d \u2014 so", '"it\'s" - so', False, 0.0),
        ("\uff21\uff22\uff23 \u6587 \u5b57", "ABC\u6587\u5b57", True, 0.0),
        ("abcd", "abed", False, 0.25),
        ("", "four", False, 1.0),
    ],
)
def test_the_error_rate_sees_letters_and_not_their_dress(
    read: str, truth: str, spaceless: bool, rate: float
) -> None:
    assert bench.character_error_rate(read, truth, spaceless) == rate


def test_words_are_counted_whatever_their_order() -> None:
    assert bench.word_f1("one two, three", "three (one) two") == 1.0
    assert bench.word_f1("\u6587\u5b57", "\u5b57\u6587") == 1.0
    assert bench.word_f1("one", "two") == 0.0


def test_without_the_pictures_the_bench_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(["--pictures", str(tmp_path)]) == {"pictures": 0}
    assert str(tmp_path) in capsys.readouterr().out


def test_an_unknown_engine_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.run(["--engines", "vramwise,other"])
    assert "unknown engine other" in capsys.readouterr().err
