"""Draw Text: new texts in the regions of a picture."""

from __future__ import annotations

from typing import Any

import torch

from ..core.catalog.words import in_language, said
from ..core.errors import VramwiseError
from ..core.option_values import ALIGNMENTS, BACKGROUNDS, DIRECTIONS, TOO_LONG, check_choice
from .bridge.images import CHANNELS, first, has_pixels, kind_of, private_rgb
from .bridge.progress import NodeProgress, interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import Regions, field, io, schema, valid

CHOICES = {"align": ALIGNMENTS, "direction": DIRECTIONS, "background": BACKGROUNDS, "too_long": TOO_LONG}


class DrawText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseDrawText",
            display_name="Draw Text",
            category="VRAMwise",
            description="Set new texts in the regions of a picture: fitted, wrapped, in the region's slant.",
            is_input_list=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to draw on, one for each page of the regions."),
                Regions.Input("regions", tooltip="From OCR Inference: where the texts go."),
                io.String.Input(
                    "texts",
                    default="",
                    multiline=True,
                    tooltip="One line a region in reading order, a JSON array, or a linked list of texts. "
                    "An empty line leaves its region alone.",
                ),
                io.String.Input(
                    "font",
                    default="auto",
                    optional=True,
                    tooltip="auto: a font that has the letters. Else the name of an installed font, or of a "
                    "file in models/fonts or the input folder.",
                ),
                io.Float.Input(
                    "size",
                    default=0.0,
                    min=0.0,
                    max=4096.0,
                    step=1.0,
                    optional=True,
                    tooltip="Size of the letters in pixels. 0: by the region and its old text.",
                ),
                io.String.Input(
                    "colour",
                    default="auto",
                    optional=True,
                    tooltip="auto: the colour of the old text. Else #rrggbb or a name such as red.",
                ),
                io.Combo.Input(
                    "align",
                    options=list(ALIGNMENTS),
                    default="center",
                    optional=True,
                    tooltip="Where lines stand in the region. In columns: left is the top, right the bottom.",
                ),
                io.Float.Input(
                    "outline",
                    default=0.0,
                    min=0.0,
                    max=200.0,
                    step=0.5,
                    optional=True,
                    tooltip="Width of an outline around the letters in pixels. 0: none.",
                ),
                io.String.Input(
                    "outline_colour",
                    default="auto",
                    optional=True,
                    tooltip="auto: black or white, whichever stands out from the letters.",
                ),
                io.Combo.Input(
                    "direction",
                    options=list(DIRECTIONS),
                    default="auto",
                    optional=True,
                    tooltip="auto: columns for Chinese and Japanese in a tall region, right-to-left by the "
                    "first letter.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default="keep",
                    optional=True,
                    tooltip="fill: cover the region with the colour around its old text first.",
                ),
                io.Boolean.Input(
                    "wrap",
                    default=True,
                    optional=True,
                    tooltip="Break lines so that the letters can be larger. Off: only at line breaks of the "
                    "text.",
                ),
                io.Image.Input(
                    "original",
                    optional=True,
                    tooltip="The pictures before the old text was removed: colours and sizes are taken from "
                    "them.",
                ),
                field(
                    io.Float.Input,
                    "min_size",
                    default=6.0,
                    min=1.0,
                    max=4096.0,
                    step=1.0,
                    optional=True,
                    advanced=True,
                    tooltip="Letters smaller than this many pixels count as too long a text.",
                ),
                field(
                    io.Combo.Input,
                    "too_long",
                    options=list(TOO_LONG),
                    default="shrink",
                    optional=True,
                    advanced=True,
                    tooltip="A text without room: make it smaller and say so in the report, or stop.",
                ),
                field(
                    io.Float.Input,
                    "line_spacing",
                    default=1.2,
                    min=0.5,
                    max=5.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="From line to line, in sizes of the letters.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image", is_output_list=True, tooltip="The pictures with their new texts."
                ),
                io.Mask.Output(
                    display_name="mask",
                    is_output_list=True,
                    tooltip="Where letters and outlines were drawn, with soft edges.",
                ),
                io.String.Output(
                    display_name="report", tooltip="Size, font and lines of each text, and what did not fit."
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, align: Any = None, direction: Any = None, background: Any = None, too_long: Any = None
    ) -> bool | str:
        given = {"align": align, "direction": direction, "background": background, "too_long": too_long}

        def check() -> None:
            for name, value in given.items():
                check_choice(name, first(value) or CHOICES[name][0], CHOICES[name])

        return valid(check)

    @classmethod
    @interruptible
    def execute(
        cls,
        image: list[Any],
        regions: list[Any],
        texts: list[str],
        original: list[Any] | None = None,
        line_spacing: list[float] | None = None,
        **look: list[Any],
    ) -> io.NodeOutput:
        from ..core.ocr.results.region_lines import without_places
        from ..core.typesetting import Style, TextRenderer, assigned, rescaled
        from .bridge.fonts import font_shelf

        style = Style(spacing=(line_spacing or [1.2])[0], **{name: value[0] for name, value in look.items()})
        renderer = TextRenderer(style, font_shelf())
        results = [result for given in regions for result in _pages_of(given)]
        batches = [_drawable(batch, "image") for batch in image]
        pictures = [picture for batch in batches for picture in batch.numpy()]
        _same_number(pictures, results, "image")
        sources: list[Any] = [None] * len(pictures)
        if original:
            sources = [picture for batch in original for picture in _drawable(batch, "original").numpy()]
            _same_number(sources, results, "original")
        masks = [torch.zeros(batch.shape[:3]) for batch in batches]
        layers = [layer for mask in masks for layer in mask.numpy()]
        report: list[str] = []
        lang = of_the_reader()
        progress = NodeProgress(len(results), cls.hidden.unique_id)
        if placeless := without_places(results):
            raise VramwiseError(placeless)
        chosen = assigned(texts, [len(result.regions) for result in results])
        for page, result in enumerate(results):
            picture = pictures[page]
            placed = rescaled(result, *picture.shape[:2])
            notes = renderer.page(picture, layers[page], placed, chosen[page], sources[page], progress)
            head = [said("drawn_page", number=page + 1)] if len(results) > 1 else []
            report += [in_language(note, lang) for note in (*head, *notes)]
            progress.page_done(page + 1, len(results))
        told = "\n".join(report) or in_language(said("drawn_nowhere"), lang)
        return io.NodeOutput(batches, masks, told, ui={"text": [told]})


def _pages_of(regions: Any) -> Any:
    from ..core.ocr.results.polygons import check_polygons

    if not hasattr(regions, "pages"):
        raise VramwiseError(
            f"The regions input holds {kind_of(regions)}, which is no regions. Link it to the regions of "
            "OCR Inference."
        )
    check_polygons(regions.pages)
    return regions.pages


def _drawable(image: Any, name: str) -> torch.Tensor:
    """A private copy (B, H, W, 3) float32 on the CPU."""
    if not has_pixels(image) or image.ndim != 4 or image.shape[-1] not in CHANNELS:
        shape = tuple(image.shape) if has_pixels(image) else type(image).__name__
        raise VramwiseError(
            f"The picture of {name} is {shape}, not (batch, height, width, channels) with 1 to 4 channels. "
            "Check the node before it."
        )
    return private_rgb(image)


def _same_number(pictures: list[Any], results: list[Any], name: str) -> None:
    if len(pictures) != len(results):
        raise VramwiseError(
            f"{name} holds {len(pictures)} pictures and regions {len(results)} pages. Link the regions that "
            "were read from these pictures."
        )
