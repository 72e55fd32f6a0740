"""Text Mask: a mask over the wanted words, for inpainting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.catalog.words import words
from ..core.errors import VramwiseError
from ..core.option_values import COMBINE, MATCHES, NOTHING_TO_COVER, SHAPES, check_choice
from .bridge.images import Pages, check_pages, check_same_pages, masks_over, whole_or_lazy
from .bridge.progress import interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import Regions, field, io, schema, valid

if TYPE_CHECKING:
    from ..core.ocr.results.result import Regions as RegionsValue

MAX_EDGE = 512


class TextMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseTextMask",
            display_name="Text Mask",
            category="VRAMwise",
            essentials_category="Image Tools",
            description=(
                "Find words among the regions that OCR read and give a mask over them, ready for inpainting."
            ),
            inputs=[
                Regions.Input("regions", tooltip="From OCR Inference."),
                io.String.Input(
                    "find",
                    default="",
                    multiline=True,
                    tooltip="The wanted text; several alternatives, one a line.",
                ),
                io.Combo.Input(
                    "match",
                    options=list(MATCHES),
                    default="case_insensitive",
                    tooltip=(
                        "fuzzy allows for misread letters; regex takes a pattern a line; everything needs "
                        "no text."
                    ),
                ),
                io.Combo.Input(
                    "shape",
                    options=list(SHAPES),
                    default="words",
                    tooltip="Cover the found words, the lines they stand in, or upright boxes around them.",
                ),
                io.Combo.Input(
                    "combine",
                    options=list(COMBINE),
                    default="page",
                    tooltip="One mask a page, one a line with finds, or one a find.",
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=0,
                    max=MAX_EDGE,
                    tooltip="Widen the mask by this many pixels on all sides.",
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=MAX_EDGE,
                    tooltip="Let the mask fade over this many pixels outside; the text stays fully covered.",
                ),
                io.Combo.Input(
                    "nothing_found",
                    options=list(NOTHING_TO_COVER),
                    default="empty mask",
                    tooltip="Go on with an empty mask and say so in the report, or stop with an error.",
                ),
                field(
                    io.Int.Input,
                    "max_edits",
                    default=1,
                    min=0,
                    max=20,
                    optional=True,
                    advanced=True,
                    tooltip="For fuzzy: how many letters may differ; never half of a word or more.",
                ),
                field(
                    io.Boolean.Input,
                    "whole_words",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Off: also find the text inside longer words. For exact and case_insensitive.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The pages that were read. With it, masks end exactly where the ink does.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="As many masks as combine says; white is found."),
                Regions.Output(display_name="regions", tooltip="The found parts alone, in the same order."),
                io.String.Output(
                    display_name="texts",
                    is_output_list=True,
                    tooltip="The found texts; an empty one where nothing was found.",
                ),
                io.Int.Output(display_name="count", tooltip="How many were found on all pages."),
                io.String.Output(display_name="report", tooltip="What was found where, or why nothing was."),
                io.Mask.Output(
                    display_name="each_mask", tooltip="One mask a find as a batch, whatever combine says."
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        match: str | None = None,
        shape: str | None = None,
        combine: str | None = None,
        nothing_found: str | None = None,
    ) -> bool | str:
        return valid(
            lambda: _check(
                match or MATCHES[0],
                shape or SHAPES[0],
                combine or COMBINE[0],
                nothing_found or NOTHING_TO_COVER[0],
            )
        )

    @classmethod
    @interruptible
    def execute(
        cls,
        regions: RegionsValue,
        find: str,
        match: str,
        shape: str,
        combine: str,
        grow: int,
        feather: int,
        nothing_found: str,
        max_edits: int = 1,
        whole_words: bool = True,
        image: Any = None,
    ) -> io.NodeOutput:
        from ..core.ocr.regions.search import only, outlines, report, search
        from ..core.ocr.regions.text_match import Finder, Query
        from ..core.ocr.results.result import Regions as RegionsValue

        _check(match, shape, combine, nothing_found)
        check_pages(regions)
        pictures = None if image is None else Pages(image)
        if pictures is not None:
            check_same_pages(image, regions)
        finder = Finder(Query(find, match, max_edits, whole_words))
        found = [
            search(page, finder, None if pictures is None else pictures[number])
            for number, page in enumerate(regions)
        ]
        lang = of_the_reader()
        said = report(found, finder, regions.pages, lang)
        if nothing_found == "error" and not any(found):
            raise VramwiseError(f"{said} Change find or match, or set nothing_found to empty mask.")
        areas, owners = outlines(found, shape, combine)
        mask = masks_over(areas, regions.size(), grow, feather)
        if combine != "page" and owners:
            places = ", ".join(str(owner + 1) for owner in owners)
            said += "\n" + words(lang)["mask_owners"].format(pages=places)
        texts = [match.text for page in found for match in page]
        count = len(texts)
        kept = tuple(only(page, some) for page, some in zip(regions, found, strict=True))
        texts = texts or [""]  # ComfyUI breaks off at an empty list
        width, height = regions.size()
        alone = outlines(found, shape, "match")[0]
        each = whole_or_lazy(
            (len(alone), height, width), lambda: masks_over(alone, (width, height), grow, feather)
        )
        return io.NodeOutput(mask, RegionsValue(kept), texts, count, said, each, ui={"text": [said]})


def _check(match: str, shape: str, combine: str, nothing_found: str) -> None:
    check_choice("match", match, MATCHES)
    check_choice("shape", shape, SHAPES)
    check_choice("combine", combine, COMBINE)
    check_choice("nothing_found", nothing_found, NOTHING_TO_COVER)
