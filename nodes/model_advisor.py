"""Model Advisor: what runs here, or would run on another card, best first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..core.catalog.words import LANGUAGES, said
from ..core.errors import UnknownName
from ..core.option_values import ADVICE_TASKS, check_choice
from .bridge.previews import text_files, uncounted
from .bridge.progress import interruptible
from .bridge.schema import GPU, choice_output, field, io, schema, valid

if TYPE_CHECKING:
    from ..core.advisor.advise import Advice


_SIZES = (
    ("width", 0, 32_768, "Of what the model is to make or read, in pixels. 0: its usual size."),
    ("height", 0, 32_768, "Of what the model is to make or read, in pixels. 0: its usual size."),
    ("frames", 0, 100_000, "Length of a clip. 0: the model's usual length."),
    ("batch", 1, 4096, "How many at once."),
)


class ModelAdvisor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseModelAdvisor",
            display_name="Model Advisor",
            category="VRAMwise",
            description=(
                "Which models run on this card or another one, at which precision, and what more memory "
                "would bring. Advice only: nothing is blocked."
            ),
            is_output_node=True,
            inputs=[
                GPU.Input(
                    "gpu",
                    optional=True,
                    tooltip="From GPU Probe. Unconnected: this machine, looked at when the node runs.",
                ),
                io.String.Input(
                    "what_if",
                    default="",
                    tooltip='Another card or size: "RTX 4060 Ti 16 GB", "24 GB". Empty: this machine.',
                ),
                io.Combo.Input(
                    "task",
                    options=list(ADVICE_TASKS),
                    default="all",
                    tooltip="What the models are wanted for.",
                ),
                io.AnyType.Input(
                    "also_loaded",
                    optional=True,
                    tooltip=(
                        "What else the graph keeps loaded: a MODEL, CLIP, VAE or OCR model, or names parted "
                        "by commas. For which GPU: the models that the card must run."
                    ),
                ),
                io.Boolean.Input(
                    "installed_only", default=False, tooltip="Only models whose files are on this machine."
                ),
                field(
                    io.Float.Input,
                    "ram_gib",
                    default=0.0,
                    min=0.0,
                    max=4096.0,
                    step=1.0,
                    advanced=True,
                    tooltip="RAM in GiB, which streaming needs. 0: this machine's, or not considered.",
                ),
                field(
                    io.Combo.Input,
                    "language",
                    options=list(LANGUAGES),
                    default="en",
                    optional=True,
                    tooltip="Language of the report.",
                ),
                field(
                    io.String.Input,
                    "model",
                    default="",
                    optional=True,
                    tooltip=(
                        "One model, by id or name: its plan at every precision instead of the advice. "
                        "Empty: advice on all."
                    ),
                ),
                *(
                    field(
                        io.Int.Input,
                        name,
                        default=default,
                        min=default,
                        max=most,
                        optional=True,
                        advanced=True,
                        tooltip=tooltip,
                    )
                    for name, default, most, tooltip in _SIZES
                ),
            ],
            outputs=[
                io.String.Output(display_name="report"),
                choice_output("model"),
                choice_output("precision"),
                io.String.Output(display_name="table"),
            ],
        )

    @classmethod
    def validate_inputs(cls, task: str | None = None, language: str | None = None) -> bool | str:
        return valid(lambda: _check(task or "all", language or "en"))

    @classmethod
    @interruptible
    def execute(
        cls,
        what_if: str,
        task: str,
        installed_only: bool,
        ram_gib: float,
        gpu: Any = None,
        also_loaded: Any = None,
        language: str = "en",
        model: str = "",
        width: int = 0,
        height: int = 0,
        frames: int = 0,
        batch: int = 1,
    ) -> io.NodeOutput:
        from ..core.advisor import report
        from ..core.advisor.graph_memory import loaded_in_graph
        from ..core.ocr.remote.endpoints import said_to_serve
        from ..core.settings import load_settings
        from .bridge.templates import installed_templates

        _check(task, language)
        also = loaded_in_graph(also_loaded)
        if model.strip():
            size = (width or None, height or None, frames or None, batch)
            return _plans(model, what_if.strip(), ram_gib or None, gpu, also, size, language)
        answers = _answers(
            what_if,
            gpu=what_if.strip() or None,
            task=task,
            ram_gib=ram_gib or None,
            also_loaded=also,
            installed=_on_disk(),
            installed_only=installed_only,
            templates=installed_templates(),
            served=said_to_serve(load_settings()),
            machine=None if task == "which GPU" else gpu or _this_machine(),
        )
        text = "\n".join(report(answer, language) for answer in answers)
        # of two memory sizes the smaller decides: it runs on both
        smallest = min(answers, key=lambda answer: answer.target.vram_gib or 0.0)
        picked, precision = _wired(smallest)
        tables = [answer.table() for answer in answers]
        table = json.dumps(tables[0] if len(tables) == 1 else tables, ensure_ascii=False)
        shown = [
            {
                **its,
                "models": [row.for_panel("en") for row in answer.candidates],
                "summary": _in_all_languages(answer, language),
            }
            for its, answer in zip(tables, answers, strict=True)
        ]
        told = {"text": [text], **text_files([text]), "advice": uncounted(shown)}
        return io.NodeOutput(text, picked, precision, table, ui=told)


def _in_all_languages(answer: Advice, language: str) -> dict[str, Any]:
    """The summary in the node's language and, for the panel, in the one that the page is in, with what of a
    person's own rows is not used and the words of the answer's rows by the English ones.
    """
    from ..core.advisor.candidate import said_otherwise
    from ..core.advisor.summary import summary

    found, faults = summary(answer), answer.own_faults
    spoken = {
        lang: {
            **found.to_dict(lang),
            "own_rows": [fault.text(lang) for fault in faults],
            "words": said_otherwise(answer.candidates, lang),
        }
        for lang in LANGUAGES
    }
    return {**found.to_dict(language), "in": spoken}


def _plans(
    model: str,
    what_if: str,
    ram_gib: float | None,
    gpu: Any,
    also_loaded: tuple[str | int, ...],
    size: tuple[int | None, int | None, int | None, int],
    language: str,
) -> io.NodeOutput:
    """The plan of one model in place of the advice."""
    from ..core.advisor.advise import places_beside
    from ..core.advisor.candidate import ResultSize
    from ..core.advisor.model_names import also_meant
    from ..core.advisor.picture_plan import plans_of

    machine = gpu or _this_machine()
    targets = places_beside(what_if or None, ram_gib, machine, also_loaded)
    live = not what_if and not also_loaded
    plans = plans_of(model, targets, ResultSize(*size), live=live)
    texts = [one.text(language) for one in plans]
    told = [one.to_dict() for one in plans]
    chosen = plans[-1].chosen
    precision = "" if chosen is None else chosen.precision
    table = json.dumps(told[0] if len(told) == 1 else told, ensure_ascii=False)
    also = also_meant(model.partition("@")[0], language)
    text = "\n".join([*texts, *([also] if also else [])])
    shown = {"text": [text], **text_files([text])}
    return io.NodeOutput(text, told[-1]["model"], precision, table, ui=shown)


def _answers(what_if: str, **asked: Any) -> tuple[Advice, ...]:
    from ..core.advisor import advise_each

    try:
        return advise_each(**asked)
    except UnknownName as error:
        if not what_if.strip() or "also_loaded" in str(error):
            raise
        raise UnknownName(said("error_within", name="what_if", error=error)) from error


def _wired(advice: Advice) -> tuple[str, str]:
    """What goes into the loader's combos: the best OCR pick, else the best pick of the task."""
    best = advice.best("OCR") or next(iter(advice.picks), None)
    return ("", "") if best is None else (best.model, best.precision)


def _on_disk() -> set[str]:
    from ..core.advisor.graph_memory import ocr_models_on_disk
    from ..core.settings import load_settings
    from ..core.weights.checkpoints import local_checkpoints

    return ocr_models_on_disk(folder.name for folder in local_checkpoints(load_settings()))


def _this_machine() -> Any:
    from ..core.models.place import machine_now

    return machine_now()


def _check(task: str, language: str) -> None:
    check_choice("task", task, ADVICE_TASKS)
    check_choice("language", language, LANGUAGES)
