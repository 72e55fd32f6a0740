"""Our models under the real comfy.model_management."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import logging
import sys
import time
import weakref
from pathlib import Path

import comfy.model_management as mm
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from toys import (
    CPU,
    GPU,
    KEEP_FREE,
    MIB,
    MOVES,
    REAL_FREE,
    Factory,
    Machine,
    Net,
    host,
    listed,
    managed,
    memory,
    owners,
    place,
    read,
)

# --- the acceptance checks that concern memory --------------------------------------------------------------


def test_1_unload_all_models_drops_our_bytes_and_a_following_use_works(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    assert owner.resident_bytes() == 6 * MIB
    mm.unload_all_models()
    assert owner.resident_bytes() == 0
    assert not listed(owner)
    assert read(owner) == text
    assert owner.resident_bytes() == 6 * MIB


def test_1_unload_all_models_leaves_none_of_our_bytes_on_a_cpu_only_comfyui() -> None:
    factory = Factory()
    owner = Machine(10).owner(factory)
    assert owner.patcher.load_device == owner.patcher.offload_device == CPU
    text = read(owner)
    mm.unload_all_models()
    assert factory.living() == 0, "a move from RAM to RAM gives nothing back"
    assert read(owner) == text
    assert len(factory.made) == 2


def test_2_a_diffusion_model_that_needs_room_evicts_ours_and_ours_returns(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    peer = machine.diffusion(7)
    mm.load_models_gpu([peer])
    assert owner.resident_bytes() == 0
    assert not listed(owner)
    assert peer.loaded_size() == 7 * MIB
    assert read(owner) == text
    assert owner.resident_bytes() == 6 * MIB
    assert len(factory.made) == 1, "with RAM to spare it waits there and is not read from disk again"


def test_3_changed_precision_attention_device_path_or_revision_never_reuses_old_weights(
    machine: Machine,
) -> None:
    machine.budget += 100 * MIB
    first = machine.owner(Factory(6, 1.0))
    changes = (
        {"precision": "int8"},
        {"attention": "eager"},
        {"path": Path("models/LLM/Other")},
        {"revision": "abc"},
        {"quantise_vision": True},
        {"device": "cpu"},
    )
    others = [machine.owner(Factory(1, value), **change) for value, change in enumerate(changes, 2)]
    assert read(first) == 1.0
    assert [read(other) for other in others] == [float(value) for value in range(2, 8)]
    assert read(first) == 1.0
    assert len({id(other.patcher.model) for other in (first, *others)}) == 7


def test_3_two_handles_of_one_spec_share_one_resident_model(machine: Machine) -> None:
    factory = Factory()
    kept = machine.owner(factory)
    assert machine.owner(factory) is kept
    read(kept)
    assert len(factory.made) == 1


def test_4_a_batch_loads_once_and_is_released_once(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    texts = [read(owner, activation_bytes=MIB) for _ in range(8)]
    assert texts == [texts[0]] * 8
    assert len(factory.made) == 1
    assert MOVES == []
    owner.release()
    assert factory.living() == 0
    assert not listed(owner)
    assert owner.resident_bytes() == owner.get_ram_usage() == 0


def test_5_an_interrupt_inside_reading_leaves_a_consistent_entry(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)

    def cancelled() -> None:
        owner.use(MIB)
        mm.interrupt_current_processing()
        mm.throw_exception_if_processing_interrupted()

    with pytest.raises(mm.InterruptProcessingException):
        cancelled()
    assert listed(owner)
    assert owner.resident_bytes() == 6 * MIB
    assert read(owner) == text
    mm.unload_all_models()
    assert owner.resident_bytes() == 0
    assert len(factory.made) == 1


def test_5_an_interrupt_inside_loading_is_passed_on_and_leaves_nothing(machine: Machine) -> None:
    factory = Factory()
    factory.error = mm.InterruptProcessingException()
    owner = machine.owner(factory)
    with pytest.raises(mm.InterruptProcessingException):
        owner.use(0)
    assert factory.living() == 0
    assert not listed(owner)
    factory.error = None
    assert read(owner) == 1.0


def test_8_the_pack_imports_on_a_cpu_without_bitsandbytes_or_flash_attn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for missing in ("bitsandbytes", "flash_attn", "kernels", "torchao", "accelerate", "transformers"):
        for name in [name for name in sys.modules if name.split(".")[0] == missing]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
    ours = [name for name in sys.modules if name.startswith("vramwise_pack.")]
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    before = REAL_FREE(CPU)
    fresh = importlib.import_module("vramwise_pack.nodes")
    assert {node.__name__ for node in fresh.NODES} >= {"OCR", "OCRModelLoader"}
    importlib.import_module("vramwise_pack.nodes.bridge.managed")
    assert not torch.cuda.is_initialized()
    assert before - REAL_FREE(CPU) < 200 * MIB
    assert [name for name in sys.modules if name.startswith("vramwise.")] == []
    for name in [name for name in sys.modules if name.startswith("vramwise_pack.") and name not in ours]:
        monkeypatch.delitem(sys.modules, name)


# --- what ComfyUI's manager does with us (docs/sources.md#how-comfyui-treats-a-managed-model) --------------


def test_row_first_load_comes_from_the_factory_and_corrects_the_estimate(machine: Machine) -> None:
    factory = Factory(6)
    owner = machine.owner(factory, mib=5.5)
    assert owner.patcher.model_size() == 5.5 * MIB
    owner.use(0)
    assert owner.patcher.model_size() == owner.patcher.size == 6 * MIB
    assert owner.patcher.current_loaded_device() == GPU
    assert owner.patcher.model.device == GPU


def test_row_second_load_moves_nothing(machine: Machine) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0)
    net = weakref.ref(owner.patcher.model.net)
    owner.use(0)
    assert owner.patcher.model.net is net()
    assert len(factory.made) == 1 and MOVES == []
    assert sum(entry.model is owner.patcher for entry in mm.current_loaded_models) == 1


def test_row_a_large_diffusion_load_pops_ours_and_empties_the_cache(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = machine.owner(Factory())
    owner.use(0)
    emptied: list[bool] = []
    monkeypatch.setattr(mm, "soft_empty_cache", lambda force=False: emptied.append(True))
    mm.load_models_gpu([machine.diffusion(7)])
    assert not listed(owner)
    assert emptied
    assert MOVES == [("to", CPU)]
    assert owner.get_ram_usage() == 6 * MIB


def test_row_using_ours_again_shrinks_the_diffusion_model(machine: Machine) -> None:
    owner = machine.owner(Factory())
    owner.use(0)
    peer = machine.diffusion(7)
    mm.load_models_gpu([peer])
    owner.use(0)
    assert owner.resident_bytes() == 6 * MIB
    assert peer.loaded_size() < 7 * MIB
    assert machine.free(GPU) >= KEEP_FREE * 0.99


def test_row_a_small_diffusion_model_beside_ours_leaves_ours_alone(machine: Machine) -> None:
    owner = machine.owner(Factory())
    owner.use(0)
    peer = machine.diffusion(3)
    mm.load_models_gpu([peer])
    assert owner.resident_bytes() == 6 * MIB
    assert peer.loaded_size() == 3 * MIB


def test_row_free_memory_without_limit_empties_everything(machine: Machine) -> None:
    owner = machine.owner(Factory())
    owner.use(0)
    peer = machine.diffusion(2)
    mm.load_models_gpu([peer])
    mm.free_memory(1e30, GPU)
    assert owner.resident_bytes() == peer.loaded_size() == 0
    assert mm.current_loaded_models == []


def test_row_del_of_the_last_handle_removes_the_entry_with_no_leak_warning(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0)
    assert len(mm.current_loaded_models) == 1
    with caplog.at_level(logging.INFO):
        del owner
        assert mm.current_loaded_models == []
        mm.cleanup_models_gc()
        mm.load_models_gpu([machine.diffusion(1)])
    assert factory.living() == 0
    assert "memory leak" not in caplog.text
    assert owners.living_owners() == []


def test_row_every_vram_state_loads_ours_fully(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in ("NO_VRAM", "LOW_VRAM", "HIGH_VRAM", "NORMAL_VRAM", "SHARED"):
        monkeypatch.setattr(mm, "vram_state", getattr(mm.VRAMState, state))
        factory = Factory()
        owner = machine.owner(factory, revision=state)
        assert read(owner, MIB) == 1.0, state
        assert owner.resident_bytes() == 6 * MIB, state
        mm.unload_all_models()
        assert owner.resident_bytes() == 0, state
        assert read(owner, MIB) == 1.0, state
        del owner
        assert factory.living() == 0, state


def test_row_under_highvram_eviction_really_frees(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mm, "vram_state", mm.VRAMState.HIGH_VRAM)
    factory = Factory()
    owner = machine.owner(factory)
    assert owner.patcher.offload_device == GPU
    owner.use(0)
    mm.load_models_gpu([machine.diffusion(7)])
    assert factory.living() == 0
    assert read(owner) == 1.0


def test_row_shared_memory_is_given_back_by_dropping(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mm, "vram_state", mm.VRAMState.SHARED)
    factory = Factory()
    owner = machine.owner(factory)
    owner.use(0)
    mm.unload_all_models()
    assert factory.living() == 0


# --- going and coming back ---------------------------------------------------------------------------------


def test_a_net_that_may_not_move_is_dropped_and_read_from_the_factory_again(
    machine: Machine, toy_facts: dict[str, bool]
) -> None:
    toy_facts["movable"] = False
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    mm.load_models_gpu([machine.diffusion(7)])
    assert factory.living() == 0 and owner.get_ram_usage() == 0
    assert read(owner) == text
    assert len(factory.made) == 2 and MOVES == []


def test_a_machine_short_of_ram_drops_instead_of_moving(machine: Machine) -> None:
    machine.ram = managed.RAM_MARGIN_BYTES + 6 * MIB
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    mm.load_models_gpu([machine.diffusion(7)])
    assert factory.living() == 0
    assert read(owner) == text


def test_eviction_frees_even_when_the_move_to_ram_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)

    def to(self: Net, device: torch.device) -> Net:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Net, "to", to)
    mm.load_models_gpu([machine.diffusion(7)])
    assert factory.living() == 0 and not listed(owner)
    assert read(owner) == text


def test_a_failed_load_leaves_nothing_and_a_later_one_works(machine: Machine) -> None:
    factory = Factory()
    factory.error = torch.OutOfMemoryError("the device is full")
    owner = machine.owner(factory)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        owner.use(0)
    assert factory.living() == 0, "not even through the locals of the traceback"
    assert caught.traceback
    assert mm.current_loaded_models == []
    assert owner.resident_bytes() == owner.get_ram_usage() == 0
    factory.error = None
    assert read(owner) == 1.0


def test_a_failed_move_back_leaves_nothing_and_a_later_load_works(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = Factory()
    owner = machine.owner(factory)
    text = read(owner)
    mm.unload_all_models()

    def to(self: Net, device: torch.device) -> Net:
        raise torch.OutOfMemoryError("the device is full")

    with monkeypatch.context() as patch:
        patch.setattr(Net, "to", to)
        with pytest.raises(torch.OutOfMemoryError):
            owner.use(0)
    assert factory.living() == 0 and not listed(owner)
    assert read(owner) == text
    assert len(factory.made) == 2


def test_a_net_with_reference_cycles_is_gone_with_its_last_handle(machine: Machine) -> None:
    made: list[weakref.ref[Net]] = []

    def load() -> Net:
        net = Net(6)
        net.forward = net.forward  # type: ignore[method-assign]  # as accelerate's hooks do
        made.append(weakref.ref(net))
        return net

    owner = machine.owner(load)
    owner.use(0)
    del owner
    assert made[0]() is None
    owner = machine.owner(load)
    owner.use(0)
    owner.release()
    assert made[1]() is None


def test_weights_loaded_inside_a_prompt_are_ordinary_tensors(machine: Machine) -> None:
    owner = machine.owner(Factory())
    with torch.inference_mode():
        owner.use(0)
        mm.unload_all_models()
        owner.use(0)
    assert not any(weight.is_inference() for weight in owner.patcher.model.net.parameters())


def test_releasing_ours_leaves_other_models_where_they_are(machine: Machine) -> None:
    owner = machine.owner(Factory())
    peer = machine.diffusion(2)
    mm.load_models_gpu([peer])
    owner.use(0)
    owner.release()
    assert peer.loaded_size() == 2 * MIB
    assert [entry.model for entry in mm.current_loaded_models] == [peer]
    owner.release()
    assert read(owner) == 1.0


def test_room_for_activations_is_made_before_reading(machine: Machine) -> None:
    owner = machine.owner(Factory())
    peer = machine.diffusion(3)
    mm.load_models_gpu([peer])
    owner.use(0)
    assert peer.loaded_size() == 3 * MIB
    owner.use(int(KEEP_FREE) + 2 * MIB)
    assert peer.loaded_size() < 3 * MIB
    assert owner.resident_bytes() == 6 * MIB


def test_the_report_says_where_each_model_is(machine: Machine) -> None:
    owner = machine.owner(Factory())
    (row,) = managed.managed_owners_report()
    assert (row.spec, row.device_bytes, row.ram_bytes) == (owner.spec, 0, 0)
    owner.use(0)
    (row,) = managed.managed_owners_report()
    assert (row.device, row.device_bytes, row.ram_bytes) == (str(GPU), 6 * MIB, 0)
    mm.unload_all_models()
    (row,) = managed.managed_owners_report()
    assert (row.device_bytes, row.ram_bytes) == (0, 6 * MIB)


def test_a_loaded_model_counts_as_reclaimable_in_the_next_plan(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host._Host, "memory", memory.host_memory)
    before = place.budget_here()
    assert (managed._device(before.device), before.kind, before.capability) == (GPU, "cpu", None)
    owner, peer = machine.owner(Factory()), machine.diffusion(2)
    owner.use(0)
    mm.load_models_gpu([peer])
    loaded = place.budget_here()
    assert loaded.free_bytes == before.free_bytes - 8 * MIB
    assert loaded.reclaimable_bytes == 8 * MIB
    assert loaded.budget_bytes == before.budget_bytes


def test_the_real_engine_module_measures_and_judges_nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    size, movable = managed._measured(Net(2))
    assert size == 2 * MIB
    assert movable is True


def test_a_device_named_without_an_index_is_the_one_comfyui_computes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mm, "get_torch_device", lambda: torch.device("cuda", 1))
    monkeypatch.setattr(mm, "unet_offload_device", lambda: CPU)
    assert managed._device("cuda") == torch.device("cuda", 1)
    assert managed._device("cuda:0") == torch.device("cuda", 0)
    assert managed._device("cpu") == CPU


def test_memory_does_not_grow_over_180_rounds_of_load_read_and_evict(
    machine: Machine, toy_facts: dict[str, bool], tmp_path: Path
) -> None:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("RssAnon is read from /proc, which only Linux has.")
    from safetensors.torch import load_file, save_file

    machine.budget += 4 * MIB
    weights = tmp_path / "toy.safetensors"
    save_file(Net(10, 0.5).state_dict(), weights)

    def load() -> Net:
        net = Net(10)
        net.load_state_dict(load_file(weights))
        return net

    def anonymous_bytes() -> int:
        gc.collect()
        line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) * 1024

    peer = machine.diffusion(12)
    owner = machine.owner(load, mib=10)
    started, before = time.monotonic(), 0
    for number in range(200):
        if number == 20:
            before = anonymous_bytes()
        toy_facts["movable"] = number % 2 == 0
        read(owner)
        if number % 3 == 0:
            mm.load_models_gpu([peer])
        elif number % 3 == 1:
            mm.unload_all_models()
        else:
            owner.release()
        assert owner.resident_bytes() == 0
        owner.patcher.model.drop()
    grown = anonymous_bytes() - before
    print(f"{grown / MIB:+.1f} MiB on {before / MIB:.0f} MiB in {time.monotonic() - started:.1f} s")
    assert grown < 0.02 * before


# --- the contract with newer versions -----------------------------------------------------------------------

# Every member of a patcher that core is known to use, each looked at for all-or-nothing loading.
KNOWN = {
    "clone_base_uuid",
    "current_loaded_device",
    "detach",
    "dynamic_pins",  # of models that say is_dynamic(), which ours never are
    "get_nested_additional_models",
    "get_ram_usage",
    "is_clone",
    "is_dynamic",
    "load_device",
    "loaded_ram_size",
    "loaded_size",
    "lowvram_patch_counter",
    "model",
    "model_dtype",
    "model_mmap_residency",
    "model_patches_models",
    "model_patches_to",
    "model_size",
    "offload_device",
    "parent",
    "partially_load",
    "partially_unload",
    "partially_unload_ram",
    "pinned_memory_size",
    "set_in_use_by_current_prompt",
}


def test_core_calls_nothing_on_a_patcher_that_we_do_not_know() -> None:
    tree = ast.parse(Path(inspect.getsourcefile(mm) or "").read_text(encoding="utf-8"))
    used = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        value = node.value
        held = isinstance(value, ast.Attribute) and value.attr == "model"  # self.model.X, entry.model.X
        local = isinstance(value, ast.Name) and value.id in ("model", "model_to_unload", "x", "m")
        if held or (local and hasattr(ModelPatcher, node.attr)):
            used.add(node.attr)
    used -= {"__class__", "append", "pop", "partially_load_cpu"}
    assert used >= {"model_size", "loaded_size", "partially_load", "detach", "is_clone"}, "nothing was found"
    assert used <= KNOWN, (
        f"This ComfyUI also uses {sorted(used - KNOWN)} of a managed model. Decide what ManagedPatcher "
        "should answer for weights that are loaded all or nothing, then add the names to KNOWN."
    )


def test_a_patcher_answers_every_member_that_core_calls(machine: Machine) -> None:
    owner = machine.owner(Factory())
    patcher = owner.patcher
    assert isinstance(patcher, ModelPatcher)
    weakref.ref(patcher), hash(patcher)
    for name in sorted(KNOWN):
        if hasattr(ModelPatcher, name):
            assert hasattr(patcher, name), name
    assert patcher.parent is None and patcher.lowvram_patch_counter() == 0
    assert patcher.model_patches_models() == [] and patcher.model_dtype() is None
    patcher.model_patches_to(GPU)
    assert patcher.is_clone(patcher) and not patcher.is_clone(machine.diffusion(1))
    assert patcher.is_dynamic() is False
    clone = patcher.clone()
    assert clone.is_clone(patcher) and clone.model_size() == patcher.model_size()
    owner.use(0)
    del clone
    gc.collect()
    assert owner.resident_bytes() == 6 * MIB, "a clone that dies takes nothing with it"


def test_overridden_methods_take_what_core_passes() -> None:
    for name in ("partially_load", "partially_unload", "detach", "unpatch_model", "__init__"):
        ours = inspect.signature(getattr(managed.ManagedPatcher, name)).parameters
        theirs = inspect.signature(getattr(ModelPatcher, name)).parameters
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in ours.values())
        assert anything or set(theirs) <= set(ours), f"{name}: core's has {list(theirs)}, ours {list(ours)}"


def test_a_newer_cache_recognises_the_owner_by_its_patcher(machine: Machine) -> None:
    owner = machine.owner(Factory())
    assert isinstance(owner.patcher, ModelPatcher)
    assert owner.get_ram_usage() == 0


def test_comfyuis_own_judgement_of_an_error_is_asked_where_it_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compat = importlib.import_module("vramwise_pack.core.ocr.vlm.compat")
    odd = RuntimeError("a word that only ComfyUI knows")
    monkeypatch.setattr(host._Host, "out_of_memory", None)
    monkeypatch.setattr(mm, "is_oom", lambda error: error is odd, raising=False)
    managed.manage_models()
    assert compat.is_out_of_memory(odd)
    assert not compat.is_out_of_memory(RuntimeError("another"))
