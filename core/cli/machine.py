"""The verb that looks at this machine: ``vramwise check-gpu``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, ocr_models
from ..catalog.words import in_language, words, written
from ..errors import UnknownName, VramwiseError, nearest
from ..units import figure, gib_text, megapixels
from .json_answers import add_lang, say_edition, say_object
from .terminal import say, say_lines

if TYPE_CHECKING:  # imported where they are used: the other verbs start without them
    from ..hardware.budget import Budget
    from ..hardware.capabilities import Capability
    from ..hardware.health import Finding
    from ..hardware.report import DeviceReport, MachineReport

# The findings that answer "why is there no CUDA", by their codes.
_NO_CUDA = ("driver_error", "old_driver", "torch_without_cuda", "torch_lost_cuda")
_MOST_WAITING = 3  # models that are named as waiting for a package


def add_verbs(verbs: Any) -> None:
    """Add ``check-gpu`` to the parser's verbs."""
    check = verbs.add_parser("check-gpu", help="what this machine has, what is wrong with it, what fits")
    add_lang(check)
    check.add_argument("--device", default="auto", metavar="ID", help="cuda:1, cpu, ...; default: auto")
    check.add_argument("--json", action="store_true", help="print everything as JSON")
    check.set_defaults(run=_check)


def _machine_asked(device: str, lang: str) -> MachineReport:
    """The machine with ``device`` chosen: another device's answer would be taken for this one's.

    Raises, in ``lang``, UnknownName for one that is not here and VramwiseError for one that torch cannot use.
    """
    from ..models.place import machine_now

    report, spoken = machine_now(device), words(lang)
    for remark in report.remarks:
        values = dict(remark.values)
        if remark.code == "absent":
            values["near"] = nearest(device, [found.id for found in report.devices]) if lang == "en" else ""
            raise UnknownName(spoken["check_no_such_device"].format(**values))
        if remark.code == "unusable":
            raise VramwiseError(spoken["check_unusable_device"].format(**values))
    return report


@dataclass(frozen=True)
class Recommended:
    """A model that fits now, at its best precision. ``bytes`` is what weights, one usual picture and its text
    need (0 for an engine that takes no memory of the card); ``max_pixels`` is None where usual pictures
    fit.
    """

    model: str
    name: str
    precision: str
    bytes: int
    max_pixels: int | None = None


@dataclass(frozen=True)
class Recommendation:
    """What to read with on this machine: ``now`` what its packages run at a page's speed, the largest first;
    ``waiting`` what would fit, with the package that is missing; ``slow`` what would fit the RAM and take
    minutes a page, the smallest first.
    """

    now: tuple[Recommended, ...]
    waiting: tuple[tuple[Recommended, str], ...] = ()
    slow: tuple[Recommended, ...] = ()


def recommended(report: MachineReport) -> Recommendation:
    """The models of the catalog on the chosen device now, at their best precision that this Python can run.
    What ComfyUI could evict counts as free.
    """
    from ..hardware.budget import budget_of_machine
    from ..hardware.capabilities import option_for, tesseract

    budget, device = budget_of_machine(report, ask=True), report.device
    flash = {"flash_attention_2": device.flash_attention}
    installed = {**report.options, **flash}
    now: list[Recommended] = []
    waiting: list[tuple[Recommended, str]] = []
    for row in ocr_models():
        if budget is None or not row.repo:
            continue
        usable = _fitting(row, budget, installed)
        if usable is not None:
            now.append(usable)
        could = _fitting(row, budget, flash)
        if could is not None and (usable is None or could.precision != usable.precision):
            lacking = installed.get(option_for(could.precision, device.kind))
            if lacking is not None and not lacking.usable:
                waiting.append((could, lacking.reason))
    now.sort(key=lambda model: -model.bytes)
    waiting.sort(key=lambda pair: -pair[0].bytes)
    simple = tuple(
        Recommended(row.id, row.name, "", 0)
        for row in ocr_models()
        if row.runs_on == "cpu" and (row.id != "tesseract" or tesseract().usable)
    )
    if device.kind == "cpu":
        return Recommendation(simple, slow=tuple(reversed(now)))
    return Recommendation((*now, *(() if now else simple)), tuple(waiting))


