"""What a page that watches this machine is told: plain JSON values, and the downloads a person starts there.

Nothing here knows HTTP. Bytes are integers, None where nobody knows; names and sentences are text.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .catalog import Family, OCRModel, family, family_of_model_type, ocr_models
from .errors import UnknownName, VramwiseError, nearest
from .option_values import ATTENTIONS, check_choice, precision_choices
from .settings import DOWNLOAD_SOURCES, Settings, load_settings

if TYPE_CHECKING:
    from .catalog.templates import Template
    from .hardware import MachineReport
    from .planning import Plan
    from .weights.model_download import Cancelled, Progress

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
)
LONGEST_NAME = 200


def machine_answer(report: MachineReport, lang: str = "en") -> dict[str, Any]:
    """Each device with who holds its memory, RAM, and what is wrong, in ``lang``."""
    from .hardware.health import health

    return {
        "devices": [
            {**{name: getattr(device, name) for name in _OWN_FIGURES}, "chosen": device.id == report.chosen}
            for device in report.devices
        ],
        "ram": {"total_bytes": report.ram_total_bytes, "available_bytes": report.ram_available_bytes},
        "system": report.system,
        "torch": report.torch,
        "findings": [asdict(finding) for finding in health(report, lang)],
    }


@dataclass(frozen=True)
class Question:
    """What a loader is set to. ``megapixels`` is the largest picture, 0 for the usual one."""

    model: str
    precision: str = "auto"
    attention: str = "auto"
    device: str = "auto"
    quantise_vision: bool = False
    megapixels: float = 0.0


def plan_answer(asked: Question, downloads: Downloads) -> dict[str, Any]:
    """A verdict for every precision, before anything is loaded; ``missing`` where the files are not here.

    A precision that cannot run is a verdict here, not an error. Raises UnknownName for an unknown model,
    VramwiseError for an impossible precision, attention or size.
    """
    check_choice("precision", asked.precision, precision_choices())
    check_choice("attention", asked.attention, ATTENTIONS)
    if not 0 <= asked.megapixels <= MAX_MEGAPIXELS:
        raise VramwiseError(f"megapixels must be from 0 to {MAX_MEGAPIXELS:g}, not {asked.megapixels:g}.")
    row = next((one for one in ocr_models() if one.id == asked.model), None)
    if row is not None and not row.repo:
        from .models.request import plan

        return _planned(asked, plan(asked.model), None, _fixed(asked).splitlines())
    settings = load_settings()
    made, missing = _plan(asked, row, settings)
    absent = None if missing is None else {**_offered(row, settings), "searched": missing}
    return _planned(asked, made, absent, made.notes if made else (), downloads)


def _fixed(asked: Question) -> str:
    from .models.handle import ocr_handle

    return ocr_handle(asked.model, asked.precision, asked.attention, asked.device).plan()


def _planned(
    asked: Question,
    made: Plan | None,
    missing: dict[str, Any] | None,
    notes: Sequence[str],
    downloads: Downloads | None = None,
) -> dict[str, Any]:
    budget = made.budget if made is not None else None
    return {
        "model": asked.model,
        "device": made.device if made else asked.device,
        "free_bytes": budget.free_bytes if budget else None,
        "reclaimable_bytes": budget.reclaimable_bytes if budget else None,
        "verdicts": [verdict.to_dict() for verdict in made.verdicts] if made else [],
        "chosen": _chosen(asked, made) if made else None,
        "missing": missing,
        "download": downloads.state(asked.model) if downloads is not None else None,
        "notes": list(notes),
    }


def _chosen(asked: Question, made: Plan) -> str | None:
    """The precision that would run: the plan's own, or the one asked for where it can."""
    if asked.precision != "auto" and len(made.verdicts) > 1:
        verdict = made.verdict(asked.precision)
        return asked.precision if verdict.max_pixels is not None else None
    return made.chosen.precision if made.chosen is not None else None


def _plan(asked: Question, row: OCRModel | None, settings: Settings) -> tuple[Plan | None, str | None]:
    """The plan (None where nothing tells the size), and why the files are not used (None where they are)."""
    from .families.weights import published_config
    from .hardware import capabilities, device_names
    from .models.live import budget_for, find_checkpoint
    from .planning import make_plan, run_history
    from .weights import checkpoints

    missing: str | None = None
    try:
        found = find_checkpoint(asked.model, settings)
    except VramwiseError as error:
        if row is None:
            _check_known(asked.model)
            raise
        missing, config, tensors = str(error), published_config(row.repo), None
        its: Family | None = family(row.family)
    else:
        config, tensors = checkpoints.read_config(found.path), checkpoints.tensor_index(found.path)
        its = family_of_model_type(found.model_type)
    if config is None or its is None:
        return None, missing or f"{asked.model} is of a kind that VRAMwise has no family for."
    budget = budget_for(asked.device if asked.device in device_names() else "auto")
    made = make_plan(
        asked.model,
        its,
        config,
        tensors,
        budget,
        "auto",
        asked.attention,
        capabilities.model_options(),
        quantise_vision=asked.quantise_vision,
        pixels=math.ceil(asked.megapixels * 1e6) or None,
        runs=run_history.lookup(
            settings.places.user_dir, run_history.remembered_as(budget.name, budget.device), asked.model
        ),
    )
    return made, missing


def _check_known(model: str) -> None:
    from .models.names import model_ids

    known = model_ids()
    if model not in known:
        raise UnknownName(f'"{model[:80]}" is not an OCR model that is known here.{nearest(model, known)}')


