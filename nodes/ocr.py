"""OCR Inference: read every image of a batch."""

from __future__ import annotations

import json
from typing import Any

from ..core.catalog import language, languages
from ..core.errors import VramwiseError
from ..core.option_values import HYBRID, READING_DIRECTIONS, TASKS, check_choice
from .bridge.clip_engine import ClipReader, is_clip, model_input
from .bridge.images import Pages, masks_and_overlays
from .bridge.previews import previews
from .bridge.progress import NodeProgress, interruptible
from .bridge.schema import Regions, field, io, schema, valid

MAX_MEGAPIXELS = 128.0
MAX_NEW_TOKENS = 32_768


class OCR(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseOCR",
            display_name="OCR Inference",
            category="VRAMwise",
            description=(
                "Read the text of every image of a batch: text, markdown, regions, mask, overlay, JSON."
            ),
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
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
                        "reads them: exact boxes from one, letters from the other."
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
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="All pages joined by a blank line."),
                io.String.Output(display_name="texts", is_output_list=True, tooltip="One text a page."),
                io.String.Output(
                    display_name="markdown", is_output_list=True, tooltip="One markdown text a page."
                ),
                Regions.Output(
                    display_name="regions", tooltip="Polygons, texts and confidences of the whole batch."
                ),
                io.Mask.Output(display_name="mask", tooltip="The union of the polygons, one mask a page."),
                io.Image.Output(display_name="overlay", tooltip="The pages with their regions drawn."),
                io.String.Output(display_name="json", tooltip="Everything as JSON, one entry a page."),
            ],
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
    ) -> io.NodeOutput:
        from ..core.models.handle import OCRHandle
        from ..core.models.hybrid import with_hybrid
        from ..core.ocr.engines.protocol import ReadOptions
        from ..core.ocr.results.result import Regions as RegionsValue

        _check(task, language)
        reader = ClipReader(ocr_model) if is_clip(ocr_model) else ocr_model
        if reader is not None and not hasattr(reader, "read"):
            raise VramwiseError(
                f"The ocr_model input holds {ocr_model!r}, which is no model. Link it to an OCR Model "
                f"Loader, "
                "or leave it unconnected for the built-in engine."
            )
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
        )
        reader = with_hybrid(reader or OCRHandle(), hybrid)
        pages = Pages(image)
        results = list(reader.read(pages, options, NodeProgress(len(pages), cls.hidden.unique_id)))
        mask, overlay = masks_and_overlays(image, results)
        texts = [result.text for result in results]
        records = [result.to_dict() for result in results]
        here = [
            {**record, "notes": list(result.notes)} for record, result in zip(records, results, strict=True)
        ]
        return io.NodeOutput(
            "\n\n".join(texts),
            texts,
            [result.markdown for result in results],
            RegionsValue(tuple(results)),
            mask,
            overlay,
            json.dumps(records, ensure_ascii=False),
            ui={"text": texts, "ocr": here, "pages": previews(pages)},
        )


def _check(task: str, code: str) -> None:
    check_choice("task", task, TASKS)
    if code != "auto":
        language(code)
