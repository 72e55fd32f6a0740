"""The verbs that advise: ``vramwise advise``, ``compare``, ``gpus`` and ``models``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, TextIO

from ..catalog.words import LANGUAGES
from ..errors import UnknownName, VramwiseError, nearest
from ..units import gib
from .json_answers import say_answers, say_object
from .numbers import number
from .terminal import on_one_line, say, say_failure, say_markdown, say_table

if TYPE_CHECKING:
    from ..advisor.advise import Advice


def add_verbs(verbs: Any) -> None:
    """Add the four verbs to the parser's."""
    advise = verbs.add_parser("advise", help="which model at which precision runs, on a card or here")
    where = advise.add_mutually_exclusive_group()
    where.add_argument("--gpu", metavar="NAME", help='a card, such as "RTX 4060 Ti"; default: this machine')
    where.add_argument("--vram-gib", type=float, metavar="N", help="an empty card of N GiB")
    advise.add_argument(
        "--task",
        default="all",
        metavar="TASK",
        help="OCR, image, image-edit, video, upscaling, audio, 3d, which-gpu; default: all",
    )
    advise.add_argument(
        "--ram-gib", type=number(0.25, 65_536, "size in GiB"), metavar="N", help="RAM, which streaming needs"
    )
    advise.add_argument(
        "--with",
        dest="also",
        action="append",
        default=[],
        metavar="MODEL[@PRECISION]",
        help="a model of the same workflow; with --task which-gpu, a model that the card must run",
    )
    advise.add_argument(
        "--system",
        choices=("linux", "windows"),
        help="what the empty card runs under: Windows keeps more, beside an idle desktop; default: this one",
    )
    advise.add_argument(
        "--tier",
        default="",
        metavar="TIER",
        help="with which-gpu: desktop, workstation, datacentre, unified, laptop, or a size such as 24",
    )
    advise.add_argument(
        "--max-watts", type=number(1, 100_000, "power in watts"), metavar="W", help="with which-gpu"
    )
    advise.add_argument("--vendor", default="", metavar="MAKER", help="with which-gpu: NVIDIA, AMD, ...")
    advise.add_argument("--tiers", action="store_true", help="what each usual memory size unlocks")
    advise.add_argument("--lang", default="en", metavar="LANG", help=f"one of: {', '.join(LANGUAGES)}")
    advise.add_argument("--json", action="store_true", help="print it as JSON, one object a card")
    advise.set_defaults(run=_advise)

    compare = verbs.add_parser("compare", help="two to four cards side by side")
    compare.add_argument("gpus", nargs="+", metavar="GPU")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=_compare)

    gpus = verbs.add_parser("gpus", help="the cards that are known")
    gpus.add_argument("text", nargs="?", default="", help="only names that contain this")
    gpus.add_argument("--json", action="store_true")
    gpus.set_defaults(run=_gpus)

    models = verbs.add_parser("models", help="the models that are known, from minimum to optimum")
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=_models)


def _advise(arguments: argparse.Namespace) -> int:
    from ..advisor import TASKS, advise_each, report
    from ..ocr.remote.endpoints import said_to_serve
    from ..settings import load_settings

    names = {task.lower().replace(" ", "-"): task for task in TASKS}
    asked = arguments.task.lower().replace(" ", "-")
    if asked not in names:
        raise UnknownName(
            f'There is no task "{arguments.task}".{nearest(asked, names)} Use one of: {", ".join(names)}.'
        )
    task = names[asked]
    here = arguments.gpu is None and arguments.vram_gib is None
    if task == "which GPU":
        from ..advisor.advise import which_gpu

        answers: tuple[Advice, ...] = (
            which_gpu(arguments.also, arguments.tier.lower(), arguments.max_watts, arguments.vendor),
        )
    else:
        answers = advise_each(
            gpu=arguments.gpu,
            vram_gib=arguments.vram_gib,
            task=task,
            ram_gib=arguments.ram_gib,
            also_loaded=arguments.also,
            served=said_to_serve(load_settings()),
            machine=machine_asked_about(here, arguments),
            system=arguments.system,
        )
    if arguments.json and arguments.tiers:
        say_failure("--tiers is ignored: it is a table for people, without --json.")
    if arguments.json:
        say_answers("answers", [answer.to_dict() for answer in answers])
        return 0
    for answer in answers:
        say_markdown(report(answer, arguments.lang))
    if arguments.tiers:
        from ..advisor.report import tiers_report

        say_markdown(tiers_report(task, arguments.lang))
    return 0


def machine_asked_about(here: bool, arguments: argparse.Namespace) -> Any:
    """This machine where it is asked about, or where a card is that may be its own and no RAM is named."""
    if here:
        return machine_with_gpu()
    if arguments.gpu is None or arguments.ram_gib is not None:
        return None
    from ..models.request import machine_now

    return machine_now()


