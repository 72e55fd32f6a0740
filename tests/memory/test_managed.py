"""ComfyUI's real comfy.model_management with the pack's models, in one process of its own.

That process imports ComfyUI and the pack as ComfyUI does, which may not mix with the `vramwise` of the other
tests. It runs every check of inside/*_checks.py; each is reported here under its own name.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHECKS = (HERE / "inside" / "managed_checks.py", HERE / "inside" / "ending_checks.py")

pytestmark = pytest.mark.comfy


def claims() -> list[str]:
    bodies = [ast.parse(file.read_text(encoding="utf-8")).body for file in CHECKS]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if node.name.startswith("test_")]


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]
) -> dict[str, dict[str, str]]:
    """What became of each check: {name: {"outcome": ..., "text": ...}}."""
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    results = tmp_path_factory.mktemp("managed") / "results.jsonl"
    environment = {
        **os.environ,
        "VRAMWISE_COMFY_DIR": str(checkout),
        "VRAMWISE_RESULTS": str(results),
        "OMP_NUM_THREADS": "1",
        # glibc raises this by itself and then keeps freed weights in its heap: 10 MiB of noise
        "MALLOC_MMAP_THRESHOLD_": str(256 * 1024),
    }
    for inherited in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        environment.pop(inherited, None)
    options = ("-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--timeout", "600")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, CHECKS), *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=ROOT,
        env=environment,
    )
    if not results.is_file():
        pytest.fail(f"The process with ComfyUI ended early:\n{done.stdout}\n{done.stderr}", pytrace=False)
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("claim", claims())
def test_in_comfyuis_memory_manager(claim: str, outcomes: dict[str, dict[str, str]]) -> None:
    row = outcomes.get(claim)
    if row is None:
        pytest.fail(f"{claim} did not run: the process with ComfyUI ended before it.", pytrace=False)
    if row["outcome"] == "skipped":
        pytest.skip(row["text"])
    if row["outcome"] != "passed":
        pytest.fail(row["text"], pytrace=False)
