"""Load Pages: a PDF, a TIFF, a picture or a folder of the input folder as a list of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.catalog.words import in_language, words
from ..core.documents.page_ranges import check_page_numbers
from ..core.errors import VramwiseError
from ..core.option_values import FRAMES, ON_BROKEN, check_choice
from .bridge.file_paths import input_path, input_root
from .bridge.progress import interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import field, io, schema, valid

if TYPE_CHECKING:
    from ..core.documents.pages import Book

SAMPLE = "vramwise_sample.png"
SHOWN_NAMES = 20


class LoadPages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseLoadPages",
            display_name="Load Pages",
            category="VRAMwise",
            description="Load the pages of a PDF, a TIFF, a picture or a whole folder, one image a page.",
            inputs=[
                io.String.Input(
                    "file",
                    default=SAMPLE,
                    tooltip="A file or folder in ComfyUI's input folder, such as scans or scans/report.pdf.",
                ),
                io.String.Input(
                    "pages",
                    default="",
                    optional=True,
                    tooltip="Which pages, such as 1-3,7,10- (to the last). Empty: all.",
                ),
                io.Int.Input(
                    "dpi",
                    default=150,
                    min=36,
                    max=600,
                    optional=True,
                    tooltip="Dots per inch at which PDF pages are drawn. 150 to 200 suit OCR.",
                ),
                field(
                    io.Float.Input,
                    "max_megapixels",
                    default=16.0,
                    min=0.1,
                    max=128.0,
                    step=0.1,
                    optional=True,
                    advanced=True,
                    tooltip="Larger pages are made smaller, to this size.",
                ),
                field(
                    io.Combo.Input,
                    "on_broken",
                    options=list(ON_BROKEN),
                    default="skip",
                    optional=True,
                    advanced=True,
                    tooltip="What to do with a damaged or locked page: leave it out and name it, or stop.",
                ),
                field(
                    io.Boolean.Input,
                    "subfolders",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Of a folder, read the folders in it too.",
                ),
                field(
                    io.Combo.Input,
                    "frames",
                    options=list(FRAMES),
                    default=FRAMES[0],
                    optional=True,
                    advanced=True,
                    tooltip="Of a GIF, APNG, WebP or AVIF that moves: the first frame, or all as pages.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", is_output_list=True, tooltip="One image a page."),
                io.String.Output(
                    display_name="names", is_output_list=True, tooltip="One name a page, for Save Text."
                ),
                io.Int.Output(display_name="count", tooltip="How many pages were loaded."),
                io.String.Output(display_name="report", tooltip="What was loaded and what was left out."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        file: str | None = None,
        pages: str | None = None,
        on_broken: str | None = None,
        frames: str | None = None,
    ) -> bool | str:

        def check() -> None:
            if file is not None:
                input_path(file)
            check_page_numbers(pages or "")
            check_choice("on_broken", on_broken or "skip", ON_BROKEN)
            check_choice("frames", frames or FRAMES[0], FRAMES)

        return valid(check)

    @classmethod
    def fingerprint_inputs(cls, file: str, subfolders: bool = False, **others: Any) -> list[tuple[Any, ...]]:
        """Loaded anew when a file came, went or changed."""
        from ..core.documents.folders import files_of

        listed = files_of(input_path(file), bool(subfolders))
        return [*listed.marks(), *listed.others]

    @classmethod
    @interruptible
    def execute(
        cls,
        file: str,
        pages: str = "",
        dpi: int = 150,
        max_megapixels: float = 16.0,
        on_broken: str = "skip",
        subfolders: bool = False,
        frames: str = FRAMES[0],
    ) -> io.NodeOutput:
        from ..core.documents.pages import open_book
        from .bridge.lazy_image import page_images

        if (
            not 0.1 <= max_megapixels <= 128
        ):  # JSON from Python may hold NaN, which passes the server's checks
            raise VramwiseError("max_megapixels is not between 0.1 and 128. Give a size such as 16.")
        max_pixels = int(max_megapixels * 1_000_000)
        book = open_book(
            input_path(file),
            pages,
            dpi,
            max_pixels,
            on_broken,
            inside=input_root(),
            subfolders=bool(subfolders),
            frames=frames,
        )
        report = _report(file, book)
        names = [page.name for page in book.pages]
        return io.NodeOutput(page_images(book), names, len(book), report, ui={"text": [report]})


def _report(file: str, book: Book) -> str:
    """What was loaded and what was left out, in the language of who asked."""
    lang = of_the_reader()
    say = words(lang)
    many = len(book)
    pages = say["count_pages_one"] if many == 1 else say["count_pages"].format(count=many)
    left_out = [say["pages_left_out"].format(problem=in_language(one, lang)) for one in book.problems]
    notes = [say["probe_note"].format(note=in_language(one, lang)) for one in book.notes]
    shown = [f"{page.name}: {page.width} x {page.height}" for page in book.pages[:SHOWN_NAMES]]
    if many > SHOWN_NAMES:
        shown.append(say["pages_more"].format(count=many - SHOWN_NAMES))
    return "\n".join([say["pages_of_file"].format(file=file, pages=pages), *left_out, *notes, *shown])
