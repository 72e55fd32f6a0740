"""The verbs that advise: ``vramwise advise``, ``compare``, ``gpus`` and ``models``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ..catalog.words import LANGUAGES, in_language, said, sized, words
from ..errors import UnknownName, VramwiseError
from ..units import Figure, figure, gib
from .json_answers import add_lang, say_answers, say_edition, say_object
from .numbers import gibibytes, memory_size, number
from .own_folders import own_checkpoints, own_folder, own_line
from .terminal import drawing, on_one_line, say, say_failure, say_lines, say_markdown, say_table
from .usage import UsageError, one_of, refuse_empty, unknown_word

if TYPE_CHECKING:
    from ..advisor.advise import Advice
    from ..advisor.targets import Target

# What of a card is a number, in the order of the table.
_FIGURES = ("vram_gib", "bandwidth_gb_s", "tensor_cores", "fp16_tensor_tflops")


def add_verbs(verbs: Any) -> None:
    """Add the four verbs to the parser's."""
    _add_advise(verbs)
    compare = verbs.add_parser("compare", help="up to four cards side by side")
    compare.add_argument("gpus", nargs="+", metavar="GPU")
    add_lang(compare)
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=_compare)

    gpus = verbs.add_parser("gpus", help="the cards that are known")
    gpus.add_argument("text", nargs="?", help="only names that contain this")
    add_lang(gpus)
    gpus.add_argument("--json", action="store_true")
    gpus.set_defaults(run=_gpus)

    models = verbs.add_parser("models", help="the models that are known, from minimum to optimum")
    add_lang(models)
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=_models)


def _add_advise(verbs: Any) -> None:
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
        "--ram-gib", type=gibibytes(0.25, 65_536), metavar="N", help="RAM, which streaming needs"
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
        type=one_of("--system", ("linux", "windows")),
        metavar="SYSTEM",
        help="what the empty card runs under: linux, or windows, which keeps more; default: this one",
    )
    advise.add_argument(
        "--tier",
        metavar="TIER",
        help="with which-gpu: desktop, workstation, datacentre, unified, laptop, or a size such as 24",
    )
    advise.add_argument(
        "--max-watts", type=number(1, 100_000, "power in watts"), metavar="W", help="with which-gpu"
    )
    advise.add_argument("--vendor", metavar="MAKER", help="with which-gpu: NVIDIA, AMD, ...")
    advise.add_argument("--tiers", action="store_true", help="what each usual memory size unlocks")
    advise.add_argument(
        "--all", action="store_true", help="every model and precision, and why printed figures differ"
    )
    add_lang(advise)
    advise.add_argument("--json", action="store_true", help="print it as JSON, one object a card")
    advise.set_defaults(run=_advise)


def _ignores_ram(target: Target, ram_gib: float) -> bool:
    """Where memory is unified RAM is no second one: it may only be the size that the catalog has not."""
    return target.gpu is not None and target.gpu.unified and target.vram_gib != ram_gib


def _served() -> Mapping[str, str]:
    """What the endpoints of config.yaml are said to serve. Where there are none nothing of the network is
    imported."""
    from ..settings import load_settings

    settings = load_settings()
    if not settings.endpoints:
        return {}
    from ..ocr.remote.endpoints import said_to_serve

    return said_to_serve(settings)


def _advise(arguments: argparse.Namespace) -> int:
    from ..advisor import TASKS, advise_each, report

    task = _task_named(arguments.task, TASKS)
    for option, named in (("--tier", arguments.tier), ("--vendor", arguments.vendor)):
        refuse_empty(named, f"{option} names nothing: it is empty.")
    here = arguments.gpu is None and arguments.vram_gib is None
    if arguments.system is not None and here and task != "which GPU":
        raise UsageError(said("error_of_empty_card", option="--system"))
    _say_ignored(arguments, task == "which GPU")
    if task == "which GPU":
        from ..advisor.advise import which_gpu

        answers: tuple[Advice, ...] = (
            which_gpu(
                arguments.also, (arguments.tier or "").lower(), arguments.max_watts, arguments.vendor or ""
            ),
        )
    else:
        try:
            answers = advise_each(
                gpu=arguments.gpu,
                vram_gib=arguments.vram_gib,
                task=task,
                ram_gib=arguments.ram_gib,
                also_loaded=arguments.also,
                served=_served(),
                machine=machine_asked_about(here, arguments),
                system=arguments.system,
            )
        except UnknownName:
            say_own_faults(arguments.lang)  # it may be the name of a row that is not used
            raise
    ram = arguments.ram_gib
    if (
        ram is not None
        and task != "which GPU"
        and all(_ignores_ram(answer.target, ram) for answer in answers)
    ):
        say_failure(said("note_ram_unified"))
    if arguments.json and arguments.tiers:
        say_failure("--tiers is ignored: it is a table for people, without --json.")
    if arguments.json:
        say_answers("answers", [answer.to_dict() for answer in answers])
        return 0
    if arguments.all or task == "which GPU":
        for answer in answers:
            say_markdown(report(answer, arguments.lang))
    else:
        _say_summary(answers, arguments.lang)
    if arguments.tiers:
        from ..advisor.report import tiers_report

        say_markdown(tiers_report(task, arguments.lang))
    return 0


def _task_named(text: str, tasks: Sequence[str]) -> str:
    """The task of ``tasks`` that is called ``text``, in any language of the reports. Raises UnknownName."""
    names = {task.lower().replace(" ", "-"): task for task in tasks}
    told = [(words(lang).get(f"advise_task_{task}", task), task) for lang in LANGUAGES for task in tasks]
    known = {**{name.lower().replace(" ", "-"): task for name, task in told}, **names}
    asked = "-".join(text.lower().replace("_", " ").replace("-", " ").split())
    if asked not in known:
        raise unknown_word("--task", text, tuple(names))
    return known[asked]


