"""The end of an owner, under the real comfy.model_management: nobody is ever handed half of one."""

from __future__ import annotations

import importlib
import sys
import threading
from types import SimpleNamespace
from typing import Any

import comfy.model_management as mm
import pytest
from toys import GPU, MIB, Factory, Machine, listed, managed, memory, owners, read

handle = importlib.import_module("vramwise_pack.core.models.handle")


def looks() -> list[Any]:
    """Everything that the panel's threads ask of our models."""
    return [
        managed.managed_owners_report(),
        owners.living_owners(),
        handle.resident_engines(),
        memory.host_memory(),
    ]


class Looker:
    """Part of a net. When the net goes, the other threads get their turn."""

    def __init__(self, seen: list[list[Any]]) -> None:
        self.seen = seen

    def __del__(self) -> None:
        self.seen.append(in_another_thread(looks))


def test_who_looks_while_an_owner_ends_sees_none_and_ends_nothing(machine: Machine) -> None:
    seen: list[list[Any]] = []
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0).looker = Looker(seen)
    del owner
    ((report, living, names, _),) = seen
    assert (report, living, names) == ([], [], [])
    assert factory.living() == 0 and mm.current_loaded_models == []


def test_who_looks_holds_no_owner(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0)
    kept = [owners.residences(), managed.managed_owners_report()]
    assert kept[0][0].resident_bytes() == 6 * MIB
    del owner
    assert factory.living() == 0 and mm.current_loaded_models == []
    assert kept[0][0].held() == (0, 0) and kept[0][0].owner() is None


def test_a_closed_owner_says_so_and_the_next_of_its_spec_is_a_new_one(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    owner.close()
    assert factory.living() == 0 and not listed(owner) and looks()[:3] == [[], [], []]
    with pytest.raises(managed.VramwiseError, match="was closed"):
        owner.use(0)
    another = machine.owner(factory)
    assert another is not owner and read(another) == text
    owner.close()  # twice is once
    assert another.resident_bytes() == 6 * MIB


def test_an_owner_that_ends_while_its_net_moves_is_dropped_by_whoever_moves_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0)
    patcher, kept = owner.patcher, [owner]
    net = patcher.model.net
    monkeypatch.setattr(net, "to", lambda device: in_another_thread(kept.clear))
    del owner, net
    patcher.detach()
    monkeypatch.undo()
    assert patcher.model.net is None and owners.residences() == []


def test_an_eviction_from_the_panel_touches_nothing_of_comfyuis_and_the_model_comes_back(
    machine: Machine,
) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    before = list(mm.current_loaded_models)
    weights = in_another_thread(owner.forget)
    assert weights is not None and owner.resident_bytes() == 0 and mm.current_loaded_models == before
    managed.dismantle(weights)
    del weights
    assert factory.living() == 0
    assert read(owner) == text and owner.resident_bytes() == 6 * MIB
    assert [entry.model for entry in mm.current_loaded_models] == [owner.patcher]
    in_another_thread(owner.forget)
    mm.unload_all_models()
    assert mm.current_loaded_models == [] and read(owner) == text


def test_a_model_that_cannot_be_asked_is_left_out_with_a_remark(machine: Machine) -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"'Odd' object has no attribute {name!r}")

    class Entry:
        device, model = GPU, Odd()

    owner, peer = machine.owner(Factory()), machine.diffusion(2)
    owner.use(0)
    mm.load_models_gpu([peer])
    mm.current_loaded_models.append(Entry())
    told = memory.host_memory()
    mm.current_loaded_models.pop()
    (device,) = told.devices.values()
    assert (device.own_bytes, device.other_models_bytes) == (6 * MIB, 2 * MIB)
    (remark,) = told.remarks
    assert remark.code == "unanswered" and "no attribute" in remark.text()


def in_another_thread(work: Any) -> Any:
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()
    thread.join()
    return done.pop()


def test_what_a_cache_provider_keeps_lets_its_weights_go_when_the_loader_has_left(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the providers, which are newer than ComfyUI 0.3.75; executor_checks.py has real
    ones.
    """
    left = importlib.import_module("vramwise_pack.nodes.bridge.left_graphs")
    progress = importlib.import_module("comfy_execution.progress")
    registered: list[Any] = [object()]
    stand_in = SimpleNamespace(
        CacheProvider=object,
        register_cache_provider=registered.append,
        _get_cache_providers=lambda: tuple(registered),
    )
    monkeypatch.setitem(sys.modules, "comfy_execution.cache_provider", stand_in)
    monkeypatch.setattr(sys.modules["comfy_execution"], "cache_provider", stand_in, raising=False)
    monkeypatch.setattr(left._Followed, "handles", ())
    monkeypatch.setattr(left._Followed, "listener", None)
    graph = {"3": {"class_type": left.LOADER, "inputs": {"model": "qwen3_vl_2b", "precision": "bf16"}}}
    running = SimpleNamespace(
        prompt_id="1", dynprompt=SimpleNamespace(all_node_ids=lambda: set(graph), get_node=graph.get)
    )
    monkeypatch.setattr(progress, "get_progress_state", lambda: running)
    reader = handle.OCRHandle("qwen3_vl_2b", "bf16")
    owner = machine.owner(Factory())
    reader._live.engine = SimpleNamespace(owner=owner)

    left.follow(reader)
    read(owner)
    (_, listener) = registered
    listener.on_prompt_end("1")
    assert owner.resident_bytes() == 6 * MIB
    graph.clear()
    assert listener.should_cache(None) is False and owner.resident_bytes() == 6 * MIB, "the same prompt"
    running.prompt_id = "2"
    assert listener.should_cache(None) is False and owner.resident_bytes() == 0


def test_a_net_that_finds_blocks_stays_only_for_a_graph_that_asks_for_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = importlib.import_module("vramwise_pack.nodes.bridge.left_graphs")
    layout = importlib.import_module("vramwise_pack.core.models.layout")
    progress = importlib.import_module("comfy_execution.progress")
    inputs: dict[str, Any] = {}
    graph = {"3": {"class_type": "VramwiseOCR", "inputs": inputs}, "4": {"class_type": left.LOADER}}
    running = SimpleNamespace(dynprompt=SimpleNamespace(all_node_ids=lambda: set(graph), get_node=graph.get))
    monkeypatch.setattr(progress, "get_progress_state", lambda: running)
    factory = Factory()
    reader, owner = handle.OCRHandle("qwen3_vl_2b", "bf16"), machine.owner(factory)
    layout._Nets.opened[reader.held_by] = SimpleNamespace(owner=owner)
    stays: list[Any] = []
    for asked in ({"hybrid": "layout"}, {"hybrid": ["a link", 0]}, {"hybrid": "lines"}, {}):
        inputs.clear()
        inputs.update(asked)
        owner.use(0)
        left.follow(reader)
        stays += [asked] if owner.resident_bytes() else []
    assert stays == [{"hybrid": "layout"}, {"hybrid": ["a link", 0]}]
    owner.use(0)
    del owner, reader
    assert factory.living() == 0, "the net goes with its reader"
