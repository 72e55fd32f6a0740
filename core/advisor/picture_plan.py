"""The plan of one model of the catalog: of image and video models for a size of the result.

``vramwise.plan`` is ``plan``: OCR models are planned by core.models.request, as they are loaded; all others
as the advisor judges them, every precision with what it needs of GPU memory and RAM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalog.diffusion import DiffusionModel, diffusion_models
from ..catalog.words import said, sized, words
from ..errors import UnknownName, VramwiseError, nearest
from ..hardware.budget import Budget
from ..units import gib
from .candidate import RESIDENT, Candidate, ResultSize
from .diffusion_candidates import measured_need, sized_candidates, use_of
from .diffusion_memory import DiffusionNeed, diffusion_need
from .model_names import model_name
from .models_here import asking, current_model
from .targets import Target, target_of_budget, targets_of

if TYPE_CHECKING:
    from ..planning import Plan

MOST_PIXELS, MOST_FRAMES, MOST_BATCH = 32_768, 100_000, 4096
_PICTURES, _CLIPS = ("image", "edit", "video", "upscale"), ("video",)


@dataclass(frozen=True)
class PicturePlan:
    """One model at every precision, best first, for one size of the result; ``chosen`` is the best that runs
    or the precision that was asked for, None where none does. ``size`` has no None in it.

    ``largest_resident`` and ``largest_streamed`` are the longest clip, or the largest picture of the same
    shape, that ``chosen`` keeps resident and that ComfyUI can stream; None where not even the smallest can.
    """

    model: DiffusionModel
    target: Target
    size: ResultSize
    rows: tuple[tuple[Candidate, DiffusionNeed], ...]
    chosen: Candidate | None
    largest_resident: ResultSize | None = None
    largest_streamed: ResultSize | None = None

    @property
    def verdicts(self) -> tuple[Candidate, ...]:
        return tuple(row for row, _ in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form: that of an OCR model's plan, and what only these models have."""
        size = {"width": self.size.width, "height": self.size.height, "frames": self.size.frames}
        return {
            "model": self.model.id,
            "device": self.target.label,
            "budget_bytes": self.target.comfy_bytes,
            "verdicts": [_verdict(row, need) for row, need in self.rows],
            "chosen": None if self.chosen is None else {"precision": self.chosen.precision},
            "name": self.model.name,
            "size": {**size, "batch": self.size.batch},
            "ram_bytes": self.target.ram_bytes,
            "largest_resident": _told(self.largest_resident),
            "largest_streamed": _told(self.largest_streamed),
        }

    def text(self, lang: str = "en") -> str:
        """Markdown for a person, in "en", "ru" or "zh"."""
        from .report import place_lines, table_lines

        say = words(lang)
        place, made = sized(self.target.label, say), said_size(self.size, self.model, say)
        lines = ["# " + say["plan_title"].format(name=self.model.name, size=made, gpu=place), ""]
        lines += [*place_lines(self.target, say), "", *table_lines(self.verdicts, lang, say), ""]
        lines += self._closing(lang, say)
        return "\n".join([*lines, "", say["advise_end"]]) + "\n"

    def _closing(self, lang: str, say: Any) -> list[str]:
        if self.chosen is None:
            return [say["plan_nothing"]]
        need = next(need for row, need in self.rows if row is self.chosen)
        working = need.sampling_bytes - need.weights_bytes - need.reserve_bytes
        said = {"weights": need.weights_bytes, "working": working, "reserve": need.reserve_bytes}
        lines = [
            say["plan_chosen"].format(precision=self.chosen.precision, reason=self.chosen.reason(lang)),
            "",
        ]
        parts = [say["plan_parts"].format(**{name: gib(value) for name, value in said.items()})]
        decode = "decode" if set(self.model.tasks) & set(_PICTURES) else "decode_whole"  # no tiles of others
        for name, stage in (("encode", need.encode_bytes), (decode, need.decode_bytes)):
            # what is told as 0.0 GiB goes untold
            parts += [say[f"plan_{name}"].format(size=gib(stage))] if gib(stage) != gib(0) else []
        lines.append(("" if lang == "zh" else " ").join(parts))
        for key, size in (("resident", self.largest_resident), ("streamed", self.largest_streamed)):
            if size is not None:
                lines += ["", say[f"plan_largest_{key}"].format(size=said_size(size, self.model, say))]
        return lines