def _fitting(row: OCRModel, budget: Budget, available: Mapping[str, Capability]) -> Recommended | None:
    """``row`` at the best precision that fits; None where none does."""
    from ..models.request import ModelRequest, plan_resolved
    from ..models.resolved import resolve_known
    from ..settings import load_settings

    resolved = resolve_known(row, load_settings())
    if resolved is None:
        return None
    plan = plan_resolved(ModelRequest(row.id), resolved, budget, available=available)
    if plan.chosen is None or plan.chosen.computed != plan.chosen.precision:
        return None  # unpacked to 16 bit it is the model of another row once more
    verdict = plan.verdict(plan.chosen.precision)
    need = verdict.footprint.need_bytes if verdict.footprint else 0
    limit = plan.chosen.max_pixels if verdict.verdict == "reduced" else None
    return Recommended(row.id, row.name, plan.chosen.precision, need, limit)


def _check(arguments: argparse.Namespace) -> int:
    from ..hardware.budget import budget_of_machine
    from ..hardware.health import health

    spoken = words(arguments.lang)
    report = _machine_asked(arguments.device, arguments.lang)
    budget = budget_of_machine(report, ask=True)
    findings = health(report, arguments.lang)
    found = recommended(report)
    if arguments.json:
        facts = {
            "cuda": _has_cuda(report.device),
            "flash_attention_supported": report.device.flash_attention_supported,
            "machine": report.to_dict(),
            "budget": None if budget is None else budget.to_dict(),
            "recommended": [asdict(model) for model in found.now],
            "with_more_packages": [{**asdict(model), "reason": why} for model, why in found.waiting],
            "slow": [asdict(model) for model in found.slow],
            "findings": [asdict(finding) for finding in findings],
        }
        say_object(facts)
        return 0
    say(spoken["check_head"])
    say("\n".join(_machine(report, budget, findings, spoken)))
    say(f"\n{spoken['check_models']}")
    say_lines(_models(report, budget, found, arguments.lang))
    say(f"\n{spoken['check_findings']}")
    for finding in findings:
        facts = {**asdict(finding), "severity": spoken[f"check_{finding.severity}"]}
        say(f"- {spoken['check_finding'].format(**facts)}")
    if not findings:
        say(spoken["check_clean"])
    for remark in report.remarks:
        say(f"- {spoken['check_note'].format(text=remark.text(arguments.lang))}")
    say_edition(arguments.lang)
    return 0


