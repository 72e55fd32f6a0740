"""The verbs that advise: ``vramwise advise``, ``compare``, ``gpus`` and ``models``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from ..catalog.words import said, words
from ..errors import UnknownName, VramwiseError, nearest
from ..units import gib
from .json_answers import add_lang, say_answers, say_edition, say_object
from .numbers import memory_size, number
from .terminal import drawing, on_one_line, say, say_failure, say_markdown, say_table

if TYPE_CHECKING:
    from ..advisor.advise import Advice


def add_verbs(verbs: Any) -> None:
    """Add the four verbs to the parser's."""
    advise = verbs.add_parser("advise", help="which model at which precision runs, on a card or here")
    where = advise.add_mutually_exclusive_group()
    where.add_argument("--gpu", metavar="NAME", help='a card, such as "RTX 4060 Ti"; default: this machine')
    where.add_argument("--vram-gib", type=memory_size, metavar="N", help="an empty card of N GiB")
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
    add_lang(advise)
    advise.add_argument("--json", action="store_true", help="print it as JSON, one object a card")
    advise.set_defaults(run=_advise)

    compare = verbs.add_parser("compare", help="two to four cards side by side")
    compare.add_argument("gpus", nargs="+", metavar="GPU")
    add_lang(compare)
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=_compare)

    gpus = verbs.add_parser("gpus", help="the cards that are known")
    gpus.add_argument("text", nargs="?", default="", help="only names that contain this")
    add_lang(gpus)
    gpus.add_argument("--json", action="store_true")
    gpus.set_defaults(run=_gpus)

    models = verbs.add_parser("models", help="the models that are known, from minimum to optimum")
    add_lang(models)
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=_models)


def _advise(arguments: argparse.Namespace) -> int:
    from ..advisor import TASKS, advise_each, report
    from ..ocr.remote.endpoints import said_to_serve
    from ..settings import load_settings

    names = {task.lower().replace(" ", "-"): task for task in TASKS}
    asked = arguments.task.lower().replace(" ", "-")
    if asked not in names:
        values = {"text": arguments.task, "near": nearest(asked, names), "known": ", ".join(names)}
        raise UnknownName(said("error_task", **values), "error_task", **values)
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
        raise VramwiseError(said("error_no_gpu"), "error_no_gpu")
    return machine


def _compare(arguments: argparse.Namespace) -> int:
    from ..advisor.gpu_ranking import balance_rule, compare

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
    found = compare(arguments.gpus)
    if arguments.json:
        say_object(found.to_dict())
        return 0
    head = ["", *(gpu.label for gpu in found.cards)]
    rows = [
        [spoken[f"compare_{key}"], *(_said(key, value, spoken) for value in its)] for key, its in found.rows
    ]
    say_table(head, rows)
    say()
    for remark in found.remarks:
        say(remark.text(arguments.lang))
    say(balance_rule(arguments.lang))
    say_edition(arguments.lang)
    return 0


def _said(key: str, value: Any, spoken: Mapping[str, str]) -> str:
    """A cell of a card: a verdict in the words of the language, anything else as it is."""
    if key == "colour":
        return spoken["gpus_unknown" if value == "unknown" else f"advise_colour_{value}"]
    if key == "balance":
        return spoken["gpus_starves" if value == "starves" else f"advise_balance_{value}"]
    return spoken[f"gpus_{value}"] if key == "status" else _cell(value)


def say_own_faults(lang: str = "en") -> None:
    """What of the person's own rows is not used, on standard error."""
    from ..advisor.own_faults import own_faults

    for fault in own_faults():
        say_failure(fault.text(lang))


def _gpus(arguments: argparse.Namespace) -> int:
    from ..advisor.gpu_ranking import balance, rating
    from ..catalog.gpus import gpus

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
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
    columns = ("card", "vram", "bandwidth", "cores", "tflops", "rating", "balance", "status")
    head = [spoken[f"gpus_{column}"] for column in columns]
    rows = [
        [
            f"{gpu.label} ({spoken['advise_yours']})" if gpu.yours else gpu.label,
            _cell(gpu.vram_gib),
            _cell(gpu.bandwidth_gb_s),
            _cell(gpu.tensor_cores),
            _cell(gpu.fp16_tensor_tflops),
            _said("colour", rating(gpu), spoken),
            _said("balance", balance(gpu).verdict, spoken),
            _said("status", gpu.status, spoken),
        ]
        for gpu in found
    ]
    say_table(head, rows)
    if drawing():  # of a pipe every line is a row
        say_edition(arguments.lang)
    return 0


def _models(arguments: argparse.Namespace) -> int:
    from ..advisor.memory_ranges import ranges

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
    found = ranges()
    if arguments.json:
        say_object({"models": [row.to_dict() for row in found]})
        _print_odd_folders(sys.stderr, arguments.lang)
        return 0
    columns = ("task", "model", "name", "minimum", "resident", "optimum", "tier", "licence")
    head = [spoken[f"models_{column}"] for column in columns]
    rows = [
        [
            spoken["models_task_3d" if model.task == "3d" else f"advise_task_{model.task}"],
            model.model,
            f"{model.name} ({spoken['advise_yours']})" if model.yours else model.name,
            gib(model.minimum_bytes),
            f"{gib(model.resident_from_bytes)} {model.resident_precision}".strip(),
            f"{gib(model.optimum_bytes)} {model.optimum_precision}".strip(),
            _cell(model.tier),
            f"{model.licence} ({spoken[f'models_commercial_{model.commercial}']})",
        ]
        for model in found
    ]
    say_table(head, rows)
    _print_odd_folders(sys.stdout, arguments.lang)
    if drawing():  # of a pipe every line is a row
        say_edition(arguments.lang)
    return 0


def _print_odd_folders(stream: TextIO, lang: str) -> None:
    """Folders on this machine that look like a model and cannot be loaded, each with its reason."""
    from ..settings import load_settings
    from ..weights.checkpoints import odd_folders

    for folder in odd_folders(load_settings()):
        name = on_one_line(folder.name)
        say(words(lang)["models_odd"].format(name=name, reason=folder.reason), stream)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