def machine_with_gpu() -> Any:
    """This machine; where its driver tells enough, torch stays out of it."""
    from ..models.request import machine_now

    machine = machine_now()
    if machine.device.kind == "cpu":
        raise VramwiseError(
            "No GPU answers here: no NVIDIA driver (NVML), and torch sees no other accelerator. Name a card "
            "with --gpu, or its memory with --vram-gib; `vramwise check-gpu` says what was asked."
        )
    return machine


def _compare(arguments: argparse.Namespace) -> int:
    from ..advisor.gpu_ranking import BALANCE_RULE, compare

    say_own_faults()
    found = compare(arguments.gpus)
    if arguments.json:
        say_object(found.to_dict())
        return 0
    head = ["", *(gpu.label for gpu in found.cards)]
    say_table(head, [[_ROWS[key], *map(_cell, values)] for key, values in found.rows])
    say()
    for remark in found.remarks:
        say(remark.text())
    say(f"Bandwidth against tensor cores: {BALANCE_RULE}.")
    return 0


_ROWS = {
    "vram_gib": "memory, GB",
    "bandwidth_gb_s": "bandwidth, GB/s",
    "tensor_cores": "tensor cores",
    "fp16_tensor_tflops": "fp16 tensor TFLOPS",
    "bytes_per_kflop": "bytes per 1000 FLOP",
    "balance": "bandwidth for them",
    "colour": "verdict",
    "compute_capability": "compute capability",
    "architecture": "architecture",
    "memory_type": "memory type",
    "tdp_w": "power, W",
    "release_year": "year",
    "status": "status",
}


def say_own_faults(lang: str = "en") -> None:
    """What of the person's own rows is not used, on standard error."""
    from ..advisor.own_faults import own_faults

    for fault in own_faults():
        say_failure(fault.text(lang))


def _gpus(arguments: argparse.Namespace) -> int:
    from ..advisor.gpu_ranking import balance, rating
    from ..catalog.gpus import gpus

    say_own_faults()
    found = [gpu for gpu in gpus() if arguments.text.lower() in gpu.label.lower()]
    if arguments.json:
        keys = ("vendor", "vram_gib", "bandwidth_gb_s", "tensor_cores", "fp16_tensor_tflops", "status")
        more = ("compute_capability", "release_year", "source", "date")
        say_object(
            {
                "cards": [
                    {
                        "gpu": gpu.label,
                        **{key: getattr(gpu, key) for key in (*keys, *more)},
                        "colour": rating(gpu),
                        "yours": gpu.yours,
                        "torch_total_gib": gpu.torch_total_gib,
                        "unified": gpu.unified,
                    }
                    for gpu in found
                ]
            }
        )
        return 0
    head = ["card", "GB", "GB/s", "tensor cores", "TFLOPS", "for models", "bandwidth", "status"]
    rows = [
        [
            f"{gpu.label} (yours)" if gpu.yours else gpu.label,
            _cell(gpu.vram_gib),
            _cell(gpu.bandwidth_gb_s),
            _cell(gpu.tensor_cores),
            _cell(gpu.fp16_tensor_tflops),
            rating(gpu),
            balance(gpu).verdict,
            gpu.status,
        ]
        for gpu in found
    ]
    say_table(head, rows)
    return 0


def _models(arguments: argparse.Namespace) -> int:
    from ..advisor.memory_ranges import ranges

    say_own_faults()
    found = ranges()
    if arguments.json:
        say_object({"models": [row.to_dict() for row in found]})
        _print_odd_folders(sys.stderr)
        return 0
    head = ["task", "model", "name", "minimum GiB", "resident from", "optimum GiB", "tier GB", "licence"]
    rows = [
        [
            model.task,
            model.model,
            f"{model.name} (yours)" if model.yours else model.name,
            gib(model.minimum_bytes),
            f"{gib(model.resident_from_bytes)} {model.resident_precision}".strip(),
            f"{gib(model.optimum_bytes)} {model.optimum_precision}".strip(),
            _cell(model.tier),
            f"{model.licence} ({model.commercial})",
        ]
        for model in found
    ]
    say_table(head, rows)
    _print_odd_folders(sys.stdout)
    return 0


def _print_odd_folders(stream: TextIO) -> None:
    """Folders on this machine that look like a model and cannot be loaded, each with its reason."""
    from ..settings import load_settings
    from ..weights.checkpoints import odd_folders

    for folder in odd_folders(load_settings()):
        say(f"cannot be loaded: {on_one_line(folder.name)}: {folder.reason}", stream)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
