"""The graphics cards of gpus.csv, and finding one by what a person or a driver calls it."""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass, replace

from ..errors import LONGEST_NAME, UnknownName, VramwiseError, nearest
from ..units import GIB
from .csv_rows import Row, count, number, table
from .own.rows import OwnRows, Unfit, amounts, needed, one_of, own_rows

# A driver reports a little less than the box says: 22.5 of 24 on an L4, 14.6 of 16 on a T4.
_TOLERANCE = 0.1


@dataclass(frozen=True)
class GPU:
    """A row of gpus.csv. A card sold with several memory sizes is one GPU each.

    ``vram_gib`` is what the box says (of the whole machine where memory is unified), None where the source
    has no sizes; ``bandwidth_gb_s`` is in 10^9 bytes a second, ``fp16_tensor_tflops`` dense with fp32
    accumulation; None where the source has none. ``compute_capability`` is empty outside NVIDIA ("gfx1201" on
    AMD). ``status`` is "released" or "rumoured". ``device_name`` is what the driver calls it. ``host_bus`` is
    a row of buses.csv, empty where memory is unified or the bus is not known.
    """

    name: str
    vendor: str
    series: str
    architecture: str
    chip: str
    compute_capability: str
    vram_gib: float | None
    memory_type: str
    memory_bus_bits: int | None
    host_bus: str
    bandwidth_gb_s: float | None
    tensor_cores: int | None
    fp16_tensor_tflops: float | None
    tdp_w: int | None
    release_year: int | None
    status: str
    device_name: str
    tflops_basis: str
    note: str
    source: str
    date: str
    sizes: int = 1
    yours: bool = False

    @property
    def label(self) -> str:
        """The name, with the memory size where the same name is sold with several."""
        return f"{self.name} {self.vram_gib:g} GB" if self.sizes > 1 and self.vram_gib else self.name

    @property
    def vram_bytes(self) -> int | None:
        return None if self.vram_gib is None else int(self.vram_gib * GIB)

    @property
    def capability(self) -> tuple[int, int] | None:
        """The CUDA compute capability, None where the card has none."""
        found = re.fullmatch(r"(\d+)\.(\d+)", self.compute_capability)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def kind(self) -> str:
        """What torch runs it with: "cuda", "rocm", "xpu" or "mps"."""
        return {"NVIDIA": "cuda", "AMD": "rocm", "Intel": "xpu"}.get(self.vendor, "mps")

    @property
    def unified(self) -> bool:
        """True where the card shares the machine's memory."""
        return self.vendor == "Apple" or self.memory_type.startswith("LPDDR")


@functools.cache
def gpus() -> tuple[GPU, ...]:
    """Every card, in the order of the file; a person's own rows stand in the place of those of their name and
    size, the others behind.
    """
    rows = [gpu for row in table("gpus.csv", _of_sizes, _labels) for gpu in row]
    spelled: dict[str, str] = {}
    for gpu in rows:
        if spelled.setdefault(gpu.name.casefold(), gpu.name) != gpu.name:
            raise VramwiseError(
                f'gpus.csv has "{spelled[gpu.name.casefold()]}" and "{gpu.name}", which is one name: '
                "write both alike."
            )
    own = [gpu for row in own_gpus().rows for gpu in row]
    own = [replace(gpu, name=spelled.setdefault(gpu.name.casefold(), gpu.name)) for gpu in own]
    theirs = {(gpu.name, gpu.vram_gib): gpu for gpu in own}
    named = [theirs.pop((gpu.name, gpu.vram_gib), gpu) for gpu in rows] + list(theirs.values())
    sizes = Counter(gpu.name for gpu in named)
    return tuple(replace(gpu, sizes=sizes[gpu.name]) for gpu in named)


@functools.cache
def own_gpus() -> OwnRows[list[GPU]]:
    """The cards of a person's gpus.csv."""
    return own_rows("gpus.csv", "gpus.csv", {"status": "released"}, _own_of_sizes, _labels)


_VENDORS = ("NVIDIA", "AMD", "Intel", "Apple")


def _own_of_sizes(row: Row) -> list[GPU]:
    needed(row, "name", "vendor", "vram_gib")
    sizes = [amounts({"vram_gib": size}, ["vram_gib"], 65_536) for size in row["vram_gib"].split("|")]
    told = {
        "vram_gib": "|".join(size["vram_gib"] for size in sizes),
        **amounts(row, ("memory_bus_bits", "tensor_cores", "tdp_w", "release_year"), whole=True),
        **amounts(row, ("bandwidth_gb_s", "fp16_tensor_tflops")),
    }
    known = {"vendor": _VENDORS, "status": ("released", "rumoured"), "host_bus": ("", *_bus_names())}
    told |= {column: one_of(row, column, words) for column, words in known.items()}
    if row["vendor"].casefold() == "nvidia" and not re.fullmatch(r"(\d+\.\d+)?", row["compute_capability"]):
        raise Unfit("no_version", "compute_capability", cell=row["compute_capability"])
    return [replace(gpu, yours=True) for gpu in _of_sizes({**row, **told})]


