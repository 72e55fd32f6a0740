"""The verb that says what fits: ``vramwise plan MODEL``."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from ..catalog.words import in_language, said, words
from ..errors import UnknownName, VramwiseError, shown
from .json_answers import add_lang, say_answers, say_edition
from .numbers import memory_size, number, whole
from .terminal import drawing, on_one_line, say, say_failure, say_markdown

if TYPE_CHECKING:
    from ..catalog.diffusion import DiffusionModel
    from ..hardware.budget import Budget
    from ..planning import Plan


def add_verbs(verbs: Any) -> None:
    """Add ``plan`` to the parser's verbs."""
    plan = verbs.add_parser("plan", help="which precision of a model fits, and how large a picture or clip")
    plan.add_argument(
        "model",
        metavar="MODEL",
        help="a model of `vramwise models`, or the folder name of a checkpoint of your own",
    )
    place = plan.add_mutually_exclusive_group()
    place.add_argument(
        "--gpu", metavar="NAME", help="an empty card of `vramwise gpus`; default: this machine"
    )
    place.add_argument("--vram-gib", type=memory_size, metavar="N", help="an empty card of this size")
    plan.add_argument(
        "--size",
        "--image",
        dest="image",
        type=_size,
        metavar="WxH",
        help="of what is read or made; default: 1024x1024 for OCR, else the model's usual size",
    )
    plan.add_argument(
        "--frames", type=whole(1, 100_000, "number of frames"), metavar="N", help="of a clip; default: usual"
    )
    plan.add_argument(
        "--ram-gib",
        type=number(0.25, 65_536, "size in GiB"),
        metavar="N",
        help="RAM that an image or video model has",
    )
    plan.add_argument(
        "--batch",
        type=whole(1, 4096, "number of pictures"),
        default=1,
        metavar="N",
        help="pictures at once; default: 1",
    )
    plan.add_argument(
        "--precision", default="auto", metavar="P", help="bf16, fp16, int8, int4; default: auto"
    )
    plan.add_argument(
        "--system",
        choices=("linux", "windows"),
        help="what the empty card runs under; default: this system",
    )
    add_lang(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON, several as a list")
    plan.set_defaults(run=_plan)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX*\u00d7\u0445\u0425]\s*(\d{1,6})\s*", text)
    if found is None or not int(found[1]) or not int(found[2]):
        raise argparse.ArgumentTypeError(said("error_pixels", text=text))
    return int(found[1]), int(found[2])


def _plan(arguments: argparse.Namespace) -> int:
    from ..advisor.picture_plan import among_all_models, named_picture_model
    from ..models.request import plan
    from .advice import say_own_faults

    words(arguments.lang)  # an unknown language is refused before anything is asked
    say_own_faults(arguments.lang)
    model = named_picture_model(arguments.model)
    if model is not None:
        return _picture_plan(arguments, model)
    if arguments.frames is not None:
        raise VramwiseError(said("error_no_frames", name=arguments.model))
    plans, refused = [], []
    for budget in _budgets(arguments):
        try:
            plans.append(
                plan(
                    arguments.model,
                    arguments.precision,
                    budget=budget,
                    image=arguments.image or (1024, 1024),
                    batch=arguments.batch,
                )
            )
        except UnknownName as error:
            raise among_all_models(arguments.model, error) from error
        except VramwiseError as error:
            # of two memory sizes one may refuse a precision that the other takes
            refused.append(error)
    if not plans:
        raise refused[0]
    if arguments.json:
        say_answers("plans", [made.to_dict() for made in plans], refused=list(map(str, refused)))
        for note in dict.fromkeys(note for made in plans for note in made.notes):
            say_failure(in_language(note, arguments.lang))
    else:
        for number, made in enumerate(plans):
            say("\n" * bool(number), end="")
            show(made, arguments.lang)
        say_edition(arguments.lang)
    for refusal in refused:
        say_failure(in_language(refusal, arguments.lang))
    return 1 if refused else 0


def _picture_plan(arguments: argparse.Namespace, model: DiffusionModel) -> int:
    """Of a model that makes something, for each memory size that the card is sold with."""
    from ..advisor.candidate import ResultSize
    from ..advisor.picture_plan import picture_plan
    from ..advisor.targets import targets_of
    from .advice import machine_asked_about

    here = arguments.gpu is None and arguments.vram_gib is None
    machine = machine_asked_about(here, arguments)
    width, height = arguments.image or (None, None)
    size = ResultSize(width, height, arguments.frames, arguments.batch)
    plans, refused = [], []
    for target in targets_of(arguments.gpu, arguments.vram_gib, arguments.ram_gib, machine, arguments.system):
        try:
            plans.append(picture_plan(model, target, size, arguments.precision))
        except VramwiseError as error:
            refused.append(error)
    if not plans:
        raise refused[0]
    if arguments.json:
        say_answers("plans", [made.to_dict() for made in plans], refused=list(map(str, refused)))
    else:
        for made in plans:
            say_markdown(made.text(arguments.lang))
        say_edition(arguments.lang)
    for refusal in refused:
        say_failure(in_language(refusal, arguments.lang))
    return 1 if refused else 0


def _budgets(arguments: argparse.Namespace) -> list[Budget | None]:
    """One for each memory size that the card is sold with; None is this machine."""
    from ..advisor.targets import targets_of

    if arguments.gpu is None and arguments.vram_gib is None:
        return [None]
    places = targets_of(arguments.gpu, arguments.vram_gib, system=arguments.system)
    return [place.budget for place in places]


def show(plan: Plan, lang: str = "en") -> None:
    """A table in colours on a terminal that rich can draw on, plain text elsewhere."""
    if not drawing():
        say(plan.text(lang))
        return
    from rich.console import Console
    from rich.table import Table

    from ..planning.plan import closing, columns, opening, table_rows

    console, colours = Console(highlight=False), {"fits": "green", "tight": "yellow", "reduced": "yellow"}
    table = Table(title=opening(plan, lang), title_justify="left", title_style="bold")
    heads = columns(lang)
    for place, name in enumerate(heads):
        table.add_column(name, justify="left" if place in (0, 1, len(heads) - 1) else "right")
    for row, verdict in zip(table_rows(plan, lang), plan.verdicts, strict=True):
        table.add_row(*map(on_one_line, row), style=colours.get(verdict.verdict, "red"))
    console.print(table)
    for line in closing(plan, lang):
        console.print(shown(line), markup=False, soft_wrap=True)
