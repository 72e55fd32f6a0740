"""The catalog of graphics cards and the names people give them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from vramwise.catalog.gpus import card_count, find_gpus, gpu_of_device, gpus, parse_memory
from vramwise.errors import UnknownName
from vramwise.units import GIB


def test_every_card_has_memory_a_source_and_a_date() -> None:
    assert len({(gpu.name, gpu.chip, gpu.memory_type) for gpu in gpus()}) >= 150
    for gpu in gpus():
        assert gpu.source and (gpu.vram_gib or gpu.unified), gpu
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", gpu.date), gpu
        assert gpu.status in ("released", "rumoured"), gpu
        assert gpu.vendor != "NVIDIA" or gpu.capability, gpu
        assert (gpu.torch_total_gib is None) == (not gpu.torch_source), gpu


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("RTX 4090", [24]),
        ("rtx4090", [24]),
        ("NVIDIA GeForce RTX 4090", [24]),
        ("RTX 4060 Ti", [16, 8]),
        ("rtx 4060ti 16GB", [16]),
        ("4080 super", [16]),
        ("RTX 4080 Super", [16]),
        ("RTX 3050 6GB Laptop GPU", [6]),
        ("RX 7900 XTX", [24]),
        ("Apple M3 Ultra", [96, 256, 512]),
        ("4060ti 16", [16]),
        ("rtx 3060 12", [12]),
        ("RTX4060Ti16G", [16]),
        ("RTX 3060 12288MiB", [12]),
        ("rtx 4060 ti 16380 MiB", [16]),
        ("A100 3g.20gb", [20]),
    ],
)
def test_a_card_is_found_by_the_names_people_write(text: str, sizes: list[int]) -> None:
    assert sorted(gpu.vram_gib for gpu in find_gpus(text)) == sorted(sizes)


def test_a_memory_size_that_is_not_sold_is_said() -> None:
    with pytest.raises(UnknownName, match="sold with"):
        find_gpus("RTX 4060 Ti 12GB")

    with pytest.raises(UnknownName, match="sold with"):
        find_gpus("RTX 4060 Ti 12")
    with pytest.raises(
        UnknownName, match="no GPU of the catalog"
    ):  # shared memory has no sizes to be sold with
        find_gpus("UHD Graphics 999")


@pytest.mark.parametrize("text", ["", "  ", "cpu", "CPU", "none", "\u043d\u0435\u0442"])
def test_no_card_is_not_taken_for_one_that_is_misspelt(text: str) -> None:
    with pytest.raises(UnknownName, match="names no graphics card") as refused:
        find_gpus(text)
    assert "nearest" not in str(refused.value)


def test_every_released_card_is_found_by_its_own_label() -> None:
    for gpu in gpus():
        assert gpu in find_gpus(gpu.label), gpu.label


def test_a_driver_name_and_its_memory_find_the_card() -> None:
    found = gpu_of_device("NVIDIA GeForce RTX 4060 Ti", 16_380 * 1024**2)
    assert found is not None and found.vram_gib == 16
    assert gpu_of_device("NVIDIA GeForce RTX 9999", 16 * GIB) is None
    assert gpu_of_device("NVIDIA GeForce RTX 4090", 8 * GIB) is None


@pytest.mark.parametrize(
    ("text", "gib"),
    [
        ("8192MiB", 8),
        ("8192 MB", 8),
        ("8192 \u041c\u0411", 8),
        ("512 \u043c\u0438\u0431", 0.5),
        ("12G", 12),
        ("-8", -8),
        ("8192", None),
    ],
)
def test_megabytes_and_what_is_below_nothing_are_sizes(text: str, gib: float | None) -> None:
    assert parse_memory(text) == gib


def test_sizes_are_read_as_people_write_them() -> None:
    assert parse_memory("4090") is None and parse_memory("4090 GB") == 4090, "a bare one is a card"
    assert [parse_memory(text) for text in ("580", "980", "512", "288", "580 GB")] == [
        None,
        None,
        512,
        288,
        580,
    ]
    assert [parse_memory(text) for text in ("16", "16 GB", "16gib", "11,5 GB", "RTX 16")] == [
        16,
        16,
        16,
        11.5,
        None,
    ]


# Names as drivers write them: NVIDIA/open-gpu-kernel-modules 595.45.04 (g_nv_name_released.h), libdrm's
# amdgpu.ids, torch.xpu's and Metal's; an empty card is none of the catalog's.
DRIVER_NAMES = list(csv.DictReader((Path(__file__).parent / "driver_names.csv").open(encoding="utf-8")))


def test_names_of_drivers_are_understood() -> None:
    wrong = {}
    for row in DRIVER_NAMES:
        try:
            found = [gpu.name for gpu in find_gpus(row["driver_name"])]
        except UnknownName:
            found = []
        if not row["card"] or row["card"] not in found:
            wrong[row["driver_name"]] = found
    assert len(DRIVER_NAMES) >= 200
    assert len(wrong) <= 0.03 * len(DRIVER_NAMES), wrong


ASKED_NAMES = list(csv.DictReader((Path(__file__).parent / "asked_names.csv").open(encoding="utf-8")))


def test_names_of_shops_forums_and_tools_are_understood() -> None:
    """Lines of nvidia-smi, lspci, dxdiag, Mesa and browsers, board partners' names, Russian and Chinese, and
    cards that do not exist: whatever is not understood is unknown, never another card."""
    missed, other = [], {}
    for row in ASKED_NAMES:
        try:
            found = [gpu.label for gpu in find_gpus(row["asked"])]
        except UnknownName:
            found = []
        if row["card"] and not found:
            missed.append(row["asked"])
        elif not all(row["card"] and row["card"] in label for label in found):
            other[row["asked"]] = found
    assert len(ASKED_NAMES) >= 280
    assert not other
    assert len(missed) <= 0.03 * len(ASKED_NAMES), missed


def test_the_number_of_a_card_tells_what_is_near() -> None:
    with pytest.raises(UnknownName, match=r"The nearest: Radeon RX 580,"):
        find_gpus("radeon 580")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("4060ti 16gb", "GeForce RTX 4060 Ti 16 GB"),
        ("3090", "GeForce RTX 3090"),
        ("RTX 4090D", "GeForce RTX 4090 D"),
        ("RTX 3060 12 \u0413\u0411", "GeForce RTX 3060 12 GB"),
        ("\u0420\u0422\u0425 3060 12\u0433\u0431", "GeForce RTX 3060 12 GB"),
        ("\u0422i 4070 \u0440\u0442\u0445 super 16 gb", "GeForce RTX 4070 Ti SUPER"),
        ("2x RTX 3090", "GeForce RTX 3090"),
        ("RTX 3090 \u00d7 2", "GeForce RTX 3090"),
        ("M4 Max 36GB", "Apple M4 Max 36 GB"),
        ("DGX Spark", "GB10 (DGX Spark)"),
        ("GRID A100-10C", "GRID A100-10C (10 GB of A100 PCIe)"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA H100 80GB HBM3 MIG 1g.10gb (10 GB of H100 SXM5)"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2 16 GB"),
        ("Tesla P100-PCIE-16GB", "P100 PCIe 16 GB"),
        ("RTX-4070_ti_SUPER", "GeForce RTX 4070 Ti SUPER"),
        ("4080s", "GeForce RTX 4080 SUPER"),
        ("rtx4070m", "GeForce RTX 4070 Laptop GPU"),
        ("RTX 3070 mobile", "GeForce RTX 3070 Laptop GPU"),
        ("7900xtx", "Radeon RX 7900 XTX"),
        ("ASUS TUF Gaming GeForce RTX 4090 OC 24GB", "GeForce RTX 4090"),
        ("Strix Halo 128GB", "Radeon 8060S 128 GB"),
        ("RX 9060", "Radeon RX 9060"),
        ("RX 6800", "Radeon RX 6800"),
        ("RX 580 8GB", "Radeon RX 580 8 GB"),
    ],
)
def test_a_card_is_understood_however_it_is_written(text: str, label: str) -> None:
    assert [gpu.label for gpu in find_gpus(text)] == [label]


@pytest.mark.parametrize("text", ["RTX 4050", "RTX 3050 Super", "RX 9080", "RTX", "GTX 4090", "M9 Max"])
def test_no_name_becomes_another_card(text: str) -> None:
    with pytest.raises(UnknownName, match=r"The nearest: [^,]+, [^,]+, [^,]+\."):
        find_gpus(text)
    assert gpu_of_device(text, 16 * GIB) is None


def test_a_count_is_told_and_memory_is_not_added() -> None:
    assert [card_count(text) for text in ("2x RTX 3090", "RTX 3090 x4", "dual 4090", "RTX 3090")] == [
        2,
        4,
        2,
        1,
    ]
    assert [gpu.vram_gib for gpu in find_gpus("2x RTX 3090")] == [24]


@pytest.mark.parametrize(
    ("card", "build"),
    [
        ("RTX 5090", ""),
        ("RTX 2060 6GB", ""),
        ("V100 SXM2 16GB", "cuda126"),
        ("GTX 1080 Ti", "cuda126"),
        ("GTX 750 Ti", "cuda126"),
        ("K80", "none"),
        ("RX 580 8GB", "none"),
        ("RX 5700 XT", "none"),
        ("RX 6800 XT", ""),
        ("Vega 64", ""),
        ("UHD Graphics 770 16GB", "none"),
        ("Arc A770 16GB", ""),
        ("Apple M2 16GB", ""),
    ],
)
def test_which_of_pytorchs_builds_has_a_card_is_known(card: str, build: str) -> None:
    assert [gpu.torch_build for gpu in find_gpus(card)] == [build]
