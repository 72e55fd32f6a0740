"""What fits on this device now: one verdict a precision, and the choice that `auto` makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalog.precisions import best_first
from ..catalog.precisions import precision as named
from ..catalog.words import joined, said
from ..errors import UnknownName, VramwiseError, nearest
from ..families.blocks import Tensor
from ..families.family import Config, Family
from ..families.pictures import Sides, scaled
from ..families.saved.quantised import saved_quantised
from ..hardware.budget import Budget
from ..hardware.capabilities import Capability, option_for
from ..option_values import ATTENTIONS, KERNELS
from ..units import MIB, gib, megapixels
from .as_saved import Running, how_it_runs
from .corrections import corrections, timing_notes
from .footprint import Correction, Footprint, Term, Workload, need_bytes, weights_term, with_weights
from .plan import GOOD, Choice, Plan, Verdict
from .run_history import Run

# Below this a page of text is not readable whatever the model: a plan does not offer it.
_READABLE_PIXELS = 512 * 512
_MOST_IMAGES = 8
_COMPILED = ("bf16", "fp16")  # precisions whose layers torch.compile takes
_LEAST_FOR_GRAPHS = (7, 0)  # compute capability of Triton, which torch.compile writes kernels with
_EMULATES_BF16 = (7, 0)  # compute capability from which torch and cuBLAS compute bf16 without units for it


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
    shape: Sides | None = None,
    images: int = 1,
    runs: Sequence[Run] = (),
    fast_decode: bool = False,
    choose: bool = True,
) -> Plan:
    """Verdicts for every precision and the choice.

    Planned is for ``images`` pictures of ``pixels`` at once (one of the family's usual size by default), of
    the ``shape`` of a picture of that width and height.
    ``runs`` are earlier ones of this model on this device: where they measured memory, it counts.
    ``fast_decode``: with the cache of fixed size that CUDA graphs need, where they can be had.
    ``choose`` False is for whoever asks after verdicts alone: nothing is chosen, and of what fits nobody
    looks for the largest picture.

    ``available`` says what this machine can run, by the names of precisions, attentions and torchao (for
    int8 on Apple GPUs), with the reason where it cannot; a precision that is not in it can be run,
    flash_attention_2 cannot. Answers of ``new_tokens`` are planned for (the family's longest by default).

    Raises VramwiseError for an unknown or impossible precision or attention, and for a forced precision that
    does not fit, with what would fit. Reads no weights.
    """
    asked = precision
    precision, weights, running = _weights_of(
        config, tensors, budget, available or {}, asked, attention, quantise_vision
    )
    case = _Case(
        family,
        config,
        weights,
        budget,
        new_tokens or family.max_new_tokens,
        max(1, min(pixels or family.default_pixels, family.max_pixels or family.default_pixels)),
        images,
        available or {},
        running,
        fast_decode=fast_decode,
        shape=shape,
        largest=choose,
    )
    chosen_attention, why = _attention(case, precision, attention)
    known = corrections(runs, config, chosen_attention, quantise_vision)
    case = replace(case, measured=known)
    verdicts = tuple(case.verdict(name, chosen_attention) for name in weights)
    said_first = (*_notes_on_saved(running, asked), said("plan_attention", name=chosen_attention, why=why))
    plan = Plan(model, budget.device, budget.budget_bytes, verdicts, None, said_first, budget)
    if not choose:
        return replace(plan, verdicts=_with_remedies(verdicts))
    best = _best(verdicts) if precision == "auto" else _forced(verdicts, precision)
    if best is None or best.max_pixels is None:
        if precision != "auto":
            raise VramwiseError(plan.refusal_of(precision))
        return plan
    choice = case.choice(best.precision, chosen_attention, best.max_pixels)
    notes = (*said_first, *_notes_on_choice(case, choice, runs))
    return replace(plan, verdicts=_with_remedies(verdicts), chosen=choice, notes=notes)


def _weights_of(
    config: Config,
    tensors: Mapping[str, Tensor] | None,
    budget: Budget,
    available: Mapping[str, Capability],
    precision: str,
    attention: str,
    quantise_vision: bool,
) -> tuple[str, dict[str, Term], Running | None]:
    """The precision to decide between, what the weights take at each there is, and how saved ones run."""
    saved = saved_quantised(config)
    precisions = best_first(budget.kind)
    _known("precision", precision, ("auto", *precisions, *([saved.precision] if saved else ())))
    _known("attention", attention, ATTENTIONS)
    if saved is None:
        weights = {name: weights_term(config, tensors, name, quantise_vision) for name in precisions}
        return precision, weights, None
    running = how_it_runs(saved, config, tensors, budget, available)
    return "auto", {saved.precision: running.weights}, running


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
    fast_decode: bool = False
    shape: Sides | None = None
    largest: bool = True

    def workload(self, precision: str, pixels: int, images: int) -> Workload:
        static = self.fast_decode and self.no_fast_decode(precision) is None
        return Workload(
            pixels,
            images,
            new_tokens=self.new_tokens,
            positions=self.family.positions,
            static=static,
            sides=None if self.shape is None else scaled(self.shape, pixels),
        )

    def no_fast_decode(self, precision: str) -> str | None:
        """Why a token's step cannot be a CUDA graph here, as far as that is known before the model is loaded;
        None where it can.
        """
        if self.budget.kind != "cuda" or self.budget.device == "auto":
            return said("plan_graphs_nvidia")
        if precision not in _COMPILED or self.running is not None:
            return said("plan_graphs_precision", precisions=", ".join(_COMPILED))
        if (self.budget.capability or _LEAST_FOR_GRAPHS) < _LEAST_FOR_GRAPHS:
            has = _dotted(self.budget.capability)
            return said(
                "plan_needs_capability", what="torch.compile", wanted=_dotted(_LEAST_FOR_GRAPHS), has=has
            )
        triton = self.available.get("triton")
        return triton.reason if triton is not None and not triton.usable else None

    def footprint(self, precision: str, attention: str, pixels: int, images: int = 1) -> Footprint:
        workload = self.workload(precision, pixels, images)
        known, kind = self.measured.get(precision), self.budget.kind
        weights = self.weights[precision]
        made = with_weights(weights, self.config, precision, workload, attention, kind, known)
        unpacked = self.running.unpacked_bytes if self.running is not None else 0
        return made if not unpacked else made.with_margin(unpacked, "the largest matrix while it is unpacked")

    def need_bytes(self, precision: str, attention: str, pixels: int, images: int = 1) -> int:
        """That of ``footprint``."""
        workload = self.workload(precision, pixels, images)
        known, kind = self.measured.get(precision), self.budget.kind
        unpacked = self.running.unpacked_bytes if self.running is not None else 0
        weights = self.weights[precision]
        return need_bytes(weights, self.config, precision, workload, attention, kind, known) + unpacked

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
        left = room - need.need_bytes
        most = usual if left >= 0 and not self.largest else self.max_pixels(precision, attention)
        if left >= 0:
            tight = left < tight_below(need.weights_bytes)
            most = max(most or 0, usual)
            spare = said("plan_fits_spare", size=gib(left, 2))
            return Verdict(precision, "tight" if tight else "fits", need, spare, most)
        if most is None:
            least = self.need_bytes(precision, attention, self._least_pixels())
            pixels = megapixels(self._least_pixels())
            missing = said("plan_short", size=gib(least - room, 2), megapixels=pixels)
            return Verdict(precision, "no", need, missing, None)
        if most < usual:
            reason = said("plan_only_pictures", megapixels=megapixels(most), asked=megapixels(usual))
            return Verdict(precision, "reduced", need, reason, most)
        at_once = self.micro_batch(precision, attention, usual)
        reason = said("plan_only_at_once", count=at_once, asked=self.images)
        return Verdict(precision, "reduced", need, reason, most)

    def max_pixels(self, precision: str, attention: str) -> int | None:
        """The largest picture that fits, in steps of the family's grid; None when not even a small one."""
        room, grain = self.budget.budget_bytes, (self.family.factor or 256) ** 2
        low = -(-self._least_pixels() // grain)
        high = max(low, max(self.family.max_pixels, self.family.default_pixels) // grain)

        def spare(steps: int) -> int:
            return room - self.need_bytes(precision, attention, steps * grain)

        spare_low, spare_high = spare(low), spare(high)
        if spare_low < 0:
            return None
        if spare_high >= 0:
            return high * grain
        # What is needed grows nearly evenly: by the line between the two ends few sizes have to be asked, and
        # each third time the middle, so that no bend makes it many.
        for asked in itertools.count(1):
            if high - low <= 1:
                break
            share = spare_low / (spare_low - spare_high) if asked % 3 else 0.5
            middle = min(high - 1, max(low + 1, low + int(share * (high - low))))
            found = spare(middle)
            if found >= 0:
                low, spare_low = middle, found
            else:
                high, spare_high = middle, found
        return low * grain

    def micro_batch(self, precision: str, attention: str, pixels: int) -> int:
        room = self.budget.budget_bytes
        for images in range(_MOST_IMAGES, 1, -1):
            if self.need_bytes(precision, attention, pixels, images) <= room:
                return images
        return 1

    def choice(self, precision: str, attention: str, max_pixels: int) -> Choice:
        """``precision``, with as many pictures of the usual size at once as there is room for."""
        at_once = self.micro_batch(precision, attention, min(self.usual, max_pixels))
        return Choice(
            precision,
            attention,
            max_pixels,
            min(at_once, self.images) if self.images > 1 else at_once,
            self.running.runs if self.running is not None and self.running.runs != precision else "",
            self.workload(precision, self.usual, 1).static,
        )

    @property
    def emulates_bf16(self) -> bool:
        """Whether bf16 is computed by emulation: the model overflows fp16, and the card has no bf16."""
        if self.budget.kind != "cuda" or not self.family.fp16_overflows:
            return False
        return _EMULATES_BF16 <= (self.budget.capability or (8, 0)) < (8, 0)

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
        if self.emulates_bf16 and precision == "bf16":
            return None
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


def _notes_on_choice(case: _Case, choice: Choice, runs: Sequence[Run]) -> Iterator[str]:
    """What whoever loads this choice should know: how it computes, how fast it was here, CUDA graphs."""
    family, precision = case.family, choice.precision
    in_fp16 = choice.computed.startswith("fp16")
    if in_fp16 and family.dtype_note:
        yield family.dtype_note
    if case.emulates_bf16 and not in_fp16:
        yield said("plan_bf16_emulated", name=family.name, has=_dotted(case.budget.capability))
    if precision == "fp32":
        yield said("plan_fp32_note")
    yield from timing_notes(runs, precision)
    if case.fast_decode:
        why_not = case.no_fast_decode(precision)
        yield said("plan_fast_decode") if why_not is None else said("plan_no_fast_decode", why=why_not)


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
