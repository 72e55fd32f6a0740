"""GPU Probe on the real server, and what the bridge tells it of ComfyUI's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.comfy

# In a process of its own: ComfyUI with two CUDA cards that are not there. Card 0 is ComfyUI's and holds one
# model of ours and one of another; card 1 has never been used, and asking for its memory would make a
# context on it.
TWO_CARDS = """
import importlib.util, json, sys, types
pack_root, comfy = sys.argv[1:3]
sys.path.insert(0, comfy)
from comfy.cli_args import args
args.cpu = True
import torch
import comfy.model_management as mm
spec = importlib.util.spec_from_file_location(
    "vramwise_pack", pack_root + "/__init__.py", submodule_search_locations=[pack_root]
)
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
memory = importlib.import_module("vramwise_pack.nodes.bridge.memory")
MIB, first = 1024**2, torch.device("cuda", 0)

def free(device):
    assert device == first, f"asked for the memory of {device}"
    return 5000 * MIB

def model(size):
    return types.SimpleNamespace(loaded_size=lambda: size)

mm.get_free_memory, mm.get_torch_device = free, lambda: first
torch.cuda.memory_reserved = lambda device: 0
mm.current_loaded_models[:] = [
    types.SimpleNamespace(model=model(300 * MIB), device=first),
    types.SimpleNamespace(model=model(2000 * MIB), device=first),
    types.SimpleNamespace(model=None, device=first),
    types.SimpleNamespace(model=model(70 * MIB), device=torch.device("cpu")),
]
ours = types.SimpleNamespace(
    spec=types.SimpleNamespace(device="cuda:0"), resident_bytes=lambda: 300 * MIB
)
memory.residences = lambda: [ours]
memory.device_names = lambda: ["cuda:0", "cuda:1", "cpu"]
host = memory.host_memory()
print(json.dumps({
    "preferred": host.preferred,
    "dynamic": host.dynamic_vram,
    "devices": {
        name: [memory.free_bytes, memory.own_bytes, memory.other_models_bytes]
        for name, memory in host.devices.items()
    },
}))
"""

# Each question to ComfyUI and torch fails in turn; the probe goes on and names it.
EACH_FAILS = (
    TWO_CARDS.partition("host = memory.host_memory()")[0]
    + """
from vramwise_pack.core.hardware import machine

def raises(*about, **named):
    raise RuntimeError("CUDA error: device lost")

said = {}
calls = [(mm, "get_torch_device"), (mm, "get_free_memory"), (torch.cuda, "memory_reserved")]
for module, name in [*calls, (mm.current_loaded_models[0].model, "loaded_size")]:
    kept = getattr(module, name)
    setattr(module, name, raises)
    try:
        report = machine.probe(torch=torch, host=memory.host_memory())
        said[name] = [report.device.id, len(report.text()) > 100, *[remark.code for remark in report.remarks]]
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
    setattr(module, name, kept)
print(json.dumps(said))
"""
)


def test_the_report_is_shown_as_text_and_as_data(client, graph, fresh):
    graph.node("probe", "VramwiseGPUProbe", device="auto", refresh=next(fresh)).show("report", "probe", 1)
    result = client.run(graph)
    assert result.ok, result.error_text
    shown = result.outputs["probe"]
    assert shown["text"] == result.outputs["report"]["text"]
    (data,) = shown["probe"]
    assert data["chosen"] == "cpu" and data["torch_asked"] is True
    processor = next(device for device in data["devices"] if device["id"] == "cpu")
    assert processor["total_bytes"] == data["ram_total_bytes"] > processor["free_bytes"] > 0
    assert f"Chosen: cpu: {processor['name']}" in shown["text"][0]


@pytest.mark.parametrize(
    ("reads", "begins"), [("ru", "\u0412\u044b\u0431\u0440\u0430\u043d\u043e: cpu"), ("", "Chosen: cpu")]
)
def test_the_report_is_in_the_language_of_who_asks(client, graph, fresh, reads, begins):
    graph.node("probe", "VramwiseGPUProbe", device="cpu", refresh=next(fresh))
    with client.reading(reads):
        result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["probe"]["text"][0].startswith(begins)


def said_by(program: str, require: Callable[[object, str], None]) -> dict[str, Any]:
    """What ``program`` prints, which runs beside a ComfyUI without a server."""
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require((checkout / "main.py").is_file(), f"There is no ComfyUI in {checkout}.")
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), str(checkout)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_models_on_a_card_are_ours_or_the_hosts_and_an_unused_card_is_never_asked(
    require: Callable[[object, str], None],
) -> None:
    said = said_by(TWO_CARDS, require)
    mib = 1024**2
    assert said["preferred"] == "cuda:0" and isinstance(said["dynamic"], bool)
    assert said["devices"] == {"cuda:0": [5000 * mib, 300 * mib, 2000 * mib], "cuda:1": [None, 0, 0]}


def test_each_question_to_comfyui_may_fail(require: Callable[[object, str], None]) -> None:
    said = said_by(EACH_FAILS, require)
    for name, answer in said.items():
        assert isinstance(answer, list), f"{name}: {answer}"
        assert answer[:2] == ["cpu" if name == "get_torch_device" else "cuda:0", True], name
    for name in ("get_torch_device", "get_free_memory", "loaded_size"):
        assert "unanswered" in said[name], name
