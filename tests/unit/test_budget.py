"""One free-memory figure for all who say one: GPU Probe, check-gpu, plan, advise, the loader and the panel.

Each is asked by its own door, on invented machines; only what the probe finds is put in.
"""

from __future__ import annotations

import importlib
import io
import json
import struct
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vramwise
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from vramwise import host
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.families.published import published_config
from vramwise.hardware import HostDevice, HostMemory, machine, torch_memory
from vramwise.hardware.budget import DESKTOP_BYTES, SUPPOSED, budget_of_machine
from vramwise.hardware.health import health
from vramwise.hardware.report import DeviceReport, MachineReport
from vramwise.models.handle import ocr_handle
from vramwise.models.place import budget_here, machine_now
from vramwise.panel_data import loader_request, machine_answer, plan_answer
from vramwise.settings import load_settings
from vramwise.weights.background_downloads import Downloads

ROOT = Path(__file__).resolve().parents[2]
GIB, MIB = 1024**3, 1024**2
MODEL, REPO = "qwen3_vl_2b", "Qwen/Qwen3-VL-2B-Instruct"
Surface = Callable[[], int | None]


# --- the six doors ----------------------------------------------------------------------------------------


def gpu_probe() -> Any:
    """nodes/gpu_probe.py itself, on this core; of ComfyUI's classes what the node's body uses."""
    pack = "vramwise_probe_node"
    for name, folder in {"": ".", ".nodes": "nodes", ".nodes.bridge": "nodes/bridge"}.items():
        package = types.ModuleType(f"{pack}{name}")
        package.__path__ = [str(ROOT / folder)]
        sys.modules[f"{pack}{name}"] = package
    for part in ("catalog.words", "hardware.budget", "hardware.health", "models.place", "units"):
        importlib.import_module(f"vramwise.{part}")
    ours = {name: module for name, module in sys.modules.items() if f"{name}.".startswith("vramwise.")}
    sys.modules.update({name.replace("vramwise", f"{pack}.core", 1): one for name, one in ours.items()})
    schema: Any = types.ModuleType("schema")
    answer = lambda *values, ui: types.SimpleNamespace(values=values, ui=ui)  # noqa: E731
    schema.io = types.SimpleNamespace(ComfyNode=object, NodeOutput=answer)
    schema.GPU, schema.schema = None, None
    sys.modules[f"{pack}.nodes.bridge.schema"] = schema
    node = importlib.import_module(f"{pack}.nodes.gpu_probe").GPUProbe
    known = {id(module) for module in ours.values()}
    copies = [
        name for name, one in sys.modules.items() if name.startswith(f"{pack}.core") and id(one) not in known
    ]
    assert not copies, f"Another copy of the core would take its own one's place: {copies}"
    return node


NODE = gpu_probe()


def by_probe() -> int | None:
    shown = NODE.execute("auto", 0).ui
    facts = shown["probe"][0]["budget"]
    assert facts == json.loads(json.dumps(machine_answer(machine_now())))["budget"], "the memory panel too"
    assert ("For a model on " in shown["text"][0]) == (facts is not None)
    return None if facts is None else facts["budget_bytes"]


def printed(*arguments: str) -> Any:
    """What the command prints as JSON; None where it refuses."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        code = main([*arguments, "--json"])
    return json.loads(out.getvalue()) if code == 0 else None


def by_check_gpu() -> int | None:
    facts = printed("check-gpu")["budget"]
    return None if facts is None else facts["budget_bytes"]


def by_plan() -> int | None:
    made = printed("plan", MODEL)
    return None if made is None else made["budget_bytes"]


def by_advise() -> int | None:
    try:
        return vramwise.advise(task="OCR").target.budget.budget_bytes
    except VramwiseError as error:
        assert "does not tell its memory" in str(error)
        return None


def by_loader() -> int | None:
    """From the plan that a load would follow; where nothing fits, from the plan in words."""
    handle = ocr_handle(MODEL)
    try:
        return handle._decide(load_settings()).plan.budget_bytes
    except VramwiseError as error:
        if "does not tell its memory" in str(error):
            return None
        refused = str(error)
        assert refused == handle.plan()
        (size,) = {word for word in SIZES if f" has {word / GIB:.2f} GiB" in refused}
        return size


SIZES: set[int] = set()  # what the others have said: a refusal rounds


def by_panel() -> int | None:
    try:
        answer = plan_answer(loader_request(MODEL), Downloads())
    except VramwiseError as error:
        assert "does not tell its memory" in str(error)
        return None
    return int(answer["free_bytes"] + answer["reclaimable_bytes"])


SURFACES: Mapping[str, Surface] = {
    "probe": by_probe,
    "check-gpu": by_check_gpu,
    "plan": by_plan,
    "advise": by_advise,
    "panel": by_panel,
    "loader": by_loader,
}


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A model that the loader finds: the published config, and weights of a few bytes."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "models" / "LLM" / REPO.rpartition("/")[2]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(published_config(REPO)), encoding="utf-8")
    header = json.dumps({"lm_head.weight": {"dtype": "BF16", "shape": [4, 4], "data_offsets": [0, 32]}})
    raw = header.encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(32))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VRAMWISE_CONFIG", "VRAMWISE_MODELS"):
            patch.delenv(name, raising=False)
        patch.setattr(host._Host, "places", host.Places(home, (home / "models",), hosted=True))
        yield


def all_say(report: MachineReport, driver: int | None = None) -> dict[str, int | None]:
    """What each says of ``report``. ``driver`` is what the driver answers whoever asks through torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "probe", lambda *where, **how: report)
        patch.setattr(torch_memory, "driver_free", lambda device, kind: driver)
        said: dict[str, int | None] = {}
        for name, ask in SURFACES.items():
            said[name] = ask()
            SIZES.add(said[name] or 0)
        SIZES.clear()
    return said