def _machine(
    report: MachineReport, budget: Budget | None, findings: Sequence[Finding], spoken: Mapping[str, str]
) -> Iterator[str]:
    """The guide's fields first and under its names, then what else is known; nothing for the unknown."""

    def say(key: str, **values: Any) -> str:
        return spoken[f"check_{key}"].format(**values)

    def size(value: int | None) -> str:
        return spoken["check_unknown"] if value is None else written(gib_text(value), spoken)

    device = report.device
    yield say("cuda", answer=_cuda(report, findings, spoken))
    if device.kind != "cpu":
        yield say("gpu", name=device.name)
        yield say("vram", size=size(device.total_bytes))
        if device.compute_capability or device.architecture:
            yield say("capability", value=device.compute_capability or device.architecture)
        yield say("flash", value=_kernel(device, device.flash_attention, "flash-attn", spoken))
        yield say("sage", value=_kernel(device, device.sage_attention, "SageAttention", spoken))
        yield say("free", size=size(device.free_bytes))
        yield say("budget", size=size(budget.budget_bytes if budget is not None else None))
        if device.set_by_hand:
            yield say("by_hand", value=device.set_by_hand)
        yield say("other", size=size(device.other_bytes))
        if device.reserved_bytes is not None:
            yield say("allocated", size=size(device.allocated_bytes))
            yield say("reserved", size=size(device.reserved_bytes))
        if device.shared_bytes is not None:
            yield say("shared", size=size(device.shared_bytes))
        known = {"bf16": device.bf16, "fp8": device.fp8, "fp4": device.fp4}
        if any(known.values()):
            yield say("formats", formats=", ".join(["fp16", *(name for name, can in known.items() if can)]))
        if device.bandwidth_gb_s is not None:
            yield say("bandwidth", speed=figure(device.bandwidth_gb_s))
        if device.tensor_cores is not None:
            yield say("cores", value=device.tensor_cores)
        if heat := device.heat():
            yield say("heat", value=heat)
        if device.throttle:
            yield say("throttle", value=", ".join(device.throttle))
    if device.driver:
        yield say("driver", driver=device.driver, cuda=report.driver_cuda or spoken["check_unknown"])
    yield say("torch", version=report.torch or spoken["check_no_torch"])
    processor = next(device for device in report.devices if device.kind == "cpu")
    yield say("processor", name=processor.name, count=report.cpu_count)
    yield say("ram", size=size(report.ram_total_bytes), free=size(report.ram_available_bytes))
    for other in report.devices:
        if other.id != device.id and other.kind != "cpu":
            yield say("also", name=f"{other.id} {other.name}", size=size(other.total_bytes))


def _has_cuda(device: DeviceReport) -> bool:
    """As torch.cuda.is_available() answers: ROCm counts."""
    return device.kind in ("cuda", "rocm") and device.runnable.usable


def _cuda(report: MachineReport, findings: Sequence[Finding], spoken: Mapping[str, str]) -> str:
    if any(_has_cuda(device) for device in report.devices):
        return spoken["check_yes"]
    known = [finding.title for finding in findings if finding.code in _NO_CUDA]
    return spoken["check_because"].format(
        answer=spoken["check_no"], reason=known[0] if known else spoken["check_no_driver"]
    )


def _kernel(device: DeviceReport, found: Capability, package: str, spoken: Mapping[str, str]) -> str:
    """The guide's word: "supported" is about the card, and a missing package is said beside it."""
    if found.usable:
        return spoken["check_supported"]
    if device.flash_attention_supported:
        return spoken["check_not_installed"].format(package=package)
    return spoken["check_unsupported"]


def _models(report: MachineReport, budget: Budget | None, found: Recommendation, lang: str) -> Iterator[str]:
    spoken = words(lang)
    if report.device.kind != "cpu" and not any(model.bytes for model in found.now):
        yield spoken["check_nothing" if budget is not None else "check_unknown_room"]
    for model in found.now:
        yield f"- {_model(model, spoken)}"
    if found.waiting:
        yield spoken["check_waiting"]
        told: dict[str, list[str]] = {}
        for model, why in found.waiting:
            told.setdefault(in_language(why, lang), []).append(_model(model, spoken))
        for why, models in told.items():
            yield spoken["check_waits_for"].format(models="; ".join(models[:_MOST_WAITING]), why=why)
    if found.slow:
        least, most = found.slow[0], found.slow[-1]
        facts = {"least": _model(least, spoken), "most": _model(most, spoken), "count": len(found.slow)}
        yield spoken["check_slow" if len(found.slow) > 1 else "check_slow_one"].format(**facts)
    if any(model.bytes for model in (*found.now, *(model for model, _ in found.waiting), *found.slow)):
        yield spoken["check_basis"]


def _model(model: Recommended, spoken: Mapping[str, str]) -> str:
    from ..advisor.candidate import spoken_name

    values = {
        "model": spoken_name(model.name, spoken),
        "precision": model.precision.upper(),
        "size": gib_text(model.bytes),
        "megapixels": megapixels(model.max_pixels or 0),
    }
    key = "builtin" if not model.bytes else "model" if model.max_pixels is None else "reduced"
    return spoken[f"check_{key}"].format(**values)
