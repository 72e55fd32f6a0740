"""How pytest is run: everything, the unit tests alone, or what the version of transformers can change."""

from __future__ import annotations

import json
import os
from pathlib import Path

from devtools.paths import ROOT
from devtools.processes import INTERRUPTED, run, say

# What the version of transformers can change.
MODEL_TESTS = ["tests/models", "tests/memory", "tests/comfy/test_models.py"]
# Two processes, each takes a file at a time.
HALVED = ["-n", "2", "--dist", "loadfile"]
# Folder by folder: xdist would put files of few tests last, which are the longest (a server's long life,
# a thousand pages), and one process would wait for the other; unit tests come last and are short.
IN_ORDER = "--no-loadscope-reorder"
# The browser's come last: they share two servers and a page. Of them the largest file begins.
PARTS = (["--ignore=tests/web", IN_ORDER], ["tests/web"])
LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
FAILED = 1  # what pytest answers where tests failed and nothing else went wrong
FEW = 3  # more failures than these are no accident of a busy machine


def of_models(rest: list) -> list:
    """``rest``, with the models' tests before it where it names no test itself."""
    named = any((ROOT / argument.split("::")[0]).exists() for argument in rest)
    return rest if named else [*MODEL_TESTS, *rest]


def run_tests(python: Path, rest: list, env: dict | None) -> int:
    pytest = [python, "-m", "pytest", "--durations=15"]
    if rest:
        return run([*pytest, *rest], env=env)
    code, unsteady = 0, []
    for part in PARTS:
        ended = run([*pytest, *HALVED, "--cache-clear", *part], env=one_thread(env))
        failed = last_failed() if ended == FAILED else []
        collected = all("::" in test for test in failed)  # a file that was not is named without a test
        if collected and 0 < len(failed) <= FEW:
            say(f"\nOnce more, alone, after {len(failed)} failed beside the others:")
            ended = run([*pytest, *failed], env=one_thread(env))
            unsteady += failed if ended == 0 else []
        code = code or ended
        if ended == INTERRUPTED:
            break
    for test in unsteady:
        say(f"UNSTEADY: {test} failed beside other tests and passed alone. Its first output is above.")
    return code


def last_failed() -> list[str]:
    """Ids of the tests that failed in pytest's last run; none where it kept no list."""
    try:
        return sorted(json.loads(LAST_FAILED.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []


def run_quick(python: Path, rest: list, env: dict | None) -> int:
    """The unit tests without the slow ones, for the inner loop; and what that leaves out."""
    command = [python, "-m", "pytest", "tests/unit", "-m", "not slow", *HALVED, *rest]
    code = run(command, env=one_thread(env))
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    others = sorted(folders - {"unit", "fixtures", "__pycache__"})
    say(f"\nLeft out: the slow unit tests, and tests/ {', '.join(others)}. `python dev.py test` runs all.")
    return code


def one_thread(env: dict | None) -> dict:
    """Else torch's threads in the two processes would wait for one another."""
    return {**(env or os.environ), "OMP_NUM_THREADS": "1"}
