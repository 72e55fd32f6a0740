"""More memory never gives a worse pick, on whatever card."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vramwise.advisor.candidates import candidates
from vramwise.advisor.diffusion_memory import has_flash
from vramwise.advisor.targets import target_of_gpu
from vramwise.advisor.tasks import MODEL_TASKS
from vramwise.catalog.formats import bus_of
from vramwise.catalog.gpus import GPU, gpus


def best_key(gpu: GPU, size: float, task: str) -> tuple[float, ...]:
    target = target_of_gpu(replace(gpu, vram_gib=size, name="card", device_name="", sizes=1))
    return candidates(target, task)[0].key


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(gpus()), st.integers(2, 95), st.integers(1, 94), st.sampled_from(MODEL_TASKS))
def test_11_more_memory_never_gives_a_worse_pick(gpu: GPU, size: int, more: int, task: str) -> None:
    larger = min(96, size + more)
    assert best_key(gpu, float(larger), task) <= best_key(gpu, float(size), task)


@pytest.mark.slow
@pytest.mark.parametrize("task", MODEL_TASKS)
def test_11_more_memory_never_gives_a_worse_pick_in_any_step_on_any_card(task: str) -> None:
    """In steps of 1 GiB, on one card of each sort: what a pick hangs on beside the memory."""
    assert len(gpus()) >= 163
    old = {gpu: gpu.capability is not None and gpu.capability < (8, 0) for gpu in gpus()}
    if task == "OCR":
        sorts = {(gpu.kind, old[gpu]): gpu for gpu in gpus()}
    else:
        # what a card computes fast orders two files of one model, at every size alike
        sorts = {(gpu.unified, has_flash(gpu), old[gpu], bus_of(gpu)): gpu for gpu in gpus()}
    for gpu in sorts.values():
        keys = [best_key(gpu, float(size), task) for size in range(2, 97)]
        assert keys == sorted(keys, reverse=True), gpu.name
