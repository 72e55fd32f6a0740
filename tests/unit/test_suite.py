"""Of a whole run of the tests: few that fail have a second try, alone, and are named."""

from __future__ import annotations

import json

import pytest

from devtools import suite
from devtools.processes import INTERRUPTED


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """``runs(*answers)``: what pytest answers in turn, a code and the ids that fail; gives its commands."""
    monkeypatch.setattr(suite, "LAST_FAILED", tmp_path / "lastfailed")

    def answer(*answers):
        commands, left = [], list(answers)

        def run(command, env=None):
            commands.append(command)
            code, failed = left.pop(0)
            suite.LAST_FAILED.write_text(json.dumps(dict.fromkeys(failed, True)), encoding="utf-8")
            return code

        monkeypatch.setattr(suite, "run", run)
        return commands

    return answer


def whole() -> int:
    return suite.run_tests("python", [], None)


def test_a_test_that_fails_alone_too_fails_the_run(runs):
    commands = runs((1, ["a.py::one"]), (1, ["a.py::one"]), (0, []))
    assert whole() == 1
    assert commands[1][-1] == "a.py::one" and "-n" not in commands[1]


def test_a_test_that_passes_alone_is_named_and_the_other_part_still_runs(runs, capsys):
    commands = runs((1, ["a.py::one[x y]"]), (0, []), (0, []))
    assert whole() == 0
    assert commands[-1][-1] == "tests/web"
    assert "UNSTEADY: a.py::one[x y] failed beside other tests" in capsys.readouterr().out


def test_short_files_end_the_part_without_the_browser_and_the_largest_begins_its(runs):
    """xdist orders files by how many tests they have, unless told not to; the longest have one to three."""
    commands = runs((0, []), (0, []))
    assert whole() == 0
    assert [suite.IN_ORDER in command for command in commands] == [True, False]
    assert sorted(path.name for path in (suite.ROOT / "tests").iterdir() if path.is_dir())[-2:] == [
        "unit",
        "web",
    ]


def test_many_failures_have_no_second_try(runs):
    commands = runs((1, [f"a.py::{name}" for name in "abcd"]), (0, []))
    assert whole() == 1 and len(commands) == 2


def test_a_file_that_was_not_collected_has_no_second_try(runs):
    """In two processes pytest answers 1 for it too; alone, away from the file at fault, it might pass."""
    commands = runs((1, ["a.py"]), (0, []))
    assert whole() == 1 and len(commands) == 2


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_what_is_no_failed_test_has_no_second_try(runs, code):
    commands = runs((code, ["a"]), (0, []))
    assert whole() == code and len(commands) == 2


def test_after_an_interrupt_nothing_more_is_run(runs):
    commands = runs((INTERRUPTED, ["a"]))
    assert whole() == INTERRUPTED and len(commands) == 1
