"""One result as the bytes of a file: text, markdown, JSON, hOCR or CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

from ..ocr.results.result import OCRResult, Point, Word, hull

ENDINGS = {
    "text": "txt",
    "markdown": "md",
    "json": "json",
    "hocr": "hocr",
    "pdf": "pdf",
    "xlsx": "xlsx",
    "csv": "csv",
}
FORMATS = tuple(ENDINGS)
_NOT_XML = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}
_NOT_XML |= dict.fromkeys(range(0xD800, 0xE000))


def encoded(result: OCRResult, form: str, page: str) -> bytes:
    """``result`` of ``page`` in UTF-8; ``form`` is one of FORMATS without WHOLE_DOCUMENTS."""
    if form == "csv":
        from ..documents.table_files import csv_of
        from ..ocr.results.written_tables import tables_of

        # without the mark at its beginning Excel takes it for cp1252
        return csv_of(tables_of(result)).encode("utf-8-sig", "replace")
    if form == "json":
        text = json.dumps(result.to_dict(page=page), ensure_ascii=False, indent=1) + "\n"
    elif form == "hocr":
        text = hocr(result, page)
    else:
        text = (result.markdown if form == "markdown" else result.text) + "\n"
    return text.encode("utf-8", "replace")


def check_packages(form: str) -> None:
    """Raise VramwiseError where ``form`` needs a package that is not here: before a page is read."""
    if form == "pdf":
        from ..documents.searchable_pdf import require_pikepdf

        require_pikepdf()
    elif form == "xlsx":
        from ..documents.table_files import require_openpyxl

        require_openpyxl()


def hocr(result: OCRResult, page: str) -> str:
    """``result`` as hOCR 1.2 (http://kba.github.io/hocr-spec/1.2/): a page, its lines and their words, with
    boxes in pixels and confidences in per cent. A text of which no place is known is one paragraph of the
    page's size.
    """
    lines = "\n".join(
        f"   <span class='ocr_line' id='line_{number}' title={_title(region.polygon, region.confidence)}>"
        f"{_words(region.text, region.words, number)}</span>"
        for number, region in enumerate(result.regions, 1)
    )
    size = f"bbox 0 0 {result.width} {result.height}"
    if not lines and result.text:
        lines = f"   <p class='ocr_par' id='par_1' title={_quoted(size)}>{_safe(result.text)}</p>"
    whole = _quoted(f"image {json.dumps(page, ensure_ascii=False)}; {size}")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>{_safe(page)}</title>
  <meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>
  <meta name="ocr-system" content={_quoted(f"vramwise {result.model}")}/>
  <meta name="ocr-capabilities" content="ocr_page ocr_par ocr_line ocrx_word ocrp_wconf"/>
 </head>
 <body>
  <div class="ocr_page" id="page_1" title={whole}>
{lines}
  </div>
 </body>
</html>
"""


def _words(text: str, words: Iterable[Word], line: int) -> str:
    pieces = [
        f"<span class='ocrx_word' id='word_{line}_{number}' title={_title(word.polygon, word.confidence)}>"
        f"{_safe(word.text)}</span>"
        for number, word in enumerate(words, 1)
    ]
    return " ".join(pieces) if pieces else _safe(text)


def _title(polygon: tuple[Point, ...], confidence: float | None) -> str:
    box = " ".join(str(round(value)) for value in hull(polygon))
    sure = "" if confidence is None else f"; x_wconf {round(100 * confidence)}"
    return _quoted(f"bbox {box}{sure}")


def _quoted(text: str) -> str:
    return f'"{escape(text.translate(_NOT_XML))}"'


def _safe(text: str) -> str:
    return escape(text.translate(_NOT_XML), quote=False)
