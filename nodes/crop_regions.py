"""Crop Regions: pick regions and cut them out of their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import VramwiseError
from ..core.option_values import MATCHES, NOTHING_TO_CROP, check_choice
from .bridge.images import check_pages, check_same_pages, crops_of, nothing_follows
from .bridge.progress import interruptible
from .bridge.schema import Regions, field, io, schema, valid

if TYPE_CHECKING:
    from ..core.ocr.results.result import Regions as RegionsValue

MAX_PIXELS = 32_000


class CropRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseCropRegions",
            display_name="Crop Regions",
            category="VRAMwise",
            description="Pick regions by text, kind, confidence, size or order and cut each out of its page.",
            inputs=[
                io.Image.Input("image", tooltip="The pages that were read."),
                Regions.Input("regions", tooltip="From OCR Inference or Text Mask."),
                io.Combo.Input(
                    "match",
                    options=list(MATCHES),
                    default="everything",
                    tooltip="How find is compared with a region's text; everything: find is not looked at.",
                ),
                io.String.Input(
                    "find",
                    default="",
                    multiline=True,
                    tooltip="Pick regions that hold this text; several alternatives, one a line.",
                ),
                io.Int.Input(
                    "padding",
                    default=4,
                    min=0,
                    max=512,
                    tooltip="Pixels kept around each region.",
                ),
                field(
                    io.Boolean.Input,
                    "straighten",
                    default=True,
                    advanced=True,
                    tooltip="Turn each crop until its text runs level.",
                ),
                io.Combo.Input(
                    "nothing_found",
                    options=list(NOTHING_TO_CROP),
                    default="error",
                    tooltip="Stop with an error when no region is left, or run nothing that needs the crops.",
                ),
                io.String.Input(
                    "category",
                    default="",
                    optional=True,
                    tooltip="Kinds to pick, with commas between, such as text, title. Empty: all.",
                ),
                field(
                    io.Float.Input,
                    "min_confidence",
                    advanced=True,
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Leave out what the engine was less sure of; regions without a confidence stay.",
                ),
                _pixels("min_size", "Leave out lines lower than this many pixels. 0: no limit."),
                _pixels("max_size", "Leave out lines higher than this many pixels. 0: no limit."),
                field(
                    io.Int.Input,
                    "first",
                    default=0,
                    min=0,
                    max=100_000,
                    optional=True,
                    advanced=True,
                    tooltip="The first place in a page's reading order to pick, from 0.",
                ),
                field(
                    io.Int.Input,
                    "last",
                    default=-1,
                    min=-1,
                    max=100_000,
                    optional=True,
                    advanced=True,
                    tooltip="The last place in reading order to pick. -1: to the end.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="crops", is_output_list=True, tooltip="One picture a region."),
                Regions.Output(display_name="regions", tooltip="The picked regions, in pixels of the pages."),
                io.String.Output(
                    display_name="texts", is_output_list=True, tooltip="The text of each crop, in order."
                ),
                io.Int.Output(display_name="count", tooltip="How many were picked on all pages."),
            ],
        )

    @classmethod
    def validate_inputs(cls, match: str | None = None, nothing_found: str | None = None) -> bool | str:
        return valid(lambda: _check(match or MATCHES[0], nothing_found or NOTHING_TO_CROP[0]))

    @classmethod
    @interruptible
    def execute(
        cls,
        image: Any,
        regions: RegionsValue,
        match: str,
        find: str,
        padding: int,
        straighten: bool,
        nothing_found: str,
        category: str = "",
        min_confidence: float = 0.0,
        min_size: int = 0,
        max_size: int = 0,
        first: int = 0,
        last: int = -1,
    ) -> io.NodeOutput:
        from ..core.ocr.regions.crops import RegionFilter, categories_of, chosen
        from ..core.ocr.regions.text_match import Finder, Query
        from ..core.ocr.results.region_lines import without_places
        from ..core.ocr.results.result import Regions as RegionsValue

        _check(match, nothing_found)
        check_pages(regions)
        check_same_pages(image, regions)
        finder = Finder(Query(find, match))
        wanted = RegionFilter(
            finder, categories_of(category), min_confidence, min_size, max_size, first, last
        )
        cut = [
            crops_of(page, wanted.picked(read), padding, straighten)
            for page, read in zip(image, regions, strict=True)
        ]
        kept = RegionsValue(
            tuple(
                chosen(page, [region for region, _ in some]) for page, some in zip(regions, cut, strict=True)
            )
        )
        crops = [crop for some in cut for _, crop in some]
        texts = [region.text for some in cut for region, _ in some]
        if not crops and nothing_found == "error":
            if placeless := without_places(regions.pages):
                raise VramwiseError(placeless)
            before = sum(len(page.regions) for page in regions)
            raise VramwiseError(
                f"None of the {before} regions passes the filter. Loosen find, category, min_confidence, "
                'min_size, max_size, first or last, or set nothing_found to "skip what follows".'
            )
        if not crops:
            return io.NodeOutput([nothing_follows()], kept, [nothing_follows()], 0)
        return io.NodeOutput(crops, kept, texts, len(crops))


def _pixels(name: str, tooltip: str) -> Any:
    return field(
        io.Int.Input,
        name,
        default=0,
        min=0,
        max=MAX_PIXELS,
        optional=True,
        advanced=True,
        tooltip=tooltip,
    )


def _check(match: str, nothing_found: str) -> None:
    check_choice("match", match, MATCHES)
    check_choice("nothing_found", nothing_found, NOTHING_TO_CROP)
