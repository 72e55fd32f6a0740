"""How pytest is run: everything, the unit tests alone, or what the version of transformers can change."""

from __future__ import annotations

import os
from pathlib import Path

from devtools.paths import ROOT
from devtools.processes import INTERRUPTED, run, say

# What the version of transformers can change.
MODEL_TESTS = ["tests/models", "tests/memory", "tests/comfy/test_models.py"]
# Two processes, each takes a file at a time.
HALVED = ["-n", "2", "--dist", "loadfile"]


def of_models(rest: list) -> list:
    """``rest``, with the models' tests before it where it names no test itself."""
    named = any((ROOT / argument.split("::")[0]).exists() for argument in rest)
    return rest if named else [*MODEL_TESTS, *rest]


def run_tests(python: Path, rest: list, env: dict | None) -> int:
    pytest = [python, "-m", "pytest", "--durations=15"]
    if rest:
        return run([*pytest, *rest], env=env)
    # then the browser's, which share two servers and a page
    halved = [*pytest, *HALVED]
    code = 0
    for command in ([*halved, "--ignore=tests/web"], [*halved, "tests/web"]):
        ended = run(command, env=one_thread(env))
        code = code or ended
        if ended == INTERRUPTED:
            break
    return code


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
