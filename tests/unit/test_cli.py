"""The command line as a whole."""

from __future__ import annotations

import importlib

import pytest
from vramwise.catalog import OCRModel
from vramwise.cli import GROUPS, main
from vramwise.errors import VramwiseError, nearest


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(f"\n    {verb}" in said for verbs in GROUPS.values() for verb in verbs)


def test_every_group_adds_exactly_the_verbs_it_is_listed_for() -> None:
    import argparse

    for group, listed in GROUPS.items():
        verbs = argparse.ArgumentParser().add_subparsers()
        importlib.import_module(f"vramwise.cli.{group}").add_verbs(verbs)
        assert tuple(verbs.choices) == listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["oracle"], "Use one of: ocr, download, cache, check-gpu"),
        (["chek-gpu"], 'There is no verb "chek-gpu". Did you mean "check-gpu"?'),
        (["Check_GPU"], 'Did you mean "check-gpu"?'),
        (["download", "qwen3"], 'There is nothing called "qwen3" to download. Did you mean "qwen3_vl_'),
        (["download", "rapid"], 'There is nothing called "rapid" to download.'),
    ],
)
def test_an_unknown_verb_or_download_is_wrong_usage_and_names_the_nearest(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_model_is_downloaded_by_its_display_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from vramwise import weights

    asked: list[str] = []

    def fetch(model: OCRModel, *given: object) -> None:
        asked.append(model.id)
        raise VramwiseError("No network here.")

    monkeypatch.setattr(weights, "download_model", fetch)
    assert main(["download", "Qwen3-VL 8B"]) == 1
    assert asked == ["qwen3_vl_8b"]


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("INT4", ("int8", "int4"), "int4"),
        ("Qwen3-VL-8B", ("qwen3_vl_4b", "qwen3_vl_8b"), "qwen3_vl_8b"),
        ("image edit", ("image", "image-edit"), "image-edit"),
    ],
)
def test_the_nearest_word_may_differ_in_capitals_hyphens_underscores_and_spaces(
    word: str, known: tuple[str, ...], said: str
) -> None:
    assert nearest(word, known) == f' Did you mean "{said}"?'
