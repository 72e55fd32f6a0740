"""The verb that says what fits: ``vramwise plan MODEL``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..catalog.words import said, words
from ..errors import UnknownName, VramwiseError
from .json_answers import add_lang, say_answers, say_edition
from .numbers import gibibytes, memory_size, whole
from .terminal import columns as terminal_columns
from .terminal import drawing, say, say_failure, say_lines, say_markdown, say_table
from .usage import UsageError, one_of

if TYPE_CHECKING:
    from ..advisor.candidate import ResultSize
    from ..advisor.picture_plan import PicturePlan
    from ..advisor.targets import Target
    from ..catalog.diffusion import DiffusionModel
    from ..planning import Plan


_STYLES = {"fits": "good", "tight": "doubtful", "reduced": "doubtful"}


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
        type=gibibytes(0.25, 65_536),
        metavar="N",
        help="RAM beside the card",
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
        "--fast-decode",
        action="store_true",
        help="of an OCR model: with the cache of fixed size that tokens by CUDA graphs need",
    )
    plan.add_argument(
        "--system",
        type=one_of("--system", ("linux", "windows")),
        metavar="SYSTEM",
        help="what the empty card runs under: linux or windows; default: this system",
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
    from ..advisor.model_names import precision_in
    from ..advisor.ocr_candidates import short_of_ram
    from ..advisor.picture_plan import among_all_models, named_picture_model
    from ..models.request import plan
    from .advice import say_own_faults

    words(arguments.lang)  # an unknown language is refused before anything is asked
    say_own_faults(arguments.lang)
    name, at, precision = arguments.model.rpartition("@")
    if at and name.strip() and arguments.precision == "auto":
        arguments.model, arguments.precision = name.strip(), precision.strip()
    model = named_picture_model(arguments.model)
    _check_options(arguments, model)
    if model is not None:
        if arguments.precision == "auto":
            arguments.precision = precision_in(arguments.model, model.id) or "auto"
        return _picture_plan(arguments, model)
    plans, refused = [], []
    for place in _places(arguments):
        budget = None if place is None else place.budget
        try:
            plans.append(
                plan(
                    arguments.model,
                    arguments.precision,
                    budget=budget,
                    image=arguments.image or (1024, 1024),
                    batch=arguments.batch,
                    fast_decode=arguments.fast_decode,
                )
            )
            if place is not None and _takes_ram(plans[-1]) and (why := short_of_ram(place)):
                refused.append(VramwiseError(said("summary_of_size", size=place.label, text=why)))
        except UnknownName as error:
            raise among_all_models(arguments.model, error) from error
        except VramwiseError as error:
            # of two memory sizes one may refuse a precision that the other takes
            refused.append(error)
    if arguments.json and plans:
        for note in dict.fromkeys(note for made in plans for note in made.notes):
            say_failure(note)
    return _ending(arguments, plans, refused)


def _check_options(arguments: argparse.Namespace, model: DiffusionModel | None) -> None:
    """Raise UsageError for what the kind of model, or the place, has no use for; ``model`` None is OCR."""
    from ..advisor.picture_plan import check_kind
    from ..models.names import is_cpu_engine

    here = arguments.gpu is None and arguments.vram_gib is None
    if arguments.system is not None and here:
        raise UsageError(said("error_of_empty_card", option="--system"))
    if model is None:
        if arguments.frames is not None:
            raise UsageError(said("error_no_frames", name=arguments.model))
        if arguments.ram_gib is not None and here:
            raise UsageError(said("error_of_empty_card", option="--ram-gib"))
        if arguments.batch > 1 and is_cpu_engine(arguments.model):
            raise UsageError(f"{arguments.model} reads pictures one by one. Leave out --batch.")
        return
    if arguments.fast_decode:
        raise UsageError(said("error_no_fast_decode", name=model.name))
    try:
        check_kind(model, _result_size(arguments))
    except VramwiseError as error:
        raise UsageError(error) from error


def _takes_ram(made: Plan) -> bool:
    """Whether a model is to be loaded for it: the engines of the processor are there already."""
    return made.chosen is not None and made.chosen.attention != "none"


def _picture_plan(arguments: argparse.Namespace, model: DiffusionModel) -> int:
    """Of a model that makes something, for each memory size that the card is sold with."""
    from ..advisor.picture_plan import picture_plan
    from ..advisor.targets import targets_of
    from .advice import machine_asked_about

    here = arguments.gpu is None and arguments.vram_gib is None
    machine = machine_asked_about(here, arguments)
    size = _result_size(arguments)
    plans, refused = [], []
    for target in targets_of(arguments.gpu, arguments.vram_gib, arguments.ram_gib, machine, arguments.system):
        try:
            plans.append(picture_plan(model, target, size, arguments.precision))
        except VramwiseError as error:
            refused.append(error)
    return _ending(arguments, plans, refused)


def _result_size(arguments: argparse.Namespace) -> ResultSize:
    from ..advisor.candidate import ResultSize

    width, height = arguments.image or (None, None)
    return ResultSize(width, height, arguments.frames, arguments.batch)


def _ending(
    arguments: argparse.Namespace,
    plans: Sequence[Plan | PicturePlan],
    refused: Sequence[VramwiseError],
) -> int:
    """Print ``plans``, and what was ``refused`` of several memory sizes; returns the exit code. Raises the
    first refusal where there is no plan."""
    from ..advisor.model_names import also_meant, models_meant

    if not plans:
        raise refused[0]
    if arguments.json:
        say_answers("plans", [made.to_dict() for made in plans], refused=list(map(str, refused)))
    else:
        for number, made in enumerate(plans):
            say("\n" * bool(number), end="")
            _say_plan(made, arguments.lang)
        say_edition(arguments.lang)
    for refusal in refused:
        say_failure(refusal)
    taken = plans[0].to_dict()["model"]  # a folder of one's own may have such a name too
    if taken in models_meant(arguments.model) and (also := also_meant(arguments.model, arguments.lang)):
        say_failure(also)
    return 1 if refused else 0


def _say_plan(plan: Plan | PicturePlan, lang: str) -> None:
    from ..advisor.picture_plan import PicturePlan

    if isinstance(plan, PicturePlan):
        say_markdown(plan.text(lang))
    else:
        show(plan, lang)


def _places(arguments: argparse.Namespace) -> Sequence[Target | None]:
    """One for each memory size that the card is sold with; None is this machine."""
    from ..advisor.targets import targets_of

    if arguments.gpu is None and arguments.vram_gib is None:
        return [None]
    return targets_of(arguments.gpu, arguments.vram_gib, arguments.ram_gib, system=arguments.system)


def show(plan: Plan, lang: str = "en") -> None:
    """A table in colours on a terminal, plain text elsewhere."""
    if not drawing():
        say(plan.text(lang))
        return
    from ..planning.plan import closing, columns, opening, table_rows

    heads, rows = columns(lang), table_rows(plan, lang)
    say_lines([opening(plan, lang)])
    styles = [_STYLES.get(verdict.verdict, "bad") for verdict in plan.verdicts]
    say_table(heads, rows, range(len(heads) - 2, 2, -1), styles)
    say_lines(closing(plan, lang, min(terminal_columns(), 110)))