def in_words(report: MachineReport, *arguments: str) -> str:
    """What the command prints for a person on that machine."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(machine, "probe", lambda *where, **how: report)
        assert main(list(arguments)) == 0
    return out.getvalue()


# --- invented machines ------------------------------------------------------------------------------------


def a_machine(system: str = "Linux 6.8", ram: int = 16 * GIB, **card: Any) -> MachineReport:
    given = {"id": "cuda:0", "name": "NVIDIA Card", "kind": "cuda", "total_bytes": 8 * GIB, **card}
    given.setdefault("free_bytes", 6 * GIB)
    processor = DeviceReport("cpu", "Processor", "cpu", 32 * GIB, ram, unified=True)
    devices = (processor,) if given["kind"] == "cpu" else (DeviceReport(**given), processor)
    return MachineReport(devices, devices[0].id, system, "3.12", "2.9.0", 8, 32 * GIB, ram)


@st.composite
def machines(draw: st.DrawFn) -> MachineReport:
    kind = draw(st.sampled_from(["cuda", "rocm", "xpu", "mps", "cpu"]))
    total = draw(st.none() | st.integers(MIB, 96 * GIB))
    some = st.integers(0, total if total is not None else 96 * GIB)
    reserved = draw(st.none() | some)
    ids = {"mps": "mps", "xpu": "xpu:0"}
    return a_machine(
        draw(st.sampled_from(["Windows 11", "Linux 6.8", "Linux 6.6 (WSL)", "Darwin 24"])),
        draw(st.integers(MIB, 32 * GIB)),
        id=ids.get(kind, "cuda:0"),
        kind=kind,
        total_bytes=total,
        free_bytes=draw(st.none() | some),
        reserved_bytes=reserved,
        allocated_bytes=None if reserved is None else draw(st.none() | st.integers(0, reserved)),
        own_bytes=draw(st.none() | some),
        host_bytes=draw(st.none() | some),
        compute_capability=draw(st.sampled_from([None, "7.5", "8.6", "12.0"])) if kind == "cuda" else None,
        display=draw(st.sampled_from([None, True, False])),
        unified=kind == "mps" or draw(st.booleans()),
        shared_bytes=draw(st.none() | some),
        dynamic_vram=draw(st.sampled_from([None, True, False])),
    )


WINDOWS = a_machine("Windows 11", display=True)
KEPT = a_machine(reserved_bytes=3 * GIB, allocated_bytes=GIB)


# --- the claims -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=machines())
@example(report=WINDOWS)
@example(report=KEPT)
@example(report=a_machine(total_bytes=None, free_bytes=None))
@example(report=a_machine(free_bytes=None))
@example(report=a_machine(kind="cpu"))
def test_all_who_say_what_is_free_say_the_same_bytes(report: MachineReport) -> None:
    said = all_say(report)
    assert len(set(said.values())) == 1, said
    size, device = said["plan"], report.device
    unknown = device.free_bytes is None and device.total_bytes is None
    assert (size is None) == unknown
    if size is not None and device.free_bytes is not None and device.host_bytes is None:
        most = device.free_bytes + (device.reserved_bytes or 0)
        assert 0 <= size <= most, "nothing is counted that nobody holds or could give back"


def test_windows_keeps_the_desktops_share_of_a_card_that_feeds_a_screen() -> None:
    """6.00 free of 8 GiB: check-gpu and plan said 5.61 and advise 6.00 before."""
    assert set(all_say(WINDOWS).values()) == {6 * GIB - DESKTOP_BYTES}
    assert round((6 * GIB - DESKTOP_BYTES) / GIB, 2) == 5.61
    assert "Free for a model: 5.6 GiB" in in_words(WINDOWS, "check-gpu")
    assert "5.61 GiB free" in in_words(WINDOWS, "plan", MODEL)
    assert "5.6 GiB" in in_words(WINDOWS, "advise", "--task", "OCR")


def test_what_torch_keeps_unused_is_free_for_a_model_of_the_same_process() -> None:
    """6 free and 2 GiB unused: check-gpu and advise said 6 and plan 8 before."""
    assert set(all_say(KEPT).values()) == {8 * GIB}
    assert "Free for a model: 8.0 GiB" in in_words(KEPT, "check-gpu")
    assert "8.00 GiB free" in in_words(KEPT, "plan", MODEL)
    assert "8.0 GiB" in in_words(KEPT, "advise", "--task", "OCR")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=machines(), more=st.integers(0, 8 * GIB))
def test_more_that_is_free_or_evictable_is_never_less_to_be_had(report: MachineReport, more: int) -> None:
    first, *others = report.devices
    now = budget_of_machine(report)
    if first.free_bytes is None or now is None:
        return
    for name in ("free_bytes", "host_bytes"):
        larger = replace(first, **{name: (getattr(first, name) or 0) + more})
        then = budget_of_machine(replace(report, devices=(larger, *others)))
        assert then is not None and then.budget_bytes >= now.budget_bytes


def test_what_the_host_could_evict_counts_and_what_nobody_would_evict_does_not() -> None:
    held = {"own_bytes": GIB, "free_bytes": 3 * GIB}
    evictable = budget_of_machine(a_machine(host_bytes=2 * GIB, **held))
    alone = budget_of_machine(a_machine(host_bytes=None, **held))
    assert evictable is not None and alone is not None
    assert (evictable.free_bytes, evictable.reclaimable_bytes) == (3 * GIB, 3 * GIB)
    assert (alone.free_bytes, alone.reclaimable_bytes) == (3 * GIB, 0)


def test_of_memory_that_the_system_shares_no_more_is_free_than_the_ram_that_is_available() -> None:
    apple = a_machine("Darwin 24", 5 * GIB, id="mps", kind="mps", free_bytes=20 * GIB, unified=True)
    assert set(all_say(apple).values()) == {5 * GIB}


def test_where_nobody_says_what_is_free_an_idle_card_is_supposed_and_the_note_says_so() -> None:
    told = budget_of_machine(a_machine("Windows 11", free_bytes=None, host_bytes=GIB))
    assert told is not None and (told.budget_bytes, told.note) == (8 * GIB - DESKTOP_BYTES, SUPPOSED)
    assert SUPPOSED in told.text()


def test_who_is_about_to_plan_asks_the_driver_and_the_probe_never_does() -> None:
    """Asking makes a context of hundreds of MiB: GPU Probe promises not to."""
    said = all_say(a_machine(id="cuda:0", kind="rocm", free_bytes=None), driver=5 * GIB)
    assert said.pop("probe") == 8 * GIB
    assert set(said.values()) == {5 * GIB}
    lost = a_machine(free_bytes=None, runnable=vramwise.hardware.capabilities.Capability(False, "lost"))
    assert set(all_say(lost, driver=5 * GIB).values()) == {8 * GIB}, "what torch cannot use is not asked"


def test_little_memory_is_found_by_the_same_figure() -> None:
    short = a_machine("Windows 11", free_bytes=2 * GIB + 100 * MIB)
    (finding,) = [found for found in health(short) if found.code == "little_free"]
    assert "1.7 GiB" in finding.evidence
    assert "little_free" not in {found.code for found in health(KEPT)}


def test_a_device_that_only_the_host_knows_is_chosen_and_planned_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """DirectML and NPUs: torch shows no such device to us, ComfyUI computes on it."""
    said = HostMemory("npu", {"npu": HostDevice(9 * GIB, GIB, 2 * GIB)}, False)
    monkeypatch.setattr(host._Host, "memory", lambda: said)
    here = budget_here(torch=None)  # type: ignore[arg-type]
    assert (here.device, here.kind, here.free_bytes, here.reclaimable_bytes) == (
        "npu",
        "npu",
        9 * GIB,
        3 * GIB,
    )
