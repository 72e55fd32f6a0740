"""What a page that watches this machine is told: plain JSON values.

Nothing here knows HTTP. Bytes are integers, None where nobody knows; names and sentences are text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from .catalog import OCRModel, Recogniser, languages, recognisers
from .catalog.words import in_language
from .errors import UnknownName, VramwiseError
from .option_values import ATTENTIONS, check_choice, precision_choices
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from .catalog.templates import Template
    from .hardware import MachineReport
    from .models.needed_packages import NeededPackages
    from .models.request import ModelRequest
    from .planning import Plan
    from .weights.background_downloads import Downloads

MAX_MEGAPIXELS = 128.0
_OWN_FIGURES = (
    "id",
    "name",
    "kind",
    "total_bytes",
    "free_bytes",
    "own_bytes",
    "host_bytes",
    "other_bytes",
    "temperature_c",
    "source",
    "set_by_hand",
)


def machine_answer(report: MachineReport, lang: str = "en") -> dict[str, Any]:
    """Each device with who holds its memory, what the chosen one can give a model, RAM, and what is wrong, in
    ``lang``.
    """
    from .hardware.budget import budget_of_machine
    from .hardware.health import health

    budget = budget_of_machine(report)
    return {
        "devices": [
            {**{name: getattr(device, name) for name in _OWN_FIGURES}, "chosen": device.id == report.chosen}
            for device in report.devices
        ],
        "budget": None if budget is None else budget.to_dict(),
        "ram": {"total_bytes": report.ram_total_bytes, "available_bytes": report.ram_available_bytes},
        "system": report.system,
        "torch": report.torch,
        "findings": [asdict(finding) for finding in health(report, lang)],
        "remarks": [remark.text(lang) for remark in report.remarks],
    }


def loader_request(
    model: str,
    precision: str = "auto",
    attention: str = "auto",
    device: str = "auto",
    quantise_vision: bool = False,
    megapixels: float = 0.0,
    fast_decode: bool = False,
) -> ModelRequest:
    """What a loader is set to. ``megapixels`` is the largest picture, 0 for the usual one.

    Raises VramwiseError for an impossible precision, attention or size.
    """
    from .models.request import ModelRequest

    check_choice("precision", precision, precision_choices())
    check_choice("attention", attention, ATTENTIONS)
    if not 0 <= megapixels <= MAX_MEGAPIXELS:
        raise VramwiseError(f"megapixels must be from 0 to {MAX_MEGAPIXELS:g}, not {megapixels:g}.")
    largest = math.ceil(megapixels * 1e6) or None
    return ModelRequest(
        model, precision, attention, device, quantise_vision, max_pixels=largest, fast_decode=fast_decode
    )


def plan_answer(request: ModelRequest, downloads: Downloads, lang: str = "en") -> dict[str, Any]:
    """A verdict for every precision, before anything is loaded; ``missing`` where the files are not here,
    ``needs`` what has to be installed before they are of use, ``recognisers`` what can be added to the
    built-in engine and ``layout`` to a vision-language model. Reasons and sentences about packages and
    downloads are in ``lang``.

    A precision that cannot run is a verdict here, not an error. Raises UnknownName for an unknown model.
    """
    from .models.needed_packages import needed_packages
    from .models.request import answer

    settings = load_settings()
    found = answer(replace(request, precision="auto"), settings)
    needed = needed_packages(found.plan) if found.plan is not None else None
    blocked = needed is not None and bool(needed.of(request.precision))
    plan, budget = found.plan, found.plan.budget if found.plan is not None else None
    built_in = found.row is not None and found.row.engine == "rapid"
    return {
        "model": request.model,
        "device": plan.device if plan else request.device,
        "free_bytes": budget.free_bytes if budget else None,
        "reclaimable_bytes": budget.reclaimable_bytes if budget else None,
        "verdicts": [
            {**verdict.to_dict(), "reason": in_language(verdict.reason, lang)} for verdict in plan.verdicts
        ]
        if plan
        else [],
        "chosen": _chosen(request.precision, plan) if plan else None,
        "refusal": _refusal(request.precision, plan, lang) if plan else "",
        "missing": {**_offered(found.row, settings, in_language(found.missing, lang)), "blocked": blocked}
        if found.missing
        else None,
        "download": downloads.state(request.model, lang),
        "needs": [] if needed is None else _needs(needed, lang),
        "recognisers": recognisers_answer(downloads, lang) if built_in else [],
        "notes": [in_language(note, lang) for note in found.notes],
        "set_by_hand": budget.set_by_hand if budget else "",
        "layout": layout_answer(downloads, lang) if found.row is None or found.row.repo else None,
    }


def _needs(needed: NeededPackages, lang: str) -> list[dict[str, str]]:
    both = zip(needed.sentences(), needed.commands(), strict=True)
    return [{"text": in_language(text, lang), "command": command} for text, command in both]


def layout_answer(downloads: Downloads, lang: str = "en") -> dict[str, Any]:
    """The net that ``hybrid`` layout wants, told as a recogniser is; it has a ``name`` of its own."""
    from .catalog.layout import layout_models
    from .weights.checkpoints import locate

    settings = load_settings()
    (row,) = layout_models()
    try:
        locate(row, settings)
    except VramwiseError:
        state = "absent"
    else:
        state = "here"
    return {
        "id": row.id,
        "name": row.name,
        "languages": [],
        "state": state,
        "allowed": settings.download_button,
        "download": downloads.state(row.id, lang),
    }


def recognisers_answer(downloads: Downloads, lang: str = "en") -> list[dict[str, Any]]:
    """What adds languages to the built-in engine: ``languages`` are codes of the catalog, ``state`` is
    "here", "damaged" or "absent", ``download`` as of the button, its error in ``lang``.
    """
    from .weights import recognisers as files

    settings = load_settings()

    def state(row: Recogniser) -> str:
        path = files.present(row, settings)
        return "absent" if path is None else "here" if files.is_whole(row, path) else "damaged"

    return [
        {
            "id": row.id,
            "languages": [one.code for one in languages() if one.recogniser == row.id],
            "state": state(row),
            "allowed": settings.download_button,
            "download": downloads.state(row.id, lang),
        }
        for row in recognisers()
    ]


def _chosen(precision: str, plan: Plan) -> str | None:
    """The precision that would run: the plan's own, or the one asked for where it can."""
    if precision != "auto" and len(plan.verdicts) > 1:
        return precision if plan.verdict(precision).max_pixels is not None else None
    return plan.chosen.precision if plan.chosen is not None else None


