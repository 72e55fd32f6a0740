"""The catalog of graphics cards and the names people give them."""

from __future__ import annotations

import re

import pytest
from vramwise.catalog.gpus import find_gpus, gpu_of_device, gpus, parse_memory
from vramwise.errors import UnknownName
from vramwise.units import GIB


def test_every_card_has_memory_a_source_and_a_date() -> None:
    assert len({(gpu.name, gpu.chip, gpu.memory_type) for gpu in gpus()}) >= 150
    for gpu in gpus():
        assert gpu.source and (gpu.vram_gib or gpu.name.startswith("Apple M5")), gpu
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", gpu.date), gpu
        assert gpu.status in ("released", "rumoured"), gpu
        assert gpu.vendor != "NVIDIA" or gpu.capability, gpu


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("RTX 4090", [24]),
        ("rtx4090", [24]),
        ("NVIDIA GeForce RTX 4090", [24]),
        ("RTX 4060 Ti", [16, 8]),
        ("rtx 4060ti 16GB", [16]),
        ("4080 super", []),
        ("RTX 4080 Super", [16]),
        ("RTX 3050 6GB Laptop GPU", [6]),
        ("RX 7900 XTX", [24]),
        ("Apple M3 Ultra", [96, 256, 512]),
    ],
)
def test_a_card_is_found_by_the_names_people_write(text: str, sizes: list[int]) -> None:
    if not sizes:
        with pytest.raises(UnknownName, match="Did you mean"):
            find_gpus(text)
        return
    assert sorted(gpu.vram_gib for gpu in find_gpus(text)) == sorted(sizes)


def test_a_memory_size_that_is_not_sold_is_said() -> None:
    with pytest.raises(UnknownName, match="sold with"):
        find_gpus("RTX 4060 Ti 12GB")


def test_every_released_card_is_found_by_its_own_label() -> None:
    for gpu in gpus():
        assert gpu in find_gpus(gpu.label), gpu.label


def test_a_driver_name_and_its_memory_find_the_card() -> None:
    found = gpu_of_device("NVIDIA GeForce RTX 4060 Ti", 16_380 * 1024**2)
    assert found is not None and found.vram_gib == 16
    assert gpu_of_device("NVIDIA GeForce RTX 9999", 16 * GIB) is None
    assert gpu_of_device("NVIDIA GeForce RTX 4090", 8 * GIB) is None


def test_sizes_are_read_as_people_write_them() -> None:
    assert [parse_memory(text) for text in ("16", "16 GB", "16gib", "11,5 GB", "RTX 16")] == [
        16,
        16,
        16,
        11.5,
        None,
    ]
