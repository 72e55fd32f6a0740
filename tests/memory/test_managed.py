"""ComfyUI's real comfy.model_management with the pack's models, in one process of its own.

That process imports ComfyUI and the pack as ComfyUI does, which may not mix with the `vramwise` of the other
tests. It runs every check of inside/*_checks.py; each is reported here under its own name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.comfy.checks_inside import Outcomes, claims, run_checks, say_outcome

HERE = Path(__file__).resolve().parent
CHECKS = tuple(HERE / "inside" / f"{name}_checks.py" for name in ("managed", "ending", "dynamic", "executor"))

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Outcomes:
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
        "OMP_NUM_THREADS": "1",
        # glibc raises this by itself and then keeps freed weights in its heap: 10 MiB of noise
        "MALLOC_MMAP_THRESHOLD_": str(256 * 1024),
    }
    for inherited in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        environment.pop(inherited, None)
    return run_checks(CHECKS, results, environment)


@pytest.mark.parametrize("claim", claims(CHECKS))
def test_in_comfyuis_memory_manager(claim: str, outcomes: Outcomes) -> None:
    say_outcome(claim, outcomes)
