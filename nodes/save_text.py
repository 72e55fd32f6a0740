"""Save Text: texts, alone or beside their images, or as documents, into ComfyUI's output folder."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..core.cancel import watched
from ..core.catalog.words import in_language
from ..core.documents.safe_names import checked_stem
from ..core.errors import VramwiseError
from ..core.option_values import IF_EXISTS, TEXT_FORMATS, WHOLE_DOCUMENTS, check_choice
from .bridge.file_paths import check_prefix, output_entry, output_numbering, output_root
from .bridge.images import Frames, check_pages, first
from .bridge.progress import interruptible
from .bridge.reader_language import of_the_reader
from .bridge.schema import Regions, io, schema, valid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..core.documents.saving import Saved
    from ..core.documents.saving_documents import DocumentPage
    from ..core.ocr.results.result import OCRResult


class SaveText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseSaveText",
            display_name="Save Text",
            category="VRAMwise",
            description=(
                "Save texts into the output folder, alone, as image and text pairs for training, as "
                "searchable PDF or as tables."
            ),
            is_output_node=True,
            is_input_list=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                io.String.Input("text", force_input=True, tooltip="One text, or a list: a file for each."),
                io.Combo.Input(
                    "format",
                    options=list(TEXT_FORMATS),
                    default="txt",
                    tooltip=(
                        "The ending of the files. json wraps text that is no JSON. pdf: the images with "
                        "their text, to be searched; xlsx, csv: the tables. pdf and xlsx are one file a "
                        "document."
                    ),
                ),
                io.String.Input(
                    "filename_prefix",
                    default="vramwise/text",
                    tooltip="Folders and the beginning of the name, numbered as Save Image does.",
                ),
                io.Combo.Input(
                    "if_exists",
                    options=list(IF_EXISTS),
                    default="number on",
                    optional=True,
                    tooltip="Keep what is there and number on, or write over it.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip=(
                        "Saved as PNG under the same name as its text, or as the pages of a pdf; as many "
                        "images as texts."
                    ),
                ),
                io.String.Input(
                    "names",
                    optional=True,
                    force_input=True,
                    tooltip="One name a text, as from Load Pages. Of filename_prefix only the folder counts.",
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="From OCR Inference: where the words of a pdf stand; tables of xlsx and csv.",
                ),
                io.Boolean.Input(
                    "join",
                    default=False,
                    optional=True,
                    tooltip="The pages of a document in one file, by their names, without names all of them. "
                    "Pictures are then saved in a pdf only.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="paths", is_output_list=True, tooltip="Where each text was written."
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        format: Any = None,
        filename_prefix: Any = None,
        if_exists: Any = None,
    ) -> bool | str:
        """Linked values arrive as None and are checked when the node runs."""
        given = [first(value) for value in (format, filename_prefix, if_exists)]

        def check() -> None:
            check_choice("format", given[0] or "txt", TEXT_FORMATS)
            check_choice("if_exists", given[2] or "number on", IF_EXISTS)
            if given[1] is not None:
                check_prefix(given[1])

        return valid(check)

    @classmethod
    @interruptible
    def execute(
        cls,
        text: list[str],
        format: list[str],
        filename_prefix: list[str],
        if_exists: Sequence[str] = ("number on",),
        image: list[Any] | None = None,
        names: list[str] | None = None,
        regions: list[Any] | None = None,
        join: Sequence[bool] = (False,),
    ) -> io.NodeOutput:
        form, prefix, existing = format[0], filename_prefix[0], if_exists[0]
        check_choice("format", form, TEXT_FORMATS)
        check_choice("if_exists", existing, IF_EXISTS)
        pictures = Frames(image) if image is not None else None
        readings = _readings(regions)
        _check_counts(len(text), pictures, names, readings)
        named = names and [checked_stem(name) for name in names]  # all, before the first file
        height, width = pictures.size(0) if pictures else (0, 0)
        hidden = cls.hidden
        folder, stem, number = output_numbering(prefix, (width, height), hidden.prompt, hidden.extra_pnginfo)
        notes: list[str] = []
        begin = 1 if existing == "overwrite" else number
        pages = _pages(text, pictures, readings)
        if form in WHOLE_DOCUMENTS or join[0]:
            stems = named or [f"{stem}_{begin:05}_"] * len(text)
            saved = _save_documents(folder, stems, form, existing, pages, notes.append)
        else:
            stems = named or [f"{stem}_{begin + at:05}_" for at in range(len(text))]
            saved = _save_texts(folder, stems, form, existing, pages)
        return io.NodeOutput([str(each.text) for each in saved], ui=_shown(saved, notes))


def _pages(texts: list[str], pictures: Frames | None, readings: list[OCRResult] | None) -> list[DocumentPage]:
    from ..core.documents.saving_documents import DocumentPage

    return [
        DocumentPage(
            str(text),
            readings[at] if readings is not None else None,
            functools.partial(pictures.__getitem__, at) if pictures is not None else None,
        )
        for at, text in enumerate(texts)
    ]


def _save_texts(
    folder: Path, stems: list[str], form: str, existing: str, pages: list[DocumentPage]
) -> list[Saved]:
    """A file for each page, and its picture beside it where there is one."""
    from ..core.documents.saving import free_stem, save
    from ..core.documents.saving_documents import csv_text

    taken: dict[str, int] = {}
    saved = []
    for stem, page in watched(zip(stems, pages, strict=True), 1):
        free = free_stem(folder, stem, form, existing, taken)
        text = csv_text(page) if form == "csv" else page.text
        saved.append(save(folder, free, form, text, page.picture() if page.picture else None))
    return saved


def _save_documents(
    folder: Path,
    names: list[str],
    form: str,
    existing: str,
    pages: list[DocumentPage],
    tell: Callable[[str], object],
) -> list[Saved]:
    """A file for each document."""
    from ..core.documents.saving import Saved, free_stem
    from ..core.documents.saving_documents import document_names, save_document

    documents: dict[str, list[DocumentPage]] = {}
    for name, page in zip(document_names(names), pages, strict=True):
        documents.setdefault(name, []).append(page)
    taken: dict[str, int] = {}
    return [
        Saved(save_document(folder, free_stem(folder, name, form, existing, taken), form, its, tell))
        for name, its in watched(documents.items(), 1)
    ]


def _readings(regions: list[Any] | None) -> list[OCRResult] | None:
    """The pages of all regions in order."""
    for each in regions or []:
        check_pages(each)
    return [page for each in regions for page in each.pages] if regions is not None else None


def _check_counts(
    texts: int, pictures: Frames | None, names: list[str] | None, readings: list[OCRResult] | None
) -> None:
    for count, what in ((pictures, "images"), (names, "names"), (readings, "pages in regions")):
        if count is not None and len(count) != texts:
            raise VramwiseError(
                f"There are {texts} texts and {len(count)} {what}. Each text needs its own: link both "
                "to nodes that give one for each page."
            )


def _shown(saved: list[Saved], notes: list[str]) -> dict[str, list[Any]]:
    lang = of_the_reader()
    paths = [each.text.relative_to(output_root()).as_posix() for each in saved]
    pictures = [output_entry(each.picture) for each in saved if each.picture is not None]
    shown: dict[str, list[Any]] = {
        "text": ["\n".join([*paths, *(in_language(note, lang) for note in notes)])],
        "files": [output_entry(each.text) for each in saved],
    }
    return {**shown, "images": pictures} if pictures else shown
