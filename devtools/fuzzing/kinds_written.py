"""What models write of a page, in the form of each family: read whatever became of it, never off the page."""

from __future__ import annotations

import functools
import json

from devtools.fuzzing.kinds import Kind, Place, with_others

_WIDTH, _HEIGHT = 500, 700
_LAYOUT = [
    {"bbox": [10, 20, 300, 40], "category": "Title", "text": "# Invoice"},
    {"bbox": [10, 60, 300, 90], "category": "Text", "text": 'Total "9.50" \\alpha'},
    {"bbox": [10, 100, 300, 190], "category": "Table", "text": "<table><tr><td>1</td></tr></table>"},
]
_LINES = [
    {"bbox_2d": [10, 20, 300, 40], "text_content": "Invoice"},
    {"bbox_2d": [1, 2, 3, 4, 5, 6], "label": "9"},
]
_BLOCKS = (
    '<div data-bbox="10 20 300 40" data-label="Section-Header"><h1>Invoice</h1></div>'
    '<div data-bbox="1 2 300 400" data-label="Table"><table><tr><td colspan="2">9<td>5</table></div>'
    '<div data-bbox="1 2 3 4" data-label="Image"><img alt="logo"/></div>behind'
)
_TAGS = (
    "<doctag><section_header_level_1><loc_10><loc_20><loc_300><loc_40>Invoice</section_header_level_1>"
    "<otsl><loc_1><loc_2><loc_30><loc_40><fcel>9<lcel><nl><ecel><ucel><nl></otsl>"
    "<picture><loc_1><loc_2><loc_3><loc_4><caption>logo</caption></picture></doctag>"
)
_SAID = {
    "plain": "<think>A receipt.</think>\n```\nInvoice 9.50\n```",
    "markdown": "```markdown\n# Invoice\n<!-- Table (10, 20, 300, 400) -->\n| 9 | 5 |\n|---|---|\n```",
    "html": "```html\n<table><tr><td colspan=2>9<br>5</td></tr></table>\n```",
    "latex": "\\[ \\frac{9}{5} \\]",
    "latex_table": "\\begin{tabular}{|l|l|}\\hline 9 & \\multicolumn{2}{c}{5} \\\\ 1 & 2 \\end{tabular}",
    "qwen_boxes": json.dumps(_LINES),
    "gemma_boxes": json.dumps([{"box_2d": [10, 20, 300, 40], "label": "Invoice"}]),
    "qwen_html": '<p data-bbox="10 20 300 40">Invoice</p><table data-bbox="1 2 3 4"><tr><td>9</table>',
    "dots_layout": json.dumps(_LAYOUT),
    "doctags": _TAGS,
    "otsl": "<fcel>9<lcel><nl><ched>5<ucel><nl>",
    "front_matter": "---\nis_rotation_valid: False\nrotation_correction: 90\n---\n![](page_1_2_30_40.png)",
    "nanonets": "Invoice <watermark>COPY</watermark> <page_number>9/22</page_number>",
    "chandra": _BLOCKS,
    "chandra_1024": _BLOCKS,
    "grounded_blocks": "![title](10,20,300,40) Invoice\n![text+](10,60,300,90) 9.50",
    "picture_boxes": "Invoice\n![image](image_1.png)10,20,300,400",
    "loc_polygons": "Invoice<|LOC_10|><|LOC_20|><|LOC_300|><|LOC_40|> 9<|LOC_1|><|LOC_2|><|LOC_3|><|LOC_4|>",
    "quads_before_text": "(10,20),(300,20),(300,40),(10,40) Invoice\n(1,2),(3,2),(3,4),(1,4) 9",
    "boxes_after_text": "Invoice(10,20),(300,40)9.50(10,60),(300,90)",
    "ref_boxes": "<|box_start|>10 20 300 40<|box_end|><|ref_start|>title<|ref_end|><|rotate_up|>Invoice",
    "ref_det": "<|ref|>title<|/ref|><|det|>[[10, 20, 300, 40], [1, 2, 3, 4]]<|/det|>\n# Invoice",
    "ref_det_lines": "<|ref|>Invoice<|/ref|><|det|>[[10, 20, 300, 40]]<|/det|>",
    "answer": 'There: {"bbox_2d": [1, 2, 30, 40], "label": "logo"}',
    "caption": "Caption: a receipt.",
    "tags": "receipt, paper, text",
    "json": '```json\n{"total": 9.5}\n```',
}


@functools.cache
def _samples() -> dict[str, bytes]:
    return {kind: said.encode() for kind, said in _SAID.items()}


def _read(data: bytes, sample: str, place: Place) -> None:
    """As an engine takes it, in each of the families' units; then what is kept of it."""
    from vramwise.families.family import Task
    from vramwise.ocr.engines.protocol import ReadOptions
    from vramwise.ocr.results.coordinates import UNITS
    from vramwise.ocr.vlm.page_result import Answer, Source, page_result

    said = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
    for number, units in enumerate(UNITS):
        answer = Answer(said, 9, ("stop", "length", "loop")[number], (1000, 1400), 0.1, opened=number == 2)
        source = Source("fuzz", "fp32", units)
        size = _WIDTH, _HEIGHT
        result = page_result(answer, source, Task("", sample), ReadOptions(), size, ())
        json.dumps(result.to_dict())
        for region in result.regions:
            assert all(0 <= x <= _WIDTH and 0 <= y <= _HEIGHT for x, y in region.polygon), region


KINDS = {"written": Kind(_samples, with_others(_samples), _read)}