def plan(
    model: str,
    precision: str = "auto",
    *,
    gpu: str | None = None,
    vram_gib: float | None = None,
    budget: Budget | None = None,
    image: tuple[int, int] | None = None,
    batch: int = 1,
    attention: str = "auto",
    quantise_vision: bool = False,
    frames: int | None = None,
    ram_gib: float | None = None,
) -> Plan | PicturePlan:
    """Verdicts for any model of the catalog by id or name, or for a checkpoint of one's own.

    ``gpu``, ``vram_gib`` and ``budget`` as for OCR models; none of them is this machine now. ``image`` is
    (width, height) in pixels of what is read or made (1024 x 1024 for OCR, the model's usual size for all
    others), ``batch`` how many at once, ``frames`` the length of a clip. ``ram_gib`` None is this machine's
    RAM where this machine is asked about, else not judged. ``attention`` and ``quantise_vision`` are for OCR
    models.

    Raises UnknownName for unknown words, with the nearest; VramwiseError for a size that cannot be, a card
    that is sold with several memory sizes, and a forced precision that does not run.
    """
    from ..models import request

    picture_model = named_picture_model(model)
    if picture_model is None:
        if frames is not None:
            raise VramwiseError(f"{model} makes no clips, so it has no frames. Leave them out.")
        try:
            return request.plan(
                model,
                precision,
                gpu=gpu,
                vram_gib=vram_gib,
                budget=budget,
                image=image or (1024, 1024),
                batch=batch,
                attention=attention,
                quantise_vision=quantise_vision,
            )
        except UnknownName as error:
            raise among_all_models(model, error) from error
    if budget is not None:
        targets: Sequence[Target] = (target_of_budget(budget, ram_gib),)
    else:
        targets = targets_of(gpu, vram_gib, ram_gib)
    if len(targets) > 1:
        sizes = " or ".join(f'"{target.label}"' for target in targets)
        raise VramwiseError(f'"{gpu}" is more than one card. Name one: {sizes}.')
    width, height = image or (None, None)
    return picture_plan(picture_model, targets[0], ResultSize(width, height, frames, batch), precision)


def plans_of(
    text: str, targets: Sequence[Target], size: ResultSize, *, live: bool = False
) -> tuple[Plan | PicturePlan, ...]:
    """The plan of "model" or "model@precision" in each place; with ``live`` an OCR model's is that of this
    machine. Raises as ``plan`` does.
    """
    from ..models import request

    name, _, precision = (part.strip() for part in text.partition("@"))
    model = named_picture_model(name)
    if model is not None:
        return tuple(picture_plan(model, target, size, precision) for target in targets)
    image = (size.width or 1024, size.height or 1024)
    if size.frames is not None:
        raise VramwiseError(f"{name} makes no clips, so it has no frames. Leave them out.")
    budgets = [None] if live else [target.budget for target in targets]
    try:
        return tuple(
            request.plan(name, precision or "auto", budget=budget, image=image, batch=size.batch)
            for budget in budgets
        )
    except UnknownName as error:
        raise among_all_models(name, error) from error


def named_picture_model(text: str) -> DiffusionModel | None:
    """The image, video, audio or 3d model that ``text`` names; None for any other word."""
    try:
        known = model_name(text)
    except UnknownName:
        return None
    return next((model for model in diffusion_models() if model.id == known), None)


def among_all_models(text: str, error: UnknownName) -> UnknownName:
    """``error`` of a name that is near no OCR model: with the nearest among all models, if any is."""
    known = [word for model in diffusion_models() for word in (model.id, model.name)]
    near = nearest(text, known)
    if "Did you mean" in str(error) or " is not an OCR model" not in str(error):
        return error
    return UnknownName(said("error_known_model", text=text, near=near))


def picture_plan(
    model: DiffusionModel, target: Target, size: ResultSize, precision: str = "auto"
) -> PicturePlan:
    """The plan of ``model`` in one place. Raises UnknownName for a precision that it has not, VramwiseError
    for a size that it cannot make and for a forced precision that does not run.
    """
    with asking():
        model = current_model(model.id)
    size = _whole(model, size)
    rows = tuple(sized_candidates(target, model, size))
    runs = [row for row, _ in rows if row.usable]
    chosen = runs[0] if runs else None
    if precision not in ("", "auto"):
        wanted = model.of(precision).precision
        chosen = next(row for row, _ in rows if row.precision == wanted)
        if not chosen.usable:
            refused = said(
                "error_picture_refused",
                name=model.name,
                precision=wanted,
                place=target.label,
                reason=chosen.reason,
            )
            names = ", ".join(row.precision for row in runs)
            raise VramwiseError(said("error_would_run", refused=refused, names=names) if runs else refused)
    if chosen is None:
        return PicturePlan(model, target, size, rows, None)
    return PicturePlan(
        model,
        target,
        size,
        rows,
        chosen,
        _largest(model, target, size, chosen.precision, RESIDENT),
        _largest(model, target, size, chosen.precision, (*RESIDENT, "streams")),
    )


