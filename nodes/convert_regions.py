"""Convert Regions: regions to and from ComfyUI's bounding boxes and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import VramwiseError
from .bridge.images import Pages, check_pages
from .bridge.progress import interruptible
from .bridge.schema import Regions, field, io, schema

if TYPE_CHECKING:
    from ..core.ocr.results.result import OCRResult
    from ..core.ocr.results.result import Regions as RegionsValue

# ComfyUI's own types, by name: sockets are told apart by it, and 0.3.75 has no classes for these yet. The
# second is what its box editor keeps: boxes of one page with what was written about them.
Boxes = io.Custom("BOUNDING_BOX")
EditedBoxes = io.Custom("BOUNDING_BOXES")
MAX_SIDE = 32_000


class ConvertRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseConvertRegions",
            display_name="Convert Regions",
            category="VRAMwise",
            description=(
                "Turn regions into bounding boxes and JSON, and boxes or JSON into regions. Give one of the "
                "three."
            ),
            inputs=[
                Regions.Input("regions", optional=True, tooltip="From OCR Inference or Text Mask."),
                io.MultiType.Input(
                    "boxes",
                    [Boxes, EditedBoxes],
                    optional=True,
                    tooltip="Bounding boxes of ComfyUI, one list a page; they also need image or a size.",
                ),
                io.String.Input(
                    "json",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="The JSON of OCR Inference or of this node, or bounding boxes written as JSON.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The pages that boxes belong to: their number and size.",
                ),
                field(
                    io.Int.Input,
                    "width",
                    advanced=True,
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    optional=True,
                    tooltip="The width of the pages that boxes belong to, without an image.",
                ),
                field(
                    io.Int.Input,
                    "height",
                    advanced=True,
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    optional=True,
                    tooltip="The height of the pages that boxes belong to, without an image.",
                ),
            ],
            outputs=[
                Regions.Output(display_name="regions", tooltip="For Text Mask, Crop Regions and Draw Text."),
                Boxes.Output(display_name="boxes", tooltip="Upright boxes with their texts, a list a page."),
                io.String.Output(display_name="json", tooltip="Everything, unrounded, one entry a page."),
                EditedBoxes.Output(
                    display_name="page_boxes",
                    is_output_list=True,
                    tooltip="The same boxes, one list a page, for the box editor of newer ComfyUI.",
                ),
            ],
        )

    @classmethod
    @interruptible
    def execute(
        cls,
        regions: RegionsValue | None = None,
        boxes: Any = None,
        json: str = "",
        image: Any = None,
        width: int = 0,
        height: int = 0,
    ) -> io.NodeOutput:
        from ..core.ocr.regions.bounding_boxes import boxes_of, is_boxes
        from ..core.ocr.results.from_json import pages_from, parse_json
        from ..core.ocr.results.result import Regions as RegionsValue

        given = {"regions": regions is not None, "boxes": boxes is not None, "json": bool(json.strip())}
        if sum(given.values()) != 1:
            said = " and ".join(name for name, there in given.items() if there) or "none of them"
            raise VramwiseError(f"Give one of regions, boxes and json; there is {said}.")
        if regions is not None:
            check_pages(regions)
            pages = regions.pages
        else:
            data = boxes if given["boxes"] else parse_json(json)
            of_boxes = given["boxes"] or is_boxes(data)
            pages = _boxed(data, image, width, height) if of_boxes else pages_from(data)
        kept = RegionsValue(pages)
        boxes_of_pages = [boxes_of(page) for page in pages]
        return io.NodeOutput(kept, boxes_of_pages, kept.to_json(), boxes_of_pages)


def _boxed(data: Any, image: Any, width: int, height: int) -> tuple[OCRResult, ...]:
    """The pages of boxes; a batch of images decides how many there are."""
    from ..core.ocr.regions.bounding_boxes import pages_of_boxes

    if image is not None:
        count = len(Pages(image))
        height, width = image.shape[1:3]
    elif not width or not height:
        raise VramwiseError(
            "Boxes do not say how large their page is. Connect the image that they belong to, or give width "
            "and height."
        )
    pages = pages_of_boxes(data, width, height)
    if image is not None and len(pages) != count:
        raise VramwiseError(
            f"The boxes are for {len(pages)} pages, the image is a batch of {count}. Give one list of boxes "
            "for each picture."
        )
    return pages
