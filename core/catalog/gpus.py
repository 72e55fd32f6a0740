"""The graphics cards of gpus.csv, and finding one by what a person or a driver calls it."""

from __future__ import annotations

import functools
import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import LONGEST_NAME, UnknownName, VramwiseError
from ..units import GIB, GIB_WRITTEN, MIB_WRITTEN, figure
from .csv_rows import Row, count, number, table
from .own.rows import OwnRows, Unfit, amounts, needed, one_of, own_rows
from .words import said

if TYPE_CHECKING:
    from .names.cards import CardName

# A driver reports a little less than the box says: 22.5 of 24 on an L4, 14.6 of 16 on a T4.
_TOLERANCE = 0.1
_SAME_NUMBER = 100  # beside 300 for a name that is the same altogether
# A number without a unit that is larger is a card, and so is one that no memory has: 580, 980.
_MOST_BARE_GIB, _ODD_ABOVE_GIB, _EVEN_GIB = 1024, 300, 64
# said in place of a card where there is none
_NO_CARD = ("", "cpu", "none", "no gpu", "\u0446\u043f", "\u0446\u043f\u0443", "\u043d\u0435\u0442")


@dataclass(frozen=True)
class GPU:
    """A row of gpus.csv. A card sold with several memory sizes is one GPU each.

    ``vram_gib`` is what the box says (of the whole machine where memory is unified), None where the source
    has no sizes; ``bandwidth_gb_s`` is in 10^9 bytes a second, ``fp16_tensor_tflops`` dense with fp32
    accumulation; None where the source has none. ``compute_capability`` is empty outside NVIDIA ("gfx1201" on
    AMD). ``status`` is "released" or "rumoured". ``device_name`` is what the driver calls it. ``host_bus`` is
    a row of cards/buses.csv, empty where memory is unified or the bus is not known. ``also_called`` are
    further names; ``torch_total_gib`` is what torch shows of the memory on Linux where somebody published it
    (``torch_source``). ``share`` is the profile's name where it is a vGPU or MIG part of the card.
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
    also_called: tuple[str, ...] = ()
    torch_total_gib: float | None = None
    torch_source: str = ""
    sizes: int = 1
    yours: bool = False
    share: str = ""

    @property
    def label(self) -> str:
        """The name, with the memory size where the same name is sold with several."""
        if self.share:
            return f"{self.share} ({self.vram_gib:g} GB of {self.name})"
        return f"{self.name} {self.vram_gib:g} GB" if self.sizes > 1 and self.vram_gib else self.name

    @property
    def vram_bytes(self) -> int | None:
        return None if self.vram_gib is None else int(self.vram_gib * GIB)

    @property
    def sized_bytes(self) -> int:
        """``vram_bytes``. Raises VramwiseError where the catalog has no memory size of the card."""
        size_bytes = self.vram_bytes
        if size_bytes is None:
            raise VramwiseError(said("error_card_no_size", name=self.name))
        return size_bytes

    @property
    def capability(self) -> tuple[int, int] | None:
        """The CUDA compute capability, None where the card has none."""
        found = re.fullmatch(r"(\d+)\.(\d+)", self.compute_capability)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def kind(self) -> str:
        """What torch runs it with: "cuda", "rocm", "xpu" or "mps"."""
        return {"NVIDIA": "cuda", "AMD": "rocm", "Intel": "xpu"}.get(self.vendor, "mps")

    @functools.cached_property
    def torch_build(self) -> str:
        """What of PyTorch's builds has this card, by cards/builds.csv: "none", "cuda126" (none that is
        newer), empty where the usual ones have it, or nobody knows."""
        names = (self.compute_capability, self.name)
        for vendor, pattern, build in table("cards/builds.csv", _build):
            if vendor == self.vendor and any(re.fullmatch(pattern, name) for name in names):
                return build
        return ""

    @functools.cached_property
    def unified(self) -> bool:
        """True where the card shares the machine's memory."""
        return self.vendor == "Apple" or self.memory_type.startswith("LPDDR")


