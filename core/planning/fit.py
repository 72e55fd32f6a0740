"""What fits on this device now: one verdict a precision, and the choice that `auto` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalog.precisions import best_first
from ..catalog.precisions import precision as named
from ..catalog.words import joined, said
from ..errors import UnknownName, VramwiseError, nearest
from ..families.blocks import Tensor
from ..families.family import Config, Family
from ..families.saved_quantised import saved_quantised
from ..hardware.budget import Budget
from ..hardware.capabilities import Capability, option_for
from ..option_values import ATTENTIONS, KERNELS
from ..units import MIB, gib
from .as_saved import Running, how_it_runs
from .corrections import corrections, timing_notes
from .footprint import Correction, Footprint, Term, Workload, weights_term, with_weights
from .plan import GOOD, Choice, Plan, Verdict
from .run_history import Run

# Below this a page of text is not readable whatever the model: a plan does not offer it.
_READABLE_PIXELS = 512 * 512
_MOST_IMAGES = 8


def tight_below(weights_bytes: int) -> int:
    """Spare bytes below which a load is tight: ComfyUI makes room for 1.1 x the weights and keeps 400 MiB
    more (model_management.load_models_gpu). Of our models and of image and video models alike.
    """
    return weights_bytes // 10 + 400 * MIB


def make_plan(
    model: str,
    family: Family,
    config: Config,
    tensors: Mapping[str, Tensor] | None,
    budget: Budget,
    precision: str = "auto",
    attention: str = "auto",
    available: Mapping[str, Capability] | None = None,
    *,
    quantise_vision: bool = False,
    new_tokens: int | None = None,
    pixels: int | None = None,
    images: int = 1,
    runs: Sequence[Run] = (),
) -> Plan:
    """Verdicts for every precision and the choice.

    Planned is for ``images`` pictures of ``pixels`` at once (one of the family's usual size by default).
    ``runs`` are earlier ones of this model on this device: where they measured memory, it counts.

    ``available`` says what this machine can run, by the names of precisions, attentions and torchao (for
    int8 on Apple GPUs), with the reason where it cannot; a precision that is not in it can be run,
    flash_attention_2 cannot. Answers of ``new_tokens`` are planned for (the family's longest by default).

    Raises VramwiseError for an unknown or impossible precision or attention, and for a forced precision that
    does not fit, with what would fit. Reads no weights.
    """
    precisions = best_first(budget.kind)
    saved = saved_quantised(config)
    _known("precision", precision, ("auto", *precisions, *([saved.precision] if saved else ())))
    _known("attention", attention, ATTENTIONS)
    asked, running = precision, None
    if saved is None:
        weights = {name: weights_term(config, tensors, name, quantise_vision) for name in precisions}
    else:
        running = how_it_runs(saved, config, tensors, budget, available or {})
        precision, precisions, weights = "auto", (saved.precision,), {saved.precision: running.weights}
    usual = max(1, min(pixels or family.default_pixels, family.max_pixels or family.default_pixels))
    case = _Case(
        family,
        config,
        weights,
        budget,
        new_tokens or family.max_new_tokens,
        usual,
        images,
        available or {},
        running,
    )
    notes = list(_notes_on_saved(running, asked))
    chosen_attention, why = _attention(case, precision, attention)
    notes.append(said("plan_attention", name=chosen_attention, why=why))
    known = corrections(runs, config, chosen_attention, quantise_vision)
    case = replace(case, measured=known)
    verdicts = tuple(case.verdict(name, chosen_attention) for name in precisions)
    best = _best(verdicts) if precision == "auto" else _forced(verdicts, precision)
    plan = Plan(model, budget.device, budget.budget_bytes, verdicts, None, tuple(notes), budget)
    if best is None or best.max_pixels is None:
        if precision != "auto":
            raise VramwiseError(plan.refusal_of(precision))
        return plan
    plan = replace(plan, verdicts=_with_remedies(verdicts))
    computes = running.runs if running is not None and running.runs != best.precision else ""
    if (computes or best.precision).startswith("fp16") and family.dtype_note:
        notes.append(family.dtype_note)
    if best.precision == "fp32":
        notes.append(said("plan_fp32_note"))
    notes += timing_notes(runs, best.precision)
    at_once = case.micro_batch(best.precision, chosen_attention, min(usual, best.max_pixels))
    choice = Choice(
        best.precision,
        chosen_attention,
        best.max_pixels,
        min(at_once, images) if images > 1 else at_once,
        computes,
    )
    return replace(plan, chosen=choice, notes=tuple(notes))


@dataclass(frozen=True)
class _Case:
    family: Family
    config: Config
    weights: Mapping[str, Term]
    budget: Budget
    new_tokens: int
    usual: int
    images: int
    available: Mapping[str, Capability]
    running: Running | None = None
    measured: Mapping[str, Correction] = field(default_factory=dict)

    def footprint(self, precision: str, attention: str, pixels: int, images: int = 1) -> Footprint:
        workload = Workload(pixels, images, new_tokens=self.new_tokens)
        known, kind = self.measured.get(precision), self.budget.kind
        weights = self.weights[precision]
        made = with_weights(weights, self.config, precision, workload, attention, kind, known)
        unpacked = self.running.unpacked_bytes if self.running is not None else 0
        return made if not unpacked else made.with_margin(unpacked, "the largest matrix while it is unpacked")

    def verdict(self, precision: str, attention: str) -> Verdict:
        """The verdict, and what computes where that is not ``precision``."""
        found = self._verdict(precision, attention)
        runs = self.running.runs if self.running is not None else precision
        if runs == precision or found.verdict == "unavailable":
            return found
        return replace(found, reason=said("plan_runs_as", reason=found.reason, runs=runs))

    def _verdict(self, precision: str, attention: str) -> Verdict:
        usual, room = self.usual, self.budget.budget_bytes
        need = self.footprint(precision, attention, usual, self.images)
        cannot = self._cannot(precision)
        if cannot is not None:
            return Verdict(precision, "unavailable", need, cannot, None)
        most = self.max_pixels(precision, attention)
        left = room - need.need_bytes
        if left >= 0:
            tight = left < tight_below(need.weights_bytes)
            most = max(most or 0, usual)
            spare = said("plan_fits_spare", size=gib(left, 2))
            return Verdict(precision, "tight" if tight else "fits", need, spare, most)
        if most is None:
            least = self.footprint(precision, attention, self._least_pixels()).need_bytes
            megapixels = f"{self._least_pixels() / 1e6:.1f}"
            missing = said("plan_short", size=gib(least - room, 2), megapixels=megapixels)
            return Verdict(precision, "no", need, missing, None)
        if most < usual:
            reason = said("plan_only_pictures", megapixels=f"{most / 1e6:.1f}", asked=f"{usual / 1e6:.1f}")
            return Verdict(precision, "reduced", need, reason, most)
        at_once = self.micro_batch(precision, attention, usual)
        reason = said("plan_only_at_once", count=at_once, asked=self.images)
        return Verdict(precision, "reduced", need, reason, most)

    def max_pixels(self, precision: str, attention: str) -> int | None:
        """The largest picture that fits, in steps of the family's grid; None when not even a small one."""
        room, grain = self.budget.budget_bytes, (self.family.factor or 256) ** 2
        low = -(-self._least_pixels() // grain)
        high = max(low, max(self.family.max_pixels, self.family.default_pixels) // grain)

        def fits(steps: int) -> bool:
            return self.footprint(precision, attention, steps * grain).need_bytes <= room

        if not fits(low):
            return None
        if fits(high):
            return high * grain
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return low * grain

    def micro_batch(self, precision: str, attention: str, pixels: int) -> int:
        room = self.budget.budget_bytes
        for images in range(_MOST_IMAGES, 1, -1):
            if self.footprint(precision, attention, pixels, images).need_bytes <= room:
                return images
        return 1

    def _least_pixels(self) -> int:
        wanted = max(self.family.min_pixels, _READABLE_PIXELS)
        return min(wanted, self.usual)

    def _cannot(self, precision: str) -> str | None:
        """Why ``precision`` cannot be run here, or None when it can."""
        if self.running is not None:
            return self.running.refused
        found = self.available.get(option_for(precision, self.budget.kind))
        if found is not None and not found.usable:
            return found.reason
        if self.budget.kind == "mps" and precision == "int4":
            return said("plan_mps_int4")
        least = named(precision).min_capability
        if self.budget.kind == "cuda" and least and self.budget.capability and self.budget.capability < least:
            wanted, has = _dotted(least), _dotted(self.budget.capability)
            return said("plan_needs_capability", what=precision, wanted=wanted, has=has)
        return None


def _notes_on_saved(running: Running | None, asked: str) -> Iterator[str]:
    """What the folder is, and that another precision was asked for than it can be read at."""
    if running is None:
        return
    if running.refused is None:
        yield running.note
    if not running.saved.is_asked(asked):
        only = f"a folder saved as {running.saved.label} is read only as {running.runs}"
        yield f"{asked} was asked for, and {only}."


def _attention(case: _Case, precision: str, asked: str) -> tuple[str, str]:
    """The implementation and why. Raises VramwiseError where the one asked for cannot run."""
    family = case.family
    missing: list[str] = []
    if asked != "auto":
        why_not = _attention_problem(case, precision, asked)
        if why_not is not None:
            raise VramwiseError(
                f"{asked} cannot be used for {family.name} here: {why_not}. Set attention to auto."
            )
        return asked, said("plan_as_asked")
    for name in KERNELS:
        why_not = _attention_problem(case, precision, name)
        if why_not is None:
            return name, joined(missing, "plan_also") if missing else said("plan_fastest")
        missing.append(why_not)
    raise VramwiseError(f"No attention implementation can run {family.name} here: {'; '.join(missing)}.")


def _attention_problem(case: _Case, precision: str, name: str) -> str | None:
    if name not in case.family.attention:
        return said("plan_no_implementation", family=case.family.name, name=name)
    found = case.available.get(name)
    if found is not None and not found.usable:
        return found.reason
    if name != "flash_attention_2":
        return None
    if case.budget.kind not in ("cuda", "rocm"):
        return said("plan_flash_gpus")
    if case.budget.kind == "cuda" and (case.budget.capability or (0, 0)) < (8, 0):
        has = _dotted(case.budget.capability)
        return said("plan_needs_capability", what="flash_attention_2", wanted="8.0", has=has)
    if precision == "fp32":
        return said("plan_flash_fp32")
    return None if found is not None else said("plan_not_installed", name="flash-attn")


def _best(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The best quality for pictures of the usual size; where none takes them, the one for the largest."""
    offered = [verdict for verdict in verdicts if named(verdict.precision).offered == "always"]
    for verdict in offered:
        if verdict.verdict in GOOD:
            return verdict
    reduced = [verdict for verdict in offered if verdict.verdict == "reduced"]
    return max(reduced, key=lambda verdict: verdict.max_pixels or 0, default=None)


def _with_remedies(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """What does not fit says what would."""
    would = next((verdict.precision for verdict in verdicts if verdict.verdict in (*GOOD, "reduced")), None)
    return tuple(
        replace(verdict, reason=said("plan_would_fit", reason=verdict.reason, precision=would))
        if would and verdict.verdict == "no"
        else verdict
        for verdict in verdicts
    )


def _forced(verdicts: tuple[Verdict, ...], precision: str) -> Verdict | None:
    found = next(verdict for verdict in verdicts if verdict.precision == precision)
    return found if found.verdict not in ("no", "unavailable") else None


def _known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnknownName(
            said("error_word", name=name, value=value, near=nearest(value, known), known=", ".join(known))
        )


def _dotted(capability: tuple[int, int] | None) -> str:
    return said("plan_capability_unknown") if capability is None else ".".join(map(str, capability))
