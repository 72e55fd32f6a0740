"""What runs on a card, best first, what the next size would bring, and where published figures are wrong.

Advice only: nothing is blocked by it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from ..catalog.gpus import GPU, parse_memory
from ..catalog.words import said
from ..errors import UnknownName, VramwiseError, nearest
from ..hardware.budget import SYSTEMS, Budget
from ..option_values import check_choice
from ..units import figure, gib_text
from .candidate import RESIDENT, Candidate
from .candidates import candidates_of_task, named_candidate
from .diffusion_candidates import models_of, template_candidates
from .gpu_ranking import CLASSES, TOLERANCE, balance, class_of, has_bf16, offered_cards, rating
from .models_here import asking
from .own_faults import own_faults
from .targets import TIERS, Target, resized, target_of_gpu, targets_of
from .tasks import ALL, MODEL_TASKS, OCR, TASKS, WHICH_GPU
from .unlocks import Unlock, gained, next_tier

if TYPE_CHECKING:
    from ..catalog.own.rows import Fault
    from ..catalog.templates import Template
    from ..hardware import MachineReport
    from .published.checks import Check
    from .remote_candidates import RemoteCandidate

_MOST_CARDS = 12


@dataclass(frozen=True)
class Advice:
    """An answer for one place.

    ``candidates`` holds every model at every precision, best first within its task; ``picks`` those that run.
    ``taken`` are the models of the same graph and the bytes of them that were put aside. ``templates`` are
    those of the ComfyUI around us, each by its own list of files. ``elsewhere`` makes ``remote``; ``cut``
    counts the cards that are not listed. What the five lines do not tell is computed when it is asked for.
    """

    target: Target
    task: str
    candidates: tuple[Candidate, ...]
    unlocks: tuple[Unlock, ...]
    taken: tuple[str, ...] = ()
    taken_bytes: int = 0
    templates: tuple[Candidate, ...] = ()
    elsewhere: Callable[[], tuple[RemoteCandidate, ...]] | None = None
    cut: int = 0

    @functools.cached_property
    def contradictions(self) -> tuple[Check, ...]:
        """Where printed tables differ, of what this answer is about."""
        from .published.checks import contradictions

        return () if self.task == WHICH_GPU else contradictions(_subjects(self))

    @functools.cached_property
    def remote(self) -> tuple[RemoteCandidate, ...]:
        """OCR models for a server."""
        return () if self.elsewhere is None else self.elsewhere()

    @property
    def own_faults(self) -> tuple[Fault, ...]:
        """What of the person's own rows is not used."""
        return own_faults()

    @property
    def gpu(self) -> str:
        return self.target.label

    @functools.cached_property
    def picks(self) -> tuple[Candidate, ...]:
        return tuple(candidate for candidate in self.candidates if candidate.usable)

    def best(self, task: str) -> Candidate | None:
        """The best pick for a task, None where nothing runs."""
        return next((pick for pick in self.picks if pick.task == task), None)

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form. Bytes are integers; null where nobody knows; "set_by_hand" only where
        config.yaml sets the memory, "own_rows" where rows of the person's are not used.
        """
        by_hand = self.target.budget.set_by_hand
        return {
            "gpu": self.gpu,
            "picks": [pick.to_dict() for pick in self.picks],
            "unlocks_next": [unlock.to_dict() for unlock in self.unlocks],
            "contradictions": [check.to_dict() for check in self.contradictions],
            "elsewhere": [candidate.to_dict() for candidate in self.remote],
            "system": self.target.system,
            "vram_gib": self.target.vram_gib,
            "comfy_bytes": self.target.comfy_bytes,
            "budget_bytes": self.target.budget.budget_bytes,
            **({"set_by_hand": by_hand} if by_hand else {}),
            **({"own_rows": [fault.text() for fault in self.own_faults]} if self.own_faults else {}),
        }

    def table(self) -> dict[str, Any]:
        """``to_dict`` and what does not run, and the templates: everything that the report shows."""
        rows = {"models": self.candidates, "templates": self.templates}
        return {**self.to_dict(), **{key: [row.to_dict() for row in found] for key, found in rows.items()}}


def advise(
    *,
    gpu: str | None = None,
    vram_gib: float | None = None,
    task: str = ALL,
    ram_gib: float | None = None,
    also_loaded: Iterable[str | int] = (),
    installed: Collection[str] = (),
    installed_only: bool = False,
    templates: Sequence[Template] = (),
    served: Mapping[str, str] | None = None,
    machine: MachineReport | None = None,
    system: str | None = None,
) -> Advice:
    """Advice for a card of the catalog, a memory size, or this machine (``machine``, or looked at now).

    ``also_loaded`` are models of the catalog in the same graph ("flux1-dev" or "flux1-dev@fp8"), or bytes;
    for the task "which GPU" they are the goal. ``installed`` names models (ids) on disk; ``templates`` are
    ComfyUI's, with what is on disk marked; ``machine`` beside a card lends it this machine's RAM where it is
    the machine's own; ``served`` is what endpoints are said to serve, by their names.
    ``system`` ("linux", "windows") is what an empty card runs under, the running one where it is None.

    Raises UnknownName for a name that is in no list, VramwiseError for a card that is sold with several
    memory sizes when none is said (``advise_each`` answers for all of them).
    """
    answers = advise_each(
        gpu=gpu,
        vram_gib=vram_gib,
        task=task,
        ram_gib=ram_gib,
        also_loaded=also_loaded,
        installed=installed,
        installed_only=installed_only,
        templates=templates,
        served=served,
        machine=machine,
        system=system,
    )
    if len(answers) > 1:
        sizes = ", ".join(f'"{answer.gpu}"' for answer in answers)
        raise VramwiseError(f'"{gpu}" is more than one card. Name one of: {sizes}.')
    return answers[0]


def advise_each(
    *,
    gpu: str | None = None,
    vram_gib: float | None = None,
    task: str = ALL,
    ram_gib: float | None = None,
    also_loaded: Iterable[str | int] = (),
    installed: Collection[str] = (),
    installed_only: bool = False,
    templates: Sequence[Template] = (),
    served: Mapping[str, str] | None = None,
    machine: MachineReport | None = None,
    system: str | None = None,
) -> tuple[Advice, ...]:
    """As ``advise``, one answer for each memory size that ``gpu`` is sold with."""
    check_choice("task", task, TASKS)
    if gpu is not None and vram_gib is not None:
        raise VramwiseError("Give a card or a memory size, not both.")
    also = _several(also_loaded)
    if system is not None:
        check_choice("system", system, SYSTEMS)
    with asking(templates):
        if task == WHICH_GPU:
            return (which_gpu(also),)
        on_disk = {*installed, *models_of(templates)}
        return tuple(
            _advise(target, task, also, on_disk, installed_only, templates, served)
            for target in targets_of(gpu, vram_gib, ram_gib, machine, system)
        )


def _several(also_loaded: Any) -> tuple[str | int, ...]:
    """Names and bytes, of which one alone needs no list. Raises VramwiseError for what is neither."""
    if also_loaded is None:
        return ()
    also = (also_loaded,) if isinstance(also_loaded, str | Real) else tuple(also_loaded)
    for loaded in also:
        if not (isinstance(loaded, str) or (type(loaded) is int and loaded >= 0)):
            raise VramwiseError(said("error_also_loaded", given=f"{loaded!r:.60}"))
    return also


def places_beside(
    gpu: str | None, ram_gib: float | None, machine: MachineReport | None, also: Sequence[str | int]
) -> tuple[Target, ...]:
    """The places that are asked about, each without what else is loaded there."""
    found = targets_of(gpu, None, ram_gib, machine)
    return tuple(target.less(_taken(target, also)[1]) for target in found)


def _advise(
    target: Target,
    task: str,
    also: Sequence[str | int],
    installed: Collection[str],
    installed_only: bool,
    templates: Sequence[Template],
    served: Mapping[str, str] | None,
) -> Advice:
    names, taken = _taken(target, also)
    place = target.less(taken)
    every = candidates_of_task(place, task, installed)
    of_templates = [row for row in template_candidates(place, templates) if task in (ALL, row.task)]
    tier = None if target.vram_gib is None else next_tier(target.vram_gib)
    unlocks: tuple[Unlock, ...] = ()
    if tier is not None:
        unlocks = gained(every, resized(target, tier).less(taken), tier, task)
    return Advice(
        target=place,
        task=task,
        candidates=tuple(row for row in every if row.installed or not installed_only),
        unlocks=unlocks,
        taken=names,
        taken_bytes=taken,
        templates=tuple(row for row in of_templates if row.installed or not installed_only),
        elsewhere=functools.partial(_elsewhere, every, served) if task in (ALL, OCR) else None,
    )


def _elsewhere(every: Sequence[Candidate], served: Mapping[str, str] | None) -> tuple[RemoteCandidate, ...]:
    from .remote_candidates import remote_candidates

    return remote_candidates(every, served)


def _taken(target: Target, also: Sequence[str | int]) -> tuple[tuple[str, ...], int]:
    """Names and bytes of what else lies in the GPU memory: its weights, not what one stage works with."""
    names: list[str] = []
    total = 0
    for loaded in also:
        if isinstance(loaded, int):
            total += loaded
            names.append(gib_text(loaded))
            continue
        candidate = named_candidate(target, loaded)
        total += candidate.weights_bytes
        names.append(f"{candidate.name} {candidate.precision}")
    return tuple(names), total


def _subjects(advice: Advice) -> set[str]:
    """What the published cells must be about to be told: the card, its tier, the best models, precisions."""
    target = advice.target
    names = {target.label} if target.gpu is None else {target.gpu.label}
    if target.vram_gib:
        below = (tier for tier in TIERS if tier <= target.vram_gib * (1 + TOLERANCE))
        names.add(f"{max(below, default=4)} GB")
    names |= {best.model for task in MODEL_TASKS if (best := advice.best(task)) is not None}
    if advice.best(OCR) is not None:
        names |= {"INT8", "INT4", "Flash Attention 2"}
    return names


# --- choosing a card -------------------------------------------------------------------------------------


def which_gpu(
    goal: Sequence[str | int], tier: str = "", max_watts: float | None = None, vendor: str = ""
) -> Advice:
    """Cards that reach the goal, best first; every card where there is no goal.

    ``tier`` is one of gpu_ranking.CLASSES, or a memory size ("24 GB") that a card has to have at least;
    ``max_watts`` leaves out cards that take more, or of which nobody says; ``vendor`` all other makers.

    Raises UnknownName for another tier or maker.
    """
    target = Target("cards", Budget("cards", "cuda", 0), 0)
    wants = [name for name in goal if isinstance(name, str)]
    every = bool(wants or tier or max_watts or vendor)
    cards = [
        card
        for card in offered_cards(every=every)
        if _asked_for(card, tier, vendor) and (max_watts is None or (card.tdp_w or math.inf) <= max_watts)
    ]
    if every and not tier:
        cards = [card for card in cards if class_of(card) != "laptop"]
    found = (
        reaching(wants, cards) if wants else [_card_candidate(target_of_gpu(card), None) for card in cards]
    )
    if every:
        found.sort(key=_offered_first)
    cut = max(0, len(found) - _MOST_CARDS)
    return Advice(target, WHICH_GPU, tuple(found[:_MOST_CARDS]), (), tuple(wants), cut=cut)


def _asked_for(card: GPU, tier: str, vendor: str) -> bool:
    makers = {maker.casefold(): maker for maker in ("NVIDIA", "AMD", "Intel", "Apple")}
    if vendor and vendor.casefold() not in makers:
        raise UnknownName(
            f'"{vendor}" makes no card of the catalog.{nearest(vendor, makers.values())} '
            f"Use one of: {', '.join(makers.values())}.",
            key="error_vendor",
            vendor=vendor,
            near=nearest(vendor, makers.values()),
            known=", ".join(makers.values()),
        )
    if vendor and card.vendor.casefold() != vendor.casefold():
        return False
    size = parse_memory(tier) if tier else None
    if tier and size is None and tier not in CLASSES:
        raise UnknownName(
            f'There is no tier "{tier}".{nearest(tier, CLASSES)} Use one of: {", ".join(CLASSES)}, '
            'or a size such as "24 GB".',
            key="error_tier",
            tier=tier,
            near=nearest(tier, CLASSES),
            known=", ".join(CLASSES),
        )
    if size is not None:
        return (card.vram_gib or 0) >= size * (1 - TOLERANCE)
    return not tier or class_of(card) == tier


def _offered_first(candidate: Candidate) -> tuple[bool, int]:
    """Cards that compute bf16 before those that do not; then by where they are at home."""
    facts = candidate.facts() if callable(candidate.facts) else candidate.facts
    return (not facts["bf16"], CLASSES.index(facts["class"]))


def reaching(goal: Sequence[str], cards: Iterable[GPU], streams: bool = False) -> list[Candidate]:
    """Those of ``cards``, in their order, that run all of ``goal`` ("model" or "model@precision").

    ``streams`` counts streaming as running. Raises UnknownName for a model or precision of no row.
    """
    found = []
    for card in cards:
        target = target_of_gpu(card)
        needs = [named_candidate(target, name) for name in goal]
        good = (*RESIDENT, "streams") if streams else RESIDENT
        if all(need.verdict in good for need in needs):
            hardest = max(needs, key=lambda need: need.optimal_bytes or 0)
            found.append(_card_candidate(target, hardest))
    return found


def _card_candidate(target: Target, hardest: Candidate | None) -> Candidate:
    """A card as a pick. ``hardest`` is the largest of the goal."""
    card = target.gpu
    if card is None:
        raise ValueError(target)
    facts: dict[str, Any] = {
        "vram": figure(card.vram_gib or 0),
        "bandwidth": figure(card.bandwidth_gb_s or 0),
        "cores": "?" if card.tensor_cores is None else card.tensor_cores,
        "colour": rating(card),
        "balance": balance(card).verdict,
        "class": class_of(card),
        "watts": "?" if card.tdp_w is None else card.tdp_w,
        "bf16": has_bf16(card),
    }
    if hardest is not None:
        facts |= {"goal": f"{hardest.name} {hardest.precision}", "reached": hardest.verdict}
    return Candidate(
        task=WHICH_GPU,
        model=card.label,
        name=card.label,
        precision=hardest.precision if hardest else "",
        verdict="fits" if hardest is None else hardest.verdict,
        optimal_bytes=hardest.optimal_bytes if hardest else None,
        resident_bytes=hardest.resident_bytes if hardest else None,
        floor_bytes=hardest.floor_bytes if hardest else None,
        licence="",
        commercial="",
        confidence="computed",
        why=("card_goal" if hardest else "card") + ("" if has_bf16(card) else "_no_bf16"),
        facts=facts,
    )
