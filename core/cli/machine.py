"""The verb that looks at this machine: ``vramwise check-gpu``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalog import OCRModel, ocr_models
from ..catalog.words import LANGUAGES, words
from ..errors import UnknownName, VramwiseError, nearest
from ..units import gib
from .json_answers import say_edition, say_object
from .terminal import say

if TYPE_CHECKING:  # imported where they are used: the other verbs start without them
    from ..hardware.budget import Budget
    from ..hardware.capabilities import Capability
    from ..hardware.health import Finding
    from ..hardware.report import DeviceReport, MachineReport

# The findings that answer "why is there no CUDA", by their codes.
_NO_CUDA = ("driver_error", "old_driver", "torch_without_cuda", "torch_lost_cuda")


def add_verbs(verbs: Any) -> None:
    """Add ``check-gpu`` to the parser's verbs."""
    check = verbs.add_parser("check-gpu", help="what this machine has, what is wrong with it, what fits")
    check.add_argument(
        "--lang", default="en", metavar="LANG", help=f"language of the report: {', '.join(LANGUAGES)}"
    )
    check.add_argument(
        "--device", default="auto", metavar="ID", help="cuda:1, cpu, ...; default: %(default)s"
    )
    check.add_argument("--json", action="store_true", help="print everything as JSON")
    check.set_defaults(run=_check)


def _machine_asked(device: str, lang: str) -> MachineReport:
    """The machine with ``device`` chosen: another device's answer would be taken for this one's.

    Raises, in ``lang``, UnknownName for one that is not here and VramwiseError for one that torch cannot use.
    """
    from ..models.request import machine_now

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


def recommended(report: MachineReport) -> list[Recommended]:
    """Every model of the catalog that fits on the chosen device now, the largest first; then what needs no
    GPU. What ComfyUI could evict counts as free.
    """
    from ..hardware.budget import budget_of_machine

    budget = budget_of_machine(report, ask=True)
    fitting = [
        found
        for row in ocr_models()
        if budget is not None and row.repo and (found := _fitting(row, report.device, budget)) is not None
    ]
    fitting.sort(key=lambda model: -model.bytes)
    simple = [Recommended(row.id, row.name, "", 0) for row in ocr_models() if row.runs_on == "cpu"]
    return [*simple, *fitting] if report.device.kind == "cpu" else [*fitting, *([] if fitting else simple)]


def _fitting(row: OCRModel, device: DeviceReport, budget: Budget) -> Recommended | None:
    from ..models.request import ModelRequest, plan_resolved, resolve_known
    from ..settings import load_settings

    resolved = resolve_known(row, load_settings())
    if resolved is None:
        return None
    # What could be installed is no reason to leave a model out; a kernel that is missing changes the memory.
    available = {"flash_attention_2": device.flash_attention}
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
    if arguments.json:
        facts = {
            "cuda": _has_cuda(report.device),
            "flash_attention_supported": report.device.flash_attention_supported,
            "machine": report.to_dict(),
            "budget": None if budget is None else budget.to_dict(),
            "recommended": [asdict(model) for model in recommended(report)],
            "findings": [asdict(finding) for finding in findings],
        }
        say_object(facts)
        return 0
    say(spoken["check_head"])
    say("\n".join(_machine(report, budget, findings, spoken)))
    say(f"\n{spoken['check_models']}")
    say("\n".join(_models(report, budget, spoken)))
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
        return spoken["check_unknown"] if value is None else f"{gib(value)} {spoken['advise_unit_GiB']}"

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
            yield say("bandwidth", value=f"{device.bandwidth_gb_s:g}")
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


def _models(report: MachineReport, budget: Budget | None, spoken: Mapping[str, str]) -> Iterator[str]:
    found = recommended(report)
    if report.device.kind != "cpu" and not any(model.bytes for model in found):
        yield spoken["check_nothing" if budget is not None else "check_unknown_room"]
    for model in found:
        values = {
            "model": model.name,
            "precision": model.precision.upper(),
            "size": f"{gib(model.bytes)} {spoken['advise_unit_GiB']}",
            "megapixels": f"{(model.max_pixels or 0) / 1e6:.1f}",
        }
        key = "builtin" if not model.bytes else "model" if model.max_pixels is None else "reduced"
        yield spoken[f"check_{key}"].format(**values)
    if any(model.bytes for model in found):
        yield spoken["check_basis"]