def _build(row: Row) -> tuple[str, str, str]:
    return row["vendor"], row["match"], row["build"]


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
        **amounts(row, ("bandwidth_gb_s", "fp16_tensor_tflops", "torch_total_gib")),
    }
    known = {"vendor": _VENDORS, "status": ("released", "rumoured"), "host_bus": ("", *_bus_names())}
    told |= {column: one_of(row, column, words) for column, words in known.items()}
    if row["vendor"].casefold() == "nvidia" and not re.fullmatch(r"(\d+\.\d+)?", row["compute_capability"]):
        raise Unfit("no_version", "compute_capability", cell=row["compute_capability"])
    return [replace(gpu, yours=True) for gpu in _of_sizes({**row, **told})]


def _bus_names() -> tuple[str, ...]:
    return table("cards/buses.csv", lambda row: row["bus"])


def _labels(row: Row) -> list[str]:
    """A name may have several rows, each for other memory sizes."""
    return [f"{row['name']} {size} GB" for size in row["vram_gib"].split("|")]


def _of_sizes(row: Row) -> list[GPU]:
    """A GPU for each memory size of a row."""
    whole = ("memory_bus_bits", "tensor_cores", "tdp_w", "release_year")
    counts = {name: count(row[name]) for name in whole}
    figures = ("bandwidth_gb_s", "fp16_tensor_tflops", "torch_total_gib")
    numbers = {name: number(row.get(name, "")) for name in figures}
    called = tuple(filter(None, row.get("also_called", "").split("|")))
    known = {**row, **counts, **numbers, "also_called": called}
    return [GPU(**{**known, "vram_gib": number(size)}) for size in row["vram_gib"].split("|")]  # type: ignore[arg-type]


def find_gpus(text: str, *, or_size: bool = True) -> tuple[GPU, ...]:
    """The cards that ``text`` names: several when the name is sold with several memory sizes and ``text``
    says none ("RTX 4060 Ti"), one when it does ("rtx 4060 ti 16gb"). Never another card: a name that no card
    has is unknown. ``or_size``: where it is asked a size would do as well, which the refusal tells.

    Raises UnknownName with the three nearest names.
    """
    from .names.cards import readings
    from .names.tool_lines import of_a_tool

    text = of_a_tool(text)
    if len(text) > LONGEST_NAME:
        raise UnknownName(
            f'"{text[:LONGEST_NAME]}..." is no GPU of the catalog: no name has {len(text):,} letters. '
            '`vramwise gpus` lists them; "16 GB" works too.',
            key="error_card_long",
            text=text[:LONGEST_NAME],
            count=figure(len(text), ","),
        )
    written = " ".join(text.casefold().split())
    if written in _NO_CARD:
        raise UnknownName(
            f'"{written}" names no graphics card. Leave it out to ask about this machine as it is, or name '
            'a card ("RTX 4060") or a size ("16 GB").',
            key="error_card_none",
            text=written,
        )
    if found := _by_whole_name().get(written):
        return tuple(found)
    unsold: UnknownName | None = None
    for name in readings(text):
        found = _called(name)
        if name.share:
            shares = [gpu for gpu in found if "datacentre" in gpu.series or "workstation" in gpu.series]
            if shares and name.gib:
                module = " mig " in written or re.search(r"\dd?x[ms]?-", written)
                base = _by_whole_name().get(written.split(" mig ")[0], [])
                whole = min(
                    shares,
                    key=lambda gpu: (
                        (gpu.vram_gib or 0) < (name.gib or 0),
                        gpu not in base,
                        bool(module) != ("SXM" in gpu.name),
                    ),
                )
                share = " ".join(text.split())
                return (replace(whole, vram_gib=name.gib, torch_total_gib=None, sizes=1, share=share),)
            continue
        if name.bare:  # a number alone is a size where the card is sold with sizes
            found = [gpu for gpu in found if gpu.vram_gib is not None]
        sized = [_of_size(gpu, name.gib) for gpu in found if name.gib is None or _has_size(gpu, name.gib)]
        if sized:
            modules = re.findall(r"sxm\d", written)
            exact = [gpu for gpu in sized if all(module in gpu.name.casefold() for module in modules)]
            return tuple(exact or sized)
        if found and unsold is None:
            unsold = _not_sold(found, name.gib or 0)
    if unsold is not None:
        raise unsold
    near = nearest_cards(text)
    if not or_size:
        key = "error_card_unknown_here" if parse_memory(text) is None else "error_card_is_size"
        raise UnknownName(said(key, text=text, near=", ".join(near)))
    raise UnknownName(
        f'"{text}" is no GPU of the catalog. The nearest: {", ".join(near)}. '
        '`vramwise gpus` lists all; a size such as "16 GB" works too.',
        key="error_card_unknown",
        text=text,
        near=", ".join(near),
    )


