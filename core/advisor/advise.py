"""What runs on a card, best first, what the next size would bring, and where published figures are wrong.

Advice only: nothing is blocked by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..catalog import ocr_models
from ..errors import VramwiseError
from ..hardware.budget import Budget
from ..option_values import ADVICE_TASKS, check_choice
from .candidates import (
    MODEL_TASKS,
    OCR,
    RESIDENT,
    Candidate,
    candidates,
    diffusion_candidate,
    model_candidates,
    model_name,
    models_of,
    ocr_candidate,
    template_offers,
)
from .gpu_ranking import TOLERANCE, balance, offered_cards, rating
from .published.checks import contradictions
from .published.guide_checks import Check
from .remote_candidates import RemoteCandidate, elsewhere
from .targets import (
    TIERS,
    Target,
    resized,
    target_of_gpu,
    target_of_machine,
    target_of_memory,
    targets_of_text,
)

if TYPE_CHECKING:
    from ..catalog.templates import Template
    from ..hardware import MachineReport

WHICH_GPU, ALL = "which GPU", "all"
TASKS = ADVICE_TASKS
_MOST_CARDS = 12


@dataclass(frozen=True)
class Unlock:
    """A model that a larger card of ``vram_gib`` keeps resident, and what the smaller one did with it."""

    vram_gib: float
    candidate: Candidate
    was: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "vram_gib": self.vram_gib,
            "task": self.candidate.task,
            "model": self.candidate.name,
            "precision": self.candidate.precision,
            "was": self.was,
        }


@dataclass(frozen=True)
class Advice:
    """An answer for one place.

    ``candidates`` holds every model at every precision, best first within its task; ``picks`` those that run.
    ``taken`` are the models of the same graph and the bytes of them that were put aside. ``templates`` are
    those of the ComfyUI around us, each by its own list of files. ``elsewhere`` are OCR models for a server.
    """

    target: Target
    task: str
    candidates: tuple[Candidate, ...]
    unlocks: tuple[Unlock, ...]
    contradictions: tuple[Check, ...]
    taken: tuple[str, ...] = ()
    taken_bytes: int = 0
    templates: tuple[Candidate, ...] = ()
    elsewhere: tuple[RemoteCandidate, ...] = ()

    @property
    def gpu(self) -> str:
        return self.target.label

    @property
    def picks(self) -> tuple[Candidate, ...]:
        return tuple(one for one in self.candidates if one.usable)

    def best(self, task: str) -> Candidate | None:
        """The best pick for a task, None where nothing runs."""
        return next((one for one in self.picks if one.task == task), None)

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form. Bytes are integers; null where nobody knows."""
        return {
            "gpu": self.gpu,
            "picks": [pick_dict(one) for one in self.picks],
            "unlocks_next": [one.to_dict() for one in self.unlocks],
            "contradictions": [one.to_dict() for one in self.contradictions],
            "elsewhere": [one.to_dict() for one in self.elsewhere],
        }

    def table(self) -> dict[str, Any]:
        """``to_dict`` and what does not run, and the templates: everything that the report shows."""
        rows = {"models": self.candidates, "templates": self.templates}
        return {**self.to_dict(), **{name: [pick_dict(one) for one in found] for name, found in rows.items()}}

    def markdown(self, lang: str = "en") -> str:
        """The report a person reads, in "en", "ru" or "zh"."""
        from .report import report

        return report(self, lang)


def pick_dict(candidate: Candidate) -> dict[str, Any]:
    """One row of the JSON."""
    return {
        "task": candidate.task,
        "model": candidate.model,
        "name": candidate.name,
        "precision": candidate.precision,
        "verdict": candidate.verdict,
        "optimal_bytes": candidate.optimal_bytes,
        "resident_bytes": candidate.resident_bytes,
        "floor_bytes": candidate.floor_bytes,
        "ram_bytes": candidate.ram_bytes,
        "licence": candidate.licence,
        "commercial": candidate.commercial,
        "confidence": candidate.confidence,
        "installed": candidate.installed,
        "reason": candidate.reason(),
    }


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
) -> Advice:
    """Advice for a card of the catalog, a memory size, or this machine (``machine``, or looked at now).

    ``also_loaded`` are models of the catalog in the same graph ("flux1-dev" or "flux1-dev@fp8"), or bytes;
    for the task "which GPU" they are the goal. ``installed`` names models (ids) on disk; ``templates`` are
    ComfyUI's, with what is on disk marked; ``served`` is what endpoints are said to serve, by their names.

    Raises UnknownName for a name that is in no list, VramwiseError for a card that is sold with several
    memory sizes when none is said (``advise_each`` answers for all of them).
    """
    every = advise_each(
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
    )
    if len(every) > 1:
        sizes = ", ".join(f'"{one.gpu}"' for one in every)
        raise VramwiseError(f'"{gpu}" is more than one card. Name one of: {sizes}.')
    return every[0]


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
) -> tuple[Advice, ...]:
    """As ``advise``, one answer for each memory size that ``gpu`` is sold with."""
    check_choice("task", task, TASKS)
    if gpu is not None and vram_gib is not None:
        raise VramwiseError("Give a card or a memory size, not both.")
    also = tuple(also_loaded)
    if task == WHICH_GPU:
        return (_which_gpu(also),)
    on_disk = {*installed, *models_of(templates)}
    return tuple(
        _advise(target, task, also, on_disk, installed_only, templates, served)
        for target in _seats(gpu, vram_gib, ram_gib, machine)
    )