def _say_ignored(arguments: argparse.Namespace, looks_for_cards: bool) -> None:
    """What was typed and does not count: options of a place where a card is looked for, and the other way."""
    of_places = {"--gpu": arguments.gpu, "--vram-gib": arguments.vram_gib, "--ram-gib": arguments.ram_gib}
    of_cards = {"--tier": arguments.tier, "--max-watts": arguments.max_watts, "--vendor": arguments.vendor}
    for option, value in {**of_places, "--system": arguments.system}.items():
        if looks_for_cards and value is not None:
            say_failure(f"{option} is ignored: --task which-gpu looks for a card.")
    for option, value in of_cards.items():
        if not looks_for_cards and value:
            say_failure(f"{option} is ignored: it belongs to --task which-gpu.")


def _say_summary(answers: Sequence[Advice], lang: str) -> None:
    """The answer in five lines, once for a card of several sizes."""
    from ..advisor.report import remarks
    from ..advisor.summary import summary, summary_lines

    spoken_words = words(lang)
    sizes = [
        spoken_words["summary_room"].format(
            gpu=sized(answer.gpu, spoken_words), room=gib(answer.target.budget.budget_bytes)
        )
        for answer in answers
    ]
    say_lines([spoken_words["advise_title"].format(gpu=", ".join(sizes))])
    say_lines(summary_lines([summary(answer) for answer in answers], lang))
    told = (remark for answer in answers for remark in remarks(answer.target, spoken_words))
    say_lines(dict.fromkeys(told))
    for fault in answers[0].own_faults:
        say_failure(fault.text(lang))
    say_lines(["", spoken_words["summary_all"]])
    say_edition(lang, before="")


def machine_asked_about(here: bool, arguments: argparse.Namespace) -> Any:
    """This machine where it is asked about, or where a card is that may be its own and no RAM is named."""
    if here:
        return machine_with_gpu()
    if arguments.gpu is None or arguments.ram_gib is not None:
        return None
    from ..models.place import machine_now

    return machine_now()


def machine_with_gpu() -> Any:
    """This machine; where its driver tells enough, torch stays out of it."""
    from ..models.place import machine_now

    machine = machine_now()
    if machine.device.kind == "cpu":
        raise VramwiseError(said("error_no_gpu"), "error_no_gpu")
    return machine


def _compare(arguments: argparse.Namespace) -> int:
    from ..advisor.gpu_ranking import balance_rule, compare

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
    if len(arguments.gpus) > 4:
        raise UsageError(said("error_compare_count", count=len(arguments.gpus)))
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
    say_lines(remark.text(arguments.lang) for remark in found.remarks)
    if len(found.cards) == 1:
        say_lines([spoken["compare_alone"]])
    say_lines([balance_rule(arguments.lang)])
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
    from ..catalog.gpus import find_gpus, gpus

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
    refuse_empty(arguments.text, "The card has no name: it is empty. Leave it out for all.")
    text = arguments.text or ""
    every = [gpu for gpu in gpus() if text.lower() in gpu.label.lower()]
    # "M4" is asked of what begins so, and of "SXM4" where nothing does
    begins = re.compile(rf"(?<![^\W_]){re.escape(text.lower())}")
    found = [gpu for gpu in every if begins.search(gpu.label.lower())] or every
    found = found or list(find_gpus(text))  # written otherwise, or nearest names
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
            *(_cell(getattr(gpu, key)) for key in _FIGURES),
            _said("colour", rating(gpu), spoken),
            _said("balance", balance(gpu).verdict, spoken),
            _said("status", gpu.status, spoken),
        ]
        for gpu in found
    ]
    say_table(head, rows, (7, 4, 6, 3))
    if drawing():  # of a pipe every line is a row
        say_edition(arguments.lang)
    return 0


def _models(arguments: argparse.Namespace) -> int:
    from ..advisor.candidate import spoken_name
    from ..advisor.memory_ranges import ranges

    spoken = words(arguments.lang)
    say_own_faults(arguments.lang)
    found = ranges()
    if arguments.json:
        folders = [own_folder(one) for one in own_checkpoints()]
        say_object({"models": [row.to_dict() for row in found], "own_folders": folders})
        _print_odd_folders(sys.stderr, arguments.lang)
        return 0
    columns = ("task", "model", "name", "minimum", "resident", "optimum", "tier", "licence")
    head = [spoken[f"models_{column}"] for column in columns]
    rows = [
        [
            spoken["models_task_3d" if model.task == "3d" else f"advise_task_{model.task}"],
            model.model,
            f"{model.name} ({spoken['advise_yours']})" if model.yours else spoken_name(model.name, spoken),
            gib(model.minimum_bytes),
            _sized(model.resident_from_bytes, model.resident_precision, arguments.lang),
            _sized(model.optimum_bytes, model.optimum_precision, arguments.lang),
            _cell(model.tier),
            f"{in_language(model.licence, arguments.lang)} "
            f"({spoken[f'models_commercial_{model.commercial}']})",
        ]
        for model in found
    ]
    say_table(head, rows, (2, 7, 6, 4))
    for one in own_checkpoints():
        say(own_line(one, arguments.lang))
    _print_odd_folders(sys.stdout, arguments.lang)
    if drawing():  # of a pipe every line is a row
        say_edition(arguments.lang)
    return 0


def _sized(size_bytes: int | None, precision: str, lang: str) -> Figure:
    return Figure(f"{gib(size_bytes)} {in_language(precision, lang)}".strip())


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
    return figure(value) if isinstance(value, float) else str(value)