def check_kind(model: DiffusionModel, size: ResultSize) -> None:
    """Raise VramwiseError for a side or a length that what ``model`` makes does not have."""
    given = (size.width, size.height)
    if any(given) and not set(model.tasks) & set(_PICTURES):
        raise VramwiseError(said("error_no_size", name=model.name))
    if size.frames is not None and size.frames != 1 and not set(model.tasks) & set(_CLIPS):
        raise VramwiseError(said("error_no_clips", name=model.name))


def _whole(model: DiffusionModel, size: ResultSize) -> ResultSize:
    """``size`` with the model's own figures where none are given. Raises VramwiseError for what cannot be."""
    check_kind(model, size)
    made = ResultSize(
        size.width or model.width, size.height or model.height, size.frames or model.frames, size.batch
    )
    limits = {"width": MOST_PIXELS, "height": MOST_PIXELS, "frames": MOST_FRAMES, "batch": MOST_BATCH}
    for name, most in limits.items():
        value = getattr(size, name)
        if value is not None and not 1 <= value <= most:
            raise VramwiseError(said("error_side", name=name, value=value, most=most))
    return made


def _largest(
    model: DiffusionModel, target: Target, size: ResultSize, precision: str, good: Sequence[str]
) -> ResultSize | None:
    """The longest clip, or the largest picture of that shape, at which the verdict is ``good``."""
    kinds = set(model.tasks)
    clip = bool(kinds & set(_CLIPS)) and model.frames > 1
    if not clip and not kinds & set(_PICTURES):
        return None
    grain = max(1, model.spatial)
    shape = ((size.width or 1) / grain, (size.height or 1) / grain)

    def sized_by(steps: int) -> ResultSize:
        if clip:
            return ResultSize(size.width, size.height, int((steps - 1) * model.temporal) + 1, size.batch)
        width, height = (max(1, round(side * steps / _SCALE)) * grain for side in shape)
        return ResultSize(width, height, size.frames, size.batch)

    def runs(steps: int) -> bool:
        made = sized_by(steps)
        need = diffusion_need(
            model,
            precision,
            width=made.width,
            height=made.height,
            frames=made.frames,
            batch=made.batch,
            system=target.system,
            gpu=target.needing,
        )
        return use_of(measured_need(need, target, model), target).verdict in good

    most = int((MOST_FRAMES - 1) / model.temporal) if clip else int(_SCALE * MOST_PIXELS / grain / max(shape))
    steps = _last(runs, most)
    return sized_by(steps) if steps else None


# Pictures grow in steps of a thirty-second of the size that was asked for.
_SCALE = 32


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The last of 1, 2, ... ``most`` for which ``holds``, which once false stays so; 0 where none."""
    low, high = 0, max(1, most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def said_size(size: ResultSize, model: DiffusionModel, say: Any) -> str:
    """ "1024 x 1024", "832 x 480, 81 frames, 2 at once"; nothing of it for what makes no pictures."""
    parts = []
    if set(model.tasks) & set(_PICTURES):
        parts.append(f"{size.width} x {size.height}")
    if set(model.tasks) & set(_CLIPS):
        parts.append(say["plan_frames"].format(count=size.frames))
    if size.batch > 1 or not parts:
        parts.append(say["plan_at_once"].format(count=size.batch))
    return ", ".join(parts)


def _verdict(row: Candidate, need: DiffusionNeed) -> dict[str, Any]:
    working = need.sampling_bytes - need.weights_bytes - need.reserve_bytes
    return {
        "precision": row.precision,
        "verdict": row.verdict,
        "need_bytes": need.optimal_bytes,
        "weights_bytes": need.weights_bytes,
        "activation_bytes": working,
        "kv_bytes": 0,
        "overhead_bytes": need.reserve_bytes,
        "reason": row.reason(),
        "encode_bytes": need.encode_bytes,
        "decode_bytes": need.decode_bytes,
        "resident_bytes": row.resident_bytes,
        "floor_bytes": row.floor_bytes,
        "ram_bytes": row.ram_bytes,
        "seconds_per_step": row.seconds_per_step,
        "confidence": row.confidence,
    }


def _told(size: ResultSize | None) -> dict[str, Any] | None:
    return None if size is None else {"width": size.width, "height": size.height, "frames": size.frames}