def _bus_names() -> tuple[str, ...]:
    return table("buses.csv", lambda row: row["bus"])


def _labels(row: Row) -> list[str]:
    """A name may have several rows, each for other memory sizes."""
    return [f"{row['name']} {size} GB" for size in row["vram_gib"].split("|")]


def _of_sizes(row: Row) -> list[GPU]:
    """A GPU for each memory size of a row."""
    whole = ("memory_bus_bits", "tensor_cores", "tdp_w", "release_year")
    counts = {name: count(row[name]) for name in whole}
    numbers = {name: number(row[name]) for name in ("bandwidth_gb_s", "fp16_tensor_tflops")}
    known = {**row, **counts, **numbers}
    return [GPU(**{**known, "vram_gib": number(size)}) for size in row["vram_gib"].split("|")]  # type: ignore[arg-type]


def find_gpus(text: str) -> tuple[GPU, ...]:
    """The cards that ``text`` names: several when the name is sold with several memory sizes and ``text``
    says none ("RTX 4060 Ti"), one when it does ("rtx 4060 ti 16gb").

    Raises UnknownName with the nearest names.
    """
    if len(text) > LONGEST_NAME:
        raise UnknownName(
            f'"{text[:LONGEST_NAME]}..." is no GPU of the catalog: no name has {len(text):,} letters. '
            '`vramwise gpus` lists them; "16 GB" works too.'
        )
    wanted, size = _split_size(text)
    found = [gpu for gpu in gpus() if wanted and wanted in (_plain(gpu.name), _plain(gpu.device_name))]
    if not found:  # "A100": every card whose name begins with these words
        found = [gpu for gpu in gpus() if wanted and _plain(gpu.name).startswith(f"{wanted} ")]
        found = found if len({gpu.vendor for gpu in found}) == 1 and len(found) <= 4 else []
    sized = [_of_size(gpu, size) for gpu in found if size is None or _has_size(gpu, size)]
    if found and not sized:
        sold = " or ".join(f"{gpu.vram_gib:g}" for gpu in found)
        raise UnknownName(f"There is no {found[0].name} with {size:g} GB; it is sold with {sold} GB.")
    if not sized:
        hint = nearest(wanted, [_plain(gpu.name) for gpu in gpus()])
        raise UnknownName(
            f'"{text}" is no GPU of the catalog.{hint} `vramwise gpus` lists them; "16 GB" works too.'
        )
    return tuple(sized)


def _has_size(gpu: GPU, size: float) -> bool:
    return gpu.vram_gib is None or abs(gpu.vram_gib - size) < 0.6


def _of_size(gpu: GPU, size: float | None) -> GPU:
    """``gpu``; where its row has no memory size, with the one that was asked for."""
    return replace(gpu, vram_gib=size) if gpu.vram_gib is None else gpu


def gpu_of_device(device_name: str, total_bytes: int | None) -> GPU | None:
    """The catalog's card for what a driver reports, or None; among several memory sizes the one nearest to
    ``total_bytes``."""
    wanted = _plain(device_name[:LONGEST_NAME])
    found = [gpu for gpu in gpus() if wanted and wanted in (_plain(gpu.device_name), _plain(gpu.name))]
    if total_bytes is None:
        return found[0] if len(found) == 1 else None
    apart = {gpu: abs(gpu.vram_bytes - total_bytes) / gpu.vram_bytes for gpu in found if gpu.vram_bytes}
    near = [gpu for gpu, share in apart.items() if share <= _TOLERANCE]
    return min(near, key=lambda gpu: apart[gpu], default=None)


def parse_memory(text: str) -> float | None:
    """GiB of a text such as "16 GB", "16gib" or "16"; None when it is no size."""
    text = text.strip()
    if len(text) > LONGEST_NAME:
        return None
    found = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*(?:gib|gb|g)?", text, re.IGNORECASE)
    return float(found[1].replace(",", ".")) if found else None


def _split_size(text: str) -> tuple[str, float | None]:
    """(plain name, GiB named beside it or None). A size that belongs to the name stays in it."""
    if any(_plain(text) == _plain(gpu.name) for gpu in gpus()):
        return _plain(text), None
    found = re.search(r"[\s,(]*(\d+(?:[.,]\d+)?)\s*(?:gib|gb)\)?\s*$", text, re.IGNORECASE)
    if found is None:
        return _plain(text), None
    return _plain(text[: found.start()]), float(found[1].replace(",", "."))


@functools.cache
def _plain(name: str) -> str:
    """A name without case, maker and marks: "NVIDIA GeForce RTX 4090" and "rtx4090" become "rtx 4090"."""
    text = re.sub(r"\((?:r|tm)\)", "", name.lower())
    text = re.sub(r"([a-z])(?=\d{4})|(?<=\d{4})(?=ti\b|super\b|xt)", r"\1 ", text)
    text = re.sub(r"\b(?:nvidia|geforce|amd|radeon|intel|graphics card)\b", " ", text)
    return " ".join(re.sub(r"[^a-z0-9.+]+", " ", text).split())
