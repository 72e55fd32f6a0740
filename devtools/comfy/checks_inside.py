"""Checks that run inside a process with ComfyUI and the pack, each reported by its name in a test outside.

ComfyUI may not mix with the `vramwise` of the other tests, so such a process is pytest's own: its conftest
calls ``write_outcome`` for each report, the test outside reads what ``run_checks`` gives.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from devtools.paths import ROOT

RESULTS = "VRAMWISE_RESULTS"
Outcomes = dict[str, dict[str, str]]


def claims(files: Sequence[Path]) -> list[str]:
    """The names of the checks in ``files``."""
    bodies = [ast.parse(file.read_text(encoding="utf-8")).body for file in files]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if node.name.startswith("test_")]


def run_checks(
    files: Sequence[Path], results: Path, environment: Mapping[str, str], *options: str
) -> Outcomes:
    """What became of each check: {name: {"outcome": ..., "text": ...}}, through the file ``results``."""
    always = ("-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--timeout", "600")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, files), *options, *always],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=ROOT,
        env={**environment, RESULTS: str(results)},
    )
    if not results.is_file():
        pytest.fail(f"The process with ComfyUI ended early:\n{done.stdout}\n{done.stderr}", pytrace=False)
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows}


def say_outcome(claim: str, outcomes: Outcomes) -> None:
    """Pass, skip or fail as the check did."""
    row = outcomes.get(claim)
    if row is None:
        pytest.fail(f"{claim} did not run: the process with ComfyUI ended before it.", pytrace=False)
    if row["outcome"] == "skipped":
        pytest.skip(row["text"])
    if row["outcome"] != "passed":
        pytest.fail(row["text"], pytrace=False)


def write_outcome(report: pytest.TestReport) -> None:
    """One line a check: its call, or the set-up or tear-down that went wrong."""
    target = os.environ.get(RESULTS)
    if target is None or (report.when != "call" and report.outcome == "passed"):
        return
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    row = {"name": report.nodeid.rpartition("::")[2], "outcome": report.outcome, "text": str(text)}
    with open(target, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