def _seats(
    gpu: str | None, vram_gib: float | None, ram_gib: float | None, machine: MachineReport | None
) -> tuple[Target, ...]:
    if gpu is not None:
        return targets_of_text(gpu, ram_gib)
    if vram_gib is not None:
        return (target_of_memory(vram_gib, ram_gib),)
    if machine is None:
        from ..hardware import probe

        machine = probe()
    return (target_of_machine(machine, ram_gib),)


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
    every = _offers(place, task, installed)
    found = tuple(one for one in every if one.installed or not installed_only)
    ready = tuple(one for one in template_offers(place, templates) if one.installed or not installed_only)
    ready = tuple(one for one in ready if task in (ALL, one.task))
    tier = None if target.vram_gib is None else _next_tier(target.vram_gib)
    unlocks = () if tier is None else gains(every, _offers(resized(target, tier).less(taken), task), tier)
    remote = elsewhere(every, served) if task in (ALL, OCR) else ()
    shown = Advice(place, task, found, unlocks, (), names, taken, ready, remote)
    return replace(shown, contradictions=contradictions(_about(shown)))


def _offers(target: Target, task: str, installed: Collection[str] = ()) -> tuple[Candidate, ...]:
    tasks = MODEL_TASKS if task in (ALL, WHICH_GPU) else (task,)
    return tuple(one for each in tasks for one in candidates(target, each, installed))


def _taken(target: Target, also: Sequence[str | int]) -> tuple[tuple[str, ...], int]:
    """Names and bytes of what else lies in the GPU memory: its weights, not what one stage works with."""
    names, total = [], 0
    for one in also:
        if isinstance(one, int):
            total += one
            names.append(f"{one / 1024**3:.1f} GiB")
            continue
        candidate = _named(target, one)
        total += candidate.weights_bytes
        names.append(f"{candidate.name} {candidate.precision}")
    return tuple(names), total


def _named(target: Target, text: str) -> Candidate:
    """The offer that "model@precision" names; without a precision the best one on ``target``."""
    name, _, precision = text.partition("@")
    model = model_name(name)
    if any(row.id == model for row in ocr_models()):
        return ocr_candidate(target, model, precision.strip())
    return (
        diffusion_candidate(target, model, precision.strip())
        if precision
        else model_candidates(target, model)[0]
    )


def _next_tier(vram_gib: float) -> int | None:
    return next((tier for tier in TIERS if tier > vram_gib * (1 + TOLERANCE)), None)


def unlocked(below: Target, tier: int, task: str = ALL) -> tuple[Unlock, ...]:
    """What an empty card of ``tier`` GB keeps resident and ``below`` does not."""
    return gains(_offers(below, task), _offers(resized(below, tier), task), tier)


def gains(before: Iterable[Candidate], after: Iterable[Candidate], tier: int) -> tuple[Unlock, ...]:
    """Models that are resident in ``after`` and not in ``before``, or there only at a coarser precision."""
    held = _resident(before)
    found = []
    for key, candidate in _resident(after).items():
        was = held.get(key)
        if was is None or was.key > candidate.key:
            found.append(Unlock(float(tier), candidate, was.precision if was else ""))
    return tuple(found)


def _resident(found: Iterable[Candidate]) -> dict[tuple[str, str], Candidate]:
    """The best resident offer of each model."""
    best: dict[tuple[str, str], Candidate] = {}
    for one in found:
        if one.verdict in RESIDENT:
            best.setdefault((one.task, one.model), one)
    return best


def _about(advice: Advice) -> set[str]:
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


def _which_gpu(goal: Sequence[str | int]) -> Advice:
    """Cards that reach the goal, best first; every card where there is no goal."""
    target = Target("cards", Budget("cards", "cuda", 0), 0)
    wants = [one for one in goal if isinstance(one, str)]
    found = reaching(wants) if wants else [_card_offer(target_of_gpu(card), None) for card in offered_cards()]
    return Advice(target, WHICH_GPU, tuple(found[:_MOST_CARDS]), (), (), tuple(wants))


def reaching(
    goal: Sequence[str], *, rumoured: bool = False, every: bool = False, streams: bool = False
) -> list[Candidate]:
    """Cards that run all of ``goal`` ("model" or "model@precision"), one at a time, ranked by memory,
    bandwidth and tensor cores.

    ``streams`` counts streaming as running. Raises UnknownName for a model or precision of no row.
    """
    found = []
    for card in offered_cards(rumoured=rumoured, every=every):
        target = target_of_gpu(card)
        needs = [_named(target, one) for one in goal]
        good = (*RESIDENT, "streams") if streams else RESIDENT
        if all(one.verdict in good for one in needs):
            found.append(_card_offer(target, max(needs, key=lambda one: one.optimal_bytes or 0)))
    return found


def _card_offer(target: Target, hardest: Candidate | None) -> Candidate:
    """A card as a pick. ``hardest`` is the largest of the goal."""
    card = target.gpu
    if card is None:
        raise ValueError(target)
    facts: dict[str, Any] = {
        "vram": f"{card.vram_gib:g}",
        "bandwidth": f"{card.bandwidth_gb_s or 0:g}",
        "cores": "?" if card.tensor_cores is None else card.tensor_cores,
        "colour": rating(card),
        "balance": balance(card).verdict,
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
        why="card_goal" if hardest else "card",
        facts=facts,
    )