def _refusal(precision: str, plan: Plan, lang: str) -> str:
    """Why nothing would run as the loader is set, and what would help; empty where something runs."""
    if _chosen(precision, plan) is not None:
        return ""
    return in_language(plan.refusal() if plan.chosen is None else plan.refusal_of(precision), lang)


def _offered(row: OCRModel | None, settings: Settings, searched: str) -> dict[str, Any]:
    """What a download would be: from where, into which folder, how large, and whether it may be."""
    from .weights.writable import download_folders, likely_folder

    if row is None:
        nowhere = {"repo": None, "source": None, "folder": None, "size_bytes": None, "allowed": False}
        return {**nowhere, "searched": searched}
    return {
        "repo": row.repo,
        "source": settings.download_source,
        "folder": str(likely_folder(download_folders(settings, row.repo))),
        "size_bytes": _published_bytes(row),
        "allowed": settings.download_button,
        "searched": searched,
    }


def _published_bytes(row: OCRModel) -> int | None:
    """Bytes of the files as they are published, by the shapes of the published architecture: in 16 bit, or as
    they were quantised; then a tied lm_head lies beside (docs/sources.md#published-fp8-weights).
    """
    from .families.blocks import text_config, tied
    from .families.published import published_config
    from .families.saved.quantised import published_bytes, saved_quantised
    from .families.weights import weights_of_config
    from .planning import weight_bytes

    if row.weight_bytes is not None:
        return row.weight_bytes
    config = published_config(row.repo)
    if config is None:
        return None
    saved, weights = saved_quantised(config), tuple(weights_of_config(config))
    if saved is None:
        return weight_bytes(weights, "bf16")
    text = text_config(config)
    head = 2 * text["vocab_size"] * text["hidden_size"] if tied(config) else 0
    return published_bytes(weights, saved) + head


def advice_answer(
    gpu: str, task: str, templates: Sequence[Template], machine: Any, lang: str = "en"
) -> list[dict[str, Any]]:
    """Every model of the catalog at every precision, for a card that a person writes or for ``machine``, and
    the answer in sentences (``summary``; they and the reasons are in ``lang``); ``own_rows`` says what of a
    person's rows is not used.

    One entry for each memory size that the card is sold with. Raises UnknownName and VramwiseError as
    advisor.advise_each does.
    """
    from .advisor.advise import advise_each
    from .advisor.own_faults import own_faults
    from .advisor.summary import summary
    from .ocr.remote.endpoints import said_to_serve

    try:
        answers = advise_each(
            gpu=gpu or None,
            task=task,
            installed=installed_models(),
            templates=templates,
            served=said_to_serve(load_settings()),
            machine=None if gpu else machine,
        )
    except UnknownName as unknown:  # it may be the name of a row that is not used
        faults = [fault.text(lang) for fault in own_faults()]
        if not faults:
            raise  # it knows itself in every language
        raise UnknownName(" ".join((in_language(unknown, lang), *faults))) from None
    return [
        {
            "gpu": answer.gpu,
            "picks": len(answer.picks),
            "models": [row.for_panel(lang) for row in answer.candidates],
            "summary": summary(answer).to_dict(lang),
            "own_rows": [fault.text(lang) for fault in answer.own_faults],
        }
        for answer in answers
    ]


def installed_models() -> set[str]:
    """Ids of the catalog's OCR models whose folders are on this machine."""
    from .advisor.graph_memory import ocr_models_on_disk
    from .weights.checkpoints import local_checkpoints

    return ocr_models_on_disk(found.name for found in local_checkpoints(load_settings()))


def card_names() -> list[str]:
    """Cards that can be asked about, by the name that finds them again."""
    from .advisor.gpu_ranking import offered_cards

    return [card.label for card in offered_cards(every=True)]
