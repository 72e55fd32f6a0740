"""The command line as a whole."""

from __future__ import annotations

import importlib

import pytest
from vramwise.cli import GROUPS, main


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


def test_an_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["oracle"])
    assert ended.value.code == 2 and "check-gpu" in capsys.readouterr().err
