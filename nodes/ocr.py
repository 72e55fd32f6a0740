"""OCR Inference: read every image of a batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..core.catalog import language, languages
from ..core.catalog.words import LANGUAGES, in_language, words
from ..core.errors import VramwiseError
from ..core.option_values import (
    HYBRID,
    MOST_SEED,
    MOST_TEMPERATURE,
    READING_DIRECTIONS,
    TALKING_TASKS,
    TASKS,
    check_choice,
)
from .bridge.clip_engine import ClipReader, is_clip, model_input
from .bridge.images import Frames, Pages, masks_and_overlays
from .bridge.left_graphs import follow
from .bridge.previews import previews, text_files, uncounted
from .bridge.progress import NodeProgress, interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import Regions, field, io, schema, valid

if TYPE_CHECKING:
    from ..core.ocr.engines.protocol import ReadOptions
    from ..core.ocr.results.result import OCRResult

MAX_MEGAPIXELS = 128.0
MAX_NEW_TOKENS = 32_768
CUT = ("length", "loop")  # finish_reason of an answer without its end


class OCR(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseOCR",
            display_name="OCR Inference",
            category="VRAMwise",
            essentials_category="Image Tools",
            description=(
                "Read the text of every image of a batch: text, markdown, regions, mask, overlay, JSON."
            ),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[*_reading_inputs(), *_question_inputs()],
            outputs=_outputs(),
        )

    @classmethod
    def validate_inputs(
        cls,
        task: str | None = None,
        language: str | None = None,
        hybrid: str | None = None,
        reading_direction: str | None = None,
    ) -> bool | str:
        def check() -> None:
            _check(task or "text", language or "auto")
            check_choice("hybrid", hybrid or "off", HYBRID)
            check_choice("reading_direction", reading_direction or "auto", READING_DIRECTIONS)

        return valid(check)

    @classmethod
    @interruptible
    def execute(
        cls,
        image: Any,
        ocr_model: Any = None,
        task: str = "text",
        prompt: str = "",
        language: str = "auto",
        megapixels: float = 0.0,
        max_new_tokens: int = 0,
        hybrid: str = "off",
        reading_direction: str = "auto",
        partial: bool = False,
        together: bool = False,
        more_images: Any = None,
        history: str = "",
        json_schema: str = "",
        temperature: float = 0.0,
        draw_seed: int = 0,
    ) -> io.NodeOutput:
        from ..core.models.handle import OCRHandle
        from ..core.models.hybrid import with_hybrid
        from ..core.ocr.engines.protocol import ReadOptions
        from ..core.ocr.vlm.prompts import is_together

        _check(task, language)
        if megapixels != megapixels:  # JSON from Python may hold NaN, which passes every range check
            raise VramwiseError("megapixels is not a number. Give 0 for automatic, or a size such as 4.")
        options = ReadOptions(
            task=task,
            prompt=prompt,
            language=language,
            max_pixels=int(megapixels * 1_000_000) or None,
            max_new_tokens=max_new_tokens or None,
            reading_direction=reading_direction,
            partial=partial,
            together=together or more_images is not None,
            history=history or "",
            json_schema=json_schema,
            temperature=temperature,
            seed=draw_seed,
        )
        reader = _reader(ocr_model)
        follow(reader)
        reader = with_hybrid(reader or OCRHandle(), hybrid)
        pages = Pages(image)
        further = more_images is not None and is_together(options)
        every = Frames([image, more_images]) if further else pages
        read = list(reader.read(every, options, NodeProgress(len(every), cls.hidden.unique_id)))
        talks = getattr(reader, "answers_questions", True)
        return _output(read[: len(pages)], read[len(pages) :], options, image, pages, talks)


def _reading_inputs() -> list[Any]:
    """What is read, by whom and how."""
    return [
        io.Image.Input("image", tooltip="One picture or a batch; each is read on its own, in order."),
        model_input("From OCR Model Loader. Unconnected: the built-in engine."),
        io.Combo.Input(
            "task",
            options=list(TASKS),
            default="text",
            tooltip="What the text output carries.",
            optional=True,
        ),
        io.String.Input(
            "prompt",
            default="",
            multiline=True,
            optional=True,
            tooltip="An instruction for models that take one. PP-OCR and Tesseract do not.",
        ),
        io.Combo.Input(
            "language",
            options=["auto", *(row.code for row in languages())],
            default="auto",
            optional=True,
            tooltip=(
                "auto detects the script. Russian and others need Tesseract's data or a recogniser; "
                "see the help page."
            ),
        ),
        field(
            io.Float.Input,
            "megapixels",
            default=0.0,
            min=0.0,
            max=MAX_MEGAPIXELS,
            step=0.1,
            optional=True,
            advanced=True,
            tooltip=(
                "Larger pictures are scaled down to this: PP-OCR finds lines at it, Tesseract "
                "reads at it. 0: automatic."
            ),
        ),
        field(
            io.Int.Input,
            "max_new_tokens",
            default=0,
            min=0,
            max=MAX_NEW_TOKENS,
            optional=True,
            advanced=True,
            tooltip="A limit for models that generate text. 0: automatic.",
        ),
        field(
            io.Combo.Input,
            "hybrid",
            options=list(HYBRID),
            default="off",
            optional=True,
            advanced=True,
            tooltip=(
                "The built-in engine finds lines or paragraphs and ocr_model, here or on a server, "
                "reads them: exact boxes from one, letters from the other. layout: PP-DocLayout "
                "finds titles, tables, formulas and figures, and each is asked by its kind."
            ),
        ),
        field(
            io.Combo.Input,
            "reading_direction",
            options=list(READING_DIRECTIONS),
            default="auto",
            optional=True,
            advanced=True,
            tooltip=(
                "vertical: columns from right to left, as in manga. auto goes by the lines. A model "
                "that writes a whole page decides for itself."
            ),
        ),
        field(
            io.Boolean.Input,
            "partial",
            default=False,
            optional=True,
            advanced=True,
            tooltip=(
                "Of a page in a script that cannot be read here, give what could be read: numbers, "
                "lines in other scripts. Off: such a page is refused with what to install."
            ),
        ),
    ]


def _question_inputs() -> list[Any]:
    """What is asked of models that answer questions."""
    return [
        field(
            io.Boolean.Input,
            "together",
            default=False,
            optional=True,
            advanced=True,
            tooltip=(
                "All pictures are one question, as to compare them: custom, captions, tags and json. "
                "Off: each is asked about on its own."
            ),
        ),
        io.Image.Input(
            "more_images",
            optional=True,
            tooltip="Further pictures of the same question, of any size. They switch together on.",
        ),
        io.String.Input(
            "history",
            optional=True,
            force_input=True,
            tooltip=(
                "The conversation so far, from the history of another OCR Inference or as lines that "
                "begin with user: and assistant:. For custom and json."
            ),
        ),
        field(
            io.String.Input,
            "json_schema",
            default="",
            optional=True,
            advanced=True,
            tooltip="What the answer of the task json must match, a JSON schema. Empty: any JSON.",
        ),
        field(
            io.Float.Input,
            "temperature",
            default=0.0,
            min=0.0,
            max=MOST_TEMPERATURE,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="For custom: how freely words are drawn. 0: the likeliest each time, no seed.",
        ),
        field(
            io.Int.Input,
            "draw_seed",  # to an input called seed older frontends add a control that changes it
            default=0,
            min=0,
            max=MOST_SEED,
            control_after_generate=False,
            optional=True,
            advanced=True,
            tooltip="For custom with a temperature: the same seed draws the same words.",
        ),
    ]


def _outputs() -> list[Any]:
    return [
        io.String.Output(display_name="text", tooltip="All pages joined by a blank line."),
        io.String.Output(display_name="texts", is_output_list=True, tooltip="One text a page."),
        io.String.Output(display_name="markdown", is_output_list=True, tooltip="One markdown text a page."),
        Regions.Output(display_name="regions", tooltip="Polygons, texts and confidences of the whole batch."),
        io.Mask.Output(display_name="mask", tooltip="The union of the polygons, one mask a page."),
        io.Image.Output(display_name="overlay", tooltip="The pages with their regions drawn."),
        io.String.Output(display_name="json", tooltip="Everything as JSON, one entry a page."),
        io.String.Output(
            display_name="reasoning",
            is_output_list=True,
            tooltip="What a model thought before it answered, one text a page.",
        ),
        io.String.Output(
            display_name="tables",
            is_output_list=True,
            tooltip="Each table of all pages as CSV; one empty text where there is none.",
        ),
        io.String.Output(
            display_name="region_texts",
            is_output_list=True,
            tooltip="One text a region, as many as regions has, for Draw Text.",
        ),
        io.String.Output(
            display_name="numbered_lines",
            tooltip=(
                "The same as one text for a language model, each line with its number, which Draw Text reads."
            ),
        ),
        io.String.Output(
            display_name="history",
            is_output_list=True,
            tooltip="The conversation with this question and its answer, one a page.",
        ),
    ]


def _reader(ocr_model: Any) -> Any:
    """Who reads: a handle, a CLIP of ComfyUI as one, None for the built-in engine."""
    reader = ClipReader(ocr_model) if is_clip(ocr_model) else ocr_model
    if reader is not None and not hasattr(reader, "read"):
        raise VramwiseError(
            f"The ocr_model input holds {ocr_model!r}, which is no model. Link it to an OCR Model Loader, "
            "or leave it unconnected for the built-in engine."
        )
    return reader


def _output(
    results: list[OCRResult],
    further: list[OCRResult],
    options: ReadOptions,
    image: Any,
    pages: Pages,
    talks: bool,
) -> io.NodeOutput:
    """All outputs for the pages' ``results``; of ``further`` pictures of the same question the records.
    ``talks``: the reader answers questions.
    """
    from ..core.documents.table_files import csv_of
    from ..core.ocr.results.region_lines import numbered_lines, region_texts
    from ..core.ocr.results.result import Regions as RegionsValue
    from ..core.ocr.results.written_tables import tables_of
    from ..core.ocr.vlm.prompts import is_together

    mask, overlay = masks_and_overlays(image, results)
    answers = results[:1] if is_together(options) else results
    texts = [result.text for result in answers]
    records = [result.to_dict() for result in results]
    here = [{**one, **_notes(each)} for one, each in zip(records, results, strict=True)]
    return io.NodeOutput(
        "\n\n".join(texts),
        texts,
        [result.markdown for result in answers],
        RegionsValue(tuple(results)),
        mask,
        overlay,
        json.dumps([*records, *(result.to_dict() for result in further)], ensure_ascii=False),
        [result.reasoning for result in answers],
        [csv_of([table]) for result in results for table in tables_of(result)] or [""],
        region_texts(results) or [""],  # ComfyUI breaks off at an empty list
        numbered_lines(results),
        [_continued(options, text, talks) for text in texts],
        ui={"text": texts, **text_files(texts), "ocr": here, "pages": uncounted(previews(pages))},
    )


def _notes(result: OCRResult) -> dict[str, Any]:
    """For the panel what of the reading is not as it might be expected: in the language of who asked and, as
    ComfyUI keeps an answer whoever asks next, in all others.
    """
    spoken = {lang: {"notes": _notes_in(lang, result)} for lang in LANGUAGES}
    asked = spoken[of_the_reader()]
    return {**asked, "in": spoken} if asked["notes"] else asked


def _notes_in(lang: str, result: OCRResult) -> list[str]:
    notes = [in_language(note, lang) for note in result.notes]
    if result.finish_reason in CUT:
        notes.append(words(lang)[f"ocr_cut_{result.finish_reason}"])
    return notes


def _continued(options: ReadOptions, text: str, talks: bool) -> str:
    """The conversation after an answer; what came in where the task is none, or the reader never talks."""
    from ..core.ocr.vlm.chat_history import continued

    if options.task not in TALKING_TASKS or not talks:
        return options.history
    return continued(options.history, options.prompt or options.task, text)


def _check(task: str, code: str) -> None:
    check_choice("task", task, TASKS)
    if code != "auto":
        language(code)