def card_count(text: str) -> int:
    """How many cards ``text`` names: 2 for "2x RTX 3090"."""
    from .names.cards import readings
    from .names.tool_lines import of_a_tool

    text = of_a_tool(text)
    if len(text) > LONGEST_NAME:
        return 1
    return max((name.count for name in readings(text)), default=1)


def nearest_cards(text: str, most: int = 3) -> list[str]:
    """Names of cards that look most like ``text``, the nearest first."""
    from rapidfuzz import fuzz

    from .names.cards import readings

    names = {" ".join(words): found[0].name for words, found in _by_words().items()}
    last = max(enumerate(readings(text[:LONGEST_NAME])), key=lambda pair: (len(pair[1].words), pair[0]))
    wanted = " ".join(last[1].words)
    numbers = {word for word in wanted.split() if re.search(r"\d{2}", word)}
    alike = {
        word: fuzz.ratio(wanted, word)
        + 2 * fuzz.token_set_ratio(wanted, word)
        + (_SAME_NUMBER if numbers & set(word.split()) else 0)
        for word in names
    }
    close = heapq.nlargest(4 * most, alike, key=lambda word: alike[word])
    return list(dict.fromkeys(names[word] for word in close))[:most]


def _not_sold(found: list[GPU], size: float) -> UnknownName:
    sold = " or ".join(dict.fromkeys(f"{gpu.vram_gib:g}" for gpu in found if gpu.vram_gib))
    name = found[0].name
    return UnknownName(
        f"There is no {name} with {size:g} GB; it is sold with {sold} GB. For a card that was rebuilt with "
        f'other memory give the size alone: "{size:g} GB".',
        key="error_card_size",
        name=name,
        size=figure(size),
        sold=sold,
    )


@functools.cache
def _by_words() -> dict[tuple[str, ...], list[GPU]]:
    """Cards by the words of every name of theirs, in the order of the file."""
    from .names.cards import key

    found: dict[tuple[str, ...], list[GPU]] = {}
    for gpu in gpus():
        for words in dict.fromkeys(key(name) for name in _names(gpu)):
            found.setdefault(words, []).append(gpu)
    return found


@functools.cache
def _by_whole_name() -> dict[str, list[GPU]]:
    """Names that say a size which is not the card's memory ("NVIDIA GH200 120GB"): as they are written."""
    found: dict[str, list[GPU]] = {}
    for gpu in gpus():
        for name in (gpu.name, gpu.device_name, *gpu.also_called, gpu.label):
            found.setdefault(" ".join(name.casefold().split()), []).append(gpu)
    return {name: list(dict.fromkeys(cards)) for name, cards in found.items() if name}


