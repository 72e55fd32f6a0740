"""A server that lives: prompts with the sidebar open, a model that comes and goes, interrupts and /free.

`python dev.py bench soak` and `bench long_life` are the same for 500 cycles and two hours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

pytestmark = [pytest.mark.comfy, pytest.mark.slow]

CYCLES = 60
SECONDS = float(os.environ.get("VRAMWISE_LIFE_SECONDS", "110"))


@pytest.fixture(scope="module")
def comfy(
    require: Callable[[object, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyServer]:
    from devtools.comfy.long_life import server_with_a_model
    from devtools.comfy.server import default_comfy_dir

    pytest.importorskip("transformers")
    require((default_comfy_dir() / "main.py").is_file(), f"There is no ComfyUI in {default_comfy_dir()}.")
    with server_with_a_model(tmp_path_factory.mktemp("long_life")) as server:
        yield server


@pytest.fixture(scope="module")
def client(comfy: ComfyServer) -> ComfyClient:
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


def test_a_model_that_comes_and_goes_under_four_sidebars_is_never_half_alive(
    client: ComfyClient, comfy: ComfyServer
) -> None:
    from devtools.comfy.long_life import soak

    seen, faults = soak(client, CYCLES)
    assert faults == [] and seen.faults == []
    assert seen.statuses[200] > CYCLES
    assert "has no attribute" not in comfy.log


def test_memory_threads_and_descriptors_stay_flat(client: ComfyClient, comfy: ComfyServer) -> None:
    from devtools.comfy.long_life import live

    life, seen = live(client, comfy.pid, SECONDS)
    assert life.faults == [] and seen.faults == []
    print(life.growth(), life.rounds)
    assert max(life.growth().values()) < 2


def test_a_leak_of_five_megabytes_a_round_would_be_seen() -> None:
    from devtools.comfy.long_life import Life, Vitals

    sums = [685, 737, 677, 737, 737, 685, 738, 740, 684]  # as measured: two sums at rest
    flat = Life([Vitals(mb * 10**6, 10, 8) for mb in sums])
    leaking = Life([Vitals((mb + 5 * at) * 10**6, 10, 8) for at, mb in enumerate(sums)])
    kept = Life([*flat.rounds[:-1], Vitals(840 * 10**6, 10, 8)])  # once, by the allocator
    threads = Life([Vitals(mb * 10**6, 10 + at, 8) for at, mb in enumerate(sums)])
    assert max(*flat.growth().values(), *kept.growth().values()) < 2
    assert leaking.growth()["memory"] > 2 and threads.growth()["threads"] > 2
