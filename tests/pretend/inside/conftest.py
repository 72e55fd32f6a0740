"""ComfyUI on a pretend card of 8 GiB, and the pack, both imported as ComfyUI would; results go to a file.

Tensors above 128 MiB leave their numbers out: they take their place on the card and none in RAM.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [os.environ.get("VRAMWISE_COMFY_DIR", str(ROOT / ".comfy" / "ComfyUI")), str(ROOT)]

import torch  # noqa: E402

from devtools.comfy.checks_inside import write_outcome  # noqa: E402
from devtools.pretend_card import Card, pretend_cards  # noqa: E402

torch.set_num_threads(1)
stack = contextlib.ExitStack()
LIVE = stack.enter_context(pretend_cards(Card("Pretend RTX 4060", 8, (8, 9)), numbers_up_to=128 * 1024**2))
atexit.register(stack.close)

import comfy.model_management as mm  # noqa: E402

assert mm.get_torch_device() == torch.device("cuda", 0)

spec = importlib.util.spec_from_file_location(
    "vramwise_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None and spec.loader is not None
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
gc.collect()
gc.freeze()


@pytest.fixture(scope="session")
def live() -> object:
    return LIVE


pytest_runtest_logreport = write_outcome