def _names(gpu: GPU) -> Iterator[str]:
    """What a card is asked for by: its name, its driver's, and both without what people leave out."""
    yield from filter(None, (gpu.name, gpu.device_name, *gpu.also_called))
    bare = gpu.name.removeprefix("GeForce RTX ").removeprefix("GeForce GTX ").removeprefix("Radeon RX ")
    if bare != gpu.name and re.match(r"\d{4}\b|Vega \d", bare):
        yield bare
    if re.match(r"Quadro [PMTG]|RTX A\d{3,4}\b", gpu.name):
        yield gpu.name.partition(" ")[2]
    if said := re.search(r"(?:Radeon (?:AI )?PRO [RW]\d{4}|Arc Pro B\d\d)\w?$", gpu.name):
        yield said[0].split()[-1]
    if "Max-Q" in gpu.name and gpu.name.startswith("GeForce"):
        yield f"{gpu.name} Laptop GPU"


def _called(name: CardName) -> list[GPU]:
    """Cards of exactly these words; a laptop's "Max-Q" of the years when it was no name of its own is that
    laptop's card."""
    found = _by_words().get(name.words, [])
    if not found and name.share:  # "GRID RTX6000-12Q" is the Quadro; later ones say "Ada"
        found = _by_words().get(tuple(sorted(["quadro", *name.words])), [])
    if not found:  # few cards are told apart by the kind of their memory
        found = _by_words().get(tuple(word for word in name.words if not word.startswith("gddr")), [])
    if not found and "maxq" in name.words:
        laptop = [word for word in name.words if word not in ("maxq", "laptop")]
        found = _by_words().get(tuple(sorted([*laptop, "laptop"])), [])
    return list(dict.fromkeys(found))


def _has_size(gpu: GPU, size: float) -> bool:
    return gpu.vram_gib is None or abs(gpu.vram_gib - size) < 0.6


def _of_size(gpu: GPU, size: float | None) -> GPU:
    """``gpu``; where its row has no memory size, with the one that was asked for."""
    return replace(gpu, vram_gib=size) if gpu.vram_gib is None and size is not None else gpu


def gpu_of_device(device_name: str, total_bytes: int | None) -> GPU | None:
    """The catalog's card for what a driver reports, or None; among several memory sizes the one nearest to
    ``total_bytes``."""
    from .names.tool_lines import of_a_tool

    try:
        found = list(find_gpus(of_a_tool(device_name)[:LONGEST_NAME])) if device_name.strip() else []
    except UnknownName:
        return None
    if any(gpu.share for gpu in found):
        return found[0]
    exact = [gpu for gpu in found if device_name in (gpu.device_name, gpu.name)]
    if total_bytes is None:
        only = found if len(found) == 1 else exact
        return only[0] if len(only) == 1 else None
    apart = {gpu: abs(gpu.vram_bytes - total_bytes) / gpu.vram_bytes for gpu in found if gpu.vram_bytes}
    near = [gpu for gpu, share in apart.items() if share <= _TOLERANCE]
    if not near and found and all(gpu.vram_bytes is None for gpu in found):
        return found[0]
    return min(near, key=lambda gpu: (gpu not in exact, apart[gpu]), default=None)


def parse_memory(text: str) -> float | None:
    """GiB of a text such as "16 GB", "16gib", "8192MiB" (as nvidia-smi writes it) or "16"; None when it is no
    size: "4090" is a card. What is below 0 is a size for whoever checks it."""
    text = text.strip()
    if len(text) > LONGEST_NAME:
        return None
    found = re.fullmatch(
        f"(-?[0-9]+(?:[.,][0-9]+)?)\\s*(?:({MIB_WRITTEN})|{GIB_WRITTEN})?", text, re.IGNORECASE
    )
    size = float(found[1].replace(",", ".")) / (1024 if found[2] else 1) if found else None
    if size is None or not text.isdigit():
        return size
    card = size > _MOST_BARE_GIB or (size > _ODD_ABOVE_GIB and size % _EVEN_GIB)
    return None if card else size