def _offered(row: OCRModel | None, settings: Settings) -> dict[str, Any]:
    """What a download would be: from where, into which folder, how large, and whether it may be."""
    if row is None:
        return {"repo": None, "source": None, "folder": None, "size_bytes": None, "allowed": False}
    folder = settings.all_models_dirs[0] / "LLM" / row.repo.rsplit("/", 1)[-1]
    return {
        "repo": row.repo,
        "source": settings.download_source,
        "folder": str(folder),
        "size_bytes": _published_bytes(row),
        "allowed": settings.download_button,
    }


def _published_bytes(row: OCRModel) -> int | None:
    """Bytes of the files as they are published: the 16-bit weights of the published architecture."""
    from .families.weights import published_config, weights_of_config
    from .planning import weight_bytes

    if row.weight_bytes is not None:
        return row.weight_bytes
    config = published_config(row.repo)
    return None if config is None else weight_bytes(weights_of_config(config), "bf16")


def advice_answer(gpu: str, task: str, templates: Sequence[Template], machine: Any) -> list[dict[str, Any]]:
    """Every model of the catalog at every precision, for a card that a person writes or for ``machine``.

    One entry for each memory size that the card is sold with. Raises UnknownName and VramwiseError as
    advisor.advise_each does.
    """
    from .advisor.advise import advise_each
    from .ocr.remote.endpoints import said_to_serve

    answers = advise_each(
        gpu=gpu or None,
        task=task,
        installed=installed_models(),
        templates=templates,
        served=said_to_serve(load_settings()),
        machine=None if gpu else machine,
    )
    tables = [answer.table() for answer in answers]
    return [{"gpu": row["gpu"], "picks": len(row["picks"]), "models": row["models"]} for row in tables]


def installed_models() -> set[str]:
    """Ids of the catalog's OCR models whose folders are on this machine."""
    from .advisor.graph_memory import ocr_models_on_disk
    from .weights.checkpoints import local_checkpoints

    return ocr_models_on_disk(one.name for one in local_checkpoints(load_settings()))


def card_names() -> list[str]:
    """Cards that can be asked about, by the name that finds them again."""
    from .advisor.gpu_ranking import offered_cards

    return [card.label for card in offered_cards(every=True)]


@dataclass
class _Download:
    model: str
    state: str = "running"
    done_bytes: int = 0
    total_bytes: int | None = None
    file: str = ""
    error: str = ""
    stop: bool = False

    def answer(self) -> dict[str, Any]:
        names = ("model", "state", "done_bytes", "total_bytes", "file", "error")
        return {name: getattr(self, name) for name in names}


Fetch = Callable[[OCRModel, Settings, "Progress", "Cancelled"], Any]


class Downloads:
    """Fetches that a person has started by a button, one a model, each in a thread of its own.

    A state is "running", "done", "stopped" or "failed" (then ``error`` is the sentence). Nothing is fetched
    unless ``start`` is called, and ``start`` refuses where the machine's owner has switched the button off.
    """

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch, self._guard = fetch or _fetch, threading.Lock()
        self._known: dict[str, _Download] = {}

    def answer(self) -> list[dict[str, Any]]:
        with self._guard:
            return [one.answer() for one in self._known.values()]

    def state(self, model: str) -> dict[str, Any] | None:
        with self._guard:
            return self._known[model].answer() if model in self._known else None

    def start(self, model: str, source: str = "") -> dict[str, Any]:
        """Begin to fetch a model of the catalog; one that is being fetched goes on. ``source``: one of
        DOWNLOAD_SOURCES, or "" for the machine's own. Raises VramwiseError where that may not be.
        """
        settings = load_settings()
        row = next((one for one in ocr_models() if one.id == model and one.repo), None)
        if row is None:
            ids = [one.id for one in ocr_models() if one.repo]
            raise UnknownName(f'"{model[:80]}" is no model that can be fetched.{nearest(model, ids)}')
        if not settings.download_button:
            raise VramwiseError(
                f"Downloads from the browser are switched off on this machine (download_button in "
                f"{settings.config_path}). On the machine itself: {settings.command('download', model)}"
            )
        if source:
            check_choice("source", source, DOWNLOAD_SOURCES)
            settings = replace(settings, download_source=source)
        with self._guard:
            running = self._known.get(model)
            if running is not None and running.state == "running" and not running.stop:
                return running.answer()
            begun = self._known[model] = _Download(model)
        threading.Thread(
            target=self._run, args=(begun, row, settings), name=f"vramwise-{model}", daemon=True
        ).start()
        return begun.answer()

    def cancel(self, model: str) -> dict[str, Any]:
        """Ask a running fetch to stop; what has arrived is kept. Raises UnknownName where there is none."""
        with self._guard:
            known = self._known.get(model)
            if known is None:
                raise UnknownName(f'Nothing called "{model[:80]}" is being fetched.')
            known.stop = True
            return known.answer()

    def _run(self, one: _Download, row: OCRModel, settings: Settings) -> None:
        from .weights import DownloadStopped

        def progress(done: int, total: int, file: str) -> None:
            one.done_bytes, one.total_bytes, one.file = done, total, file

        try:
            self._fetch(row, settings, progress, lambda: one.stop)
        except DownloadStopped:
            one.state = "stopped"
        except VramwiseError as error:
            one.error, one.state = str(error), "failed"
        except BaseException:
            one.error, one.state = "It ended unexpectedly; ComfyUI's log says why.", "failed"
            raise
        else:
            one.state = "done"


def _fetch(model: OCRModel, settings: Settings, progress: Progress, cancelled: Cancelled) -> None:
    from .weights import download_model

    download_model(model, settings, progress, cancelled)
