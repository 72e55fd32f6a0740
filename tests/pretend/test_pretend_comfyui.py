"""ComfyUI's real memory manager on a pretend card, in a process of its own (inside/).

That process imports ComfyUI and the pack as ComfyUI does; each of its checks is reported here by its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.comfy.checks_inside import Outcomes, claims, run_checks, say_outcome

HERE = Path(__file__).resolve().parent
CHECKS = HERE / "inside" / "comfyui_checks.py"

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Outcomes:
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    home = tmp_path_factory.mktemp("pretend")
    results = home / "results.jsonl"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        **dict.fromkeys(("XDG_CONFIG_HOME", "HOME", "HF_HOME", "APPDATA"), str(home)),
        "VRAMWISE_COMFY_DIR": str(checkout),
        "OMP_NUM_THREADS": "1",
    }
    return run_checks([CHECKS], results, environment, "--confcutdir", str(CHECKS.parent))


@pytest.mark.parametrize("claim", claims([CHECKS]))
def test_in_comfyui_on_a_pretend_card(claim: str, outcomes: Outcomes) -> None:
    assert outcomes.get(claim, {}).get("outcome") != "skipped", "there is nothing here to skip a check for"
    say_outcome(claim, outcomes)
