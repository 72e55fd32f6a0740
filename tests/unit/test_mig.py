"""Slices of a card (MIG) and CUDA_VISIBLE_DEVICES: the real pynvml before a compiled stand-in of NVML."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.hardware import machine
from vramwise.hardware.budget import free_bytes

BIG, SMALL = 20_937_965_568, 5_100_273_664
A100, H100 = "GPU-aaaaaaaa-1111-2222-3333-444444444444", "GPU-bbbbbbbb-1111-2222-3333-444444444444"
BIG_ID, SMALL_ID = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-c6e57a1b-0d0e-5a0c-9c0a-7d8f7a6b5c4d"
WHOLE_H100 = 85_520_809_984

CARDS = Path(__file__).resolve().parents[1] / "fixtures" / "nvml"

Driver = Callable[[str | Path], None]


# CUDA_VISIBLE_DEVICES: total bytes of each device that CUDA would show.
SHOWN: dict[str | None, list[int]] = {
    None: [BIG],  # one slice alone, the first, where a card is cut
    BIG_ID: [BIG],
    SMALL_ID: [SMALL],
    SMALL_ID.lower(): [SMALL],
    "MIG-c6e5": [SMALL],
    f"MIG-{A100}/1/0": [BIG],
    f"MIG-{A100}/9/0": [SMALL],
    "MIG-GPU-aaaa/9/0": [SMALL],
    f"{SMALL_ID},{BIG_ID}": [SMALL],  # only one slice is enumerated
    A100: [BIG],
    H100: [WHOLE_H100],
    "GPU-bbbb": [WHOLE_H100],
    "0": [BIG],
    "1": [WHOLE_H100],
    "1,9": [WHOLE_H100],
    f"{H100},MIG-nothing": [WHOLE_H100],
    "MIG-c6": [],  # two begin so
    "GPU-": [],
    f"MIG-{A100}/4/0": [],
    "MIG-00000000": [],
    "": [],
    "-1": [],
}


@pytest.mark.parametrize("named", SHOWN, ids=str)
def test_a_slice_is_found_by_what_cuda_visible_devices_calls_it(
    named: str | None, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("mig")
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    found = machine.probe(torch=None)
    assert [device.total_bytes for device in found.devices[:-1]] == SHOWN[named]


def test_a_slice_has_its_own_memory_and_the_cards_heat(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("mig")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", SMALL_ID)
    found = machine.probe(torch=None)
    slice_ = found.device
    assert slice_.name == "NVIDIA A100-SXM4-40GB MIG 1g.5gb" and slice_.uuid == SMALL_ID
    assert (slice_.free_bytes, slice_.other_bytes) == (SMALL - 2 * 1024**3, 2 * 1024**3)
    assert (slice_.compute_capability, slice_.temperature_c, slice_.power_w) == ("8.0", 35, 61)
    assert [remark.code for remark in found.remarks] == ["slice"]
    assert free_bytes(found) == SMALL - 2 * 1024**3


@pytest.mark.parametrize("closed", ["nvmlDeviceGetMigMode 3", "nvmlDeviceGetMigDeviceHandleByIndex 4"])
def test_a_container_that_shows_a_slice_by_its_name_alone_has_it(
    closed: str, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tmp_path / "cards.txt"
    cards.write_text(f"fail {closed}\n{(CARDS / 'mig.txt').read_text()}", encoding="utf-8")
    driver(cards)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", SMALL_ID)
    assert [device.total_bytes for device in machine.probe(torch=None).devices[:-1]] == [SMALL]


def torch_with(uuid: str | None, total: int, name: str = "NVIDIA A100-SXM4-40GB MIG 3g.20gb") -> Any:
    card = types.SimpleNamespace(name=name, total_memory=total, major=8, minor=0, uuid=uuid)
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 1,
        get_device_properties=lambda index: card,
        is_initialized=lambda: False,
    )
    version = types.SimpleNamespace(cuda="12.8", hip=None, xpu=None)
    return types.SimpleNamespace(__version__="2.9.0+cu128", version=version, cuda=cuda)


@pytest.mark.parametrize(
    ("uuid", "total", "named"),
    [
        (BIG_ID.removeprefix("MIG-"), BIG, None),
        (A100.removeprefix("GPU-"), BIG, None),
        (A100.removeprefix("GPU-"), BIG - 300_000_000, BIG_ID),
        (None, BIG, BIG_ID),
    ],
    ids=["its own uuid", "its card's uuid", "its card's uuid, named", "no uuid"],
)
def test_torchs_slice_is_matched_by_its_own_or_its_cards_uuid(
    uuid: str | None, total: int, named: str | None, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("mig")
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    found = machine.probe(torch=torch_with(uuid, total))
    assert (found.device.total_bytes, found.device.free_bytes) == (total, BIG - 39_845_888)
    assert found.device.source == "torch and NVML" and found.device.temperature_c == 35
    assert "slice" in [remark.code for remark in found.remarks]


@pytest.mark.parametrize("named", ["MIG-00000000", "GPU-", "7"])
def test_a_name_that_no_card_has_is_said(named: str, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver("mig")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    (note,) = machine.probe(torch=None).notes
    assert f'"{named}"' in note and A100 in note
