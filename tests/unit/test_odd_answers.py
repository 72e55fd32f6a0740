"""Answers that keep to no form wholly: broken off within a mark, without its tokens, wrapped in something."""

from __future__ import annotations

import re

import pytest
from vramwise.ocr.vlm.answers import parse

OTSL = "<fcel>a<fcel>b<nl><fcel>c<fcel>1<nl>"
TABLE = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>1</td></tr></table>"
LOCS = "<|LOC_1|><|LOC_2|><|LOC_30|><|LOC_40|>"
END = "<\uff5cend\u2581of\u2581sentence\uff5c>"


@pytest.mark.parametrize(
    ("kind", "said", "text"),
    [
        ("doctags", "<doctag><text>a</text><text><loc_1><loc_4", "a"),
        ("doctags", "<doctag><text>a < b</te", "a < b"),
        ("doctags", "<doctag><text>1 <2", "1 <2"),
        ("otsl", "<fcel>a<fcel>b<nl><fcel>c<fcel>1<n", TABLE),
        ("otsl", "words <b", "words <b"),
        ("grounded_blocks", "![text](1,2,30,40) a\n![text](1, 2, 30, 4", "a"),
        ("grounded_blocks", "![tex", ""),
        ("picture_boxes", "a\n![image](image_1.png)1,2,30", "a\n![image](image_1.png)"),
        (
            "ref_det",
            "<|ref|>text<|/ref|><|det|>[[1,2,30,40]]<|/det|>\na\n<|ref|>text<|/ref|><|det|>[[1, 2",
            "a",
        ),
        ("ref_det", "<|ref|>tit", ""),
        ("ref_det_lines", "<|ref|>a line<|/ref|><|det|>[[1, 2", "a line"),
        ("ref_boxes", "<|box_start|>1 2 30", ""),
        ("boxes_after_text", "a(1,2),(30,40)b(5,6),(7", "a\nb"),
        ("boxes_after_text", "see page (12", "see page (12"),
        ("quads_before_text", "(1,2),(30,40) a\n(5,6),(7,8),(9", "a"),
        ("front_matter", "---\nprimary_language: en\nis_rot", ""),
        ("page_json", '{"primary_language": "en", "natural_text": "# a\\nb', "# a\nb"),
    ],
)
def test_half_a_mark_at_the_end_is_no_word_of_the_page(kind: str, said: str, text: str) -> None:
    assert parse(kind, said, cut=True).text == text


@pytest.mark.parametrize(
    ("kind", "said", "text", "regions"),
    [
        # tokens that a server left out
        ("ref_det", "title[[100, 200, 300, 400]]\n# a\n\nimage[[1,2,3,4]]", "# a", 2),
        ("ref_boxes", "100 250 500 350title\n100 400 500 600table", "", 2),
        ("ref_det", "matrix[[1, 2], [3, 4]]", "matrix[[1, 2], [3, 4]]", 0),
        ("ref_boxes", "1 2 3 4apples", "1 2 3 4apples", 0),
        ("ref_det", "see note[[1]] of 1 2 3 4", "see note[[1]] of 1 2 3 4", 0),
        # tokens that it passed on, or the other half of which is missing
        ("ref_det", f"<|ref|>text<|/ref|><|det|>[[1,2,3,4]]<|/det|>\na{END}", "a", 1),
        ("ref_det", "<|ref|>text<|/ref|>a", "a", 0),
        ("ref_det", "<|ref|>A line<|/ref|> of it", "A line of it", 0),
        ("loc_polygons", f"{LOCS}a", "a", 1),
        ("loc_polygons", f"a{LOCS}<|LOC_5|>b<|LOC_1|><|LOC_2|>", "a\nb", 1),
        ("loc_polygons", "a<|LOC_1|><|LOC_2|>b", "a\nb", 0),
        (
            "boxes_after_text",
            "<ref>a</ref><quad>(1,2),(30,40)</quad><ref>b</ref><quad>(5,6),(7,8)</quad>",
            "a\nb",
            2,
        ),
        ("grounded_blocks", "![Section Header](1,2,30,40) a", "a", 1),
        # wrapped
        ("doctags", "```xml\n<doctag><text><loc_1><loc_2><loc_3><loc_4>a</text></doctag>\n```", "a", 1),
        ("dots_layout", '{"layout": [{"bbox": [1,2,3,4], "category": "Text", "text": "a"}]}', "a", 1),
        (
            "dots_layout",
            '{"layout": [{"bbox": [1,2,3,4], "category": "Text", "text": "a"}, {"bbox": [1',
            "a",
            1,
        ),
        ("qwen_boxes", '{"lines": [{"bbox_2d": [1,2,3,4], "text_content": "a"}]}', "a", 1),
        ("dots_layout", '[{"bbox": [1,2,3,4], "category": null, "text": ["a", "b"]}]', "a\nb", 1),
        ("html", f"<!DOCTYPE html><html><body>{TABLE}</body></html>", TABLE, 0),
        ("qwen_html", "<html><body><h1>a</h1><p>b &amp; c</p></body></html>", "# a\n\nb & c", 0),
        ("qwen_html", "a\nb < c", "a\nb < c", 0),
        ("html", "<p>x <5</p> y <z", "<p>x <5</p> y <z", 0),
        ("chandra", "a < b", "a < b", 0),
        ("front_matter", "primary_language: en\nis_table: False\n\na", "a", 0),
        ("nanonets", '<img alt="x">a</img> <signature>b</signature>', "a b", 0),
        # named otherwise
        ("dots_layout", '[{"bbox": [1,2,3,4], "category": "text", "content": "a"}]', "a", 1),
        ("dots_layout", '{"1": {"bbox": [1,2,3,4], "category": "text", "text": "a"}}', "a", 1),
        (
            "dots_layout",
            '[{"bbox": [1,2,3,4], "category": "text"}, {"category": "text", "text": "a"}]',
            "a",
            1,
        ),
        ("dots_layout", '[{"bbox": ["1","2","3","4"], "category": "Text", "text": "a"}]', "a", 1),
        ("dots_layout", '[{"bbox": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}, "text": "a"}]', "a", 1),
        ("dots_layout", '[{"bbox": {"x": 1, "y": 2, "w": 3, "h": 4}, "text": "a"}]', "a", 0),
        ("qwen_boxes", '[{"box": [1,2,3,4], "content": "a"}]', "a", 1),
        ("qwen_boxes", "<ref>a</ref><box>(1,2),(3,4)</box>", "a", 1),
        ("loc_polygons", "a <|LOC_1|>, <|LOC_2|>, <|LOC_30|>, <|LOC_40|>", "a", 1),
        ("otsl", f"<otsl>{OTSL}</otsl>", TABLE, 0),
        ("nanonets", "<figure>a <figcaption>b</figcaption></figure>", "a b", 0),
        # the page's own
        ("front_matter", "---\ntitle: a\nauthor: b\n---\nx", "---\ntitle: a\nauthor: b\n---\nx", 0),
        ("chandra", "# a\n\n- b\n- c", "# a\n\n- b\n- c", 0),
        # what stands in another thing
        ("doctags", f"<chart><loc_1><loc_2><loc_3><loc_4><bar_chart>{OTSL}</chart>", TABLE, 1),
        ("doctags", "<code><_Python_>print('<text>')</code><text>b</text>", "print('<text>')\nb", 0),
        ("doctags", "<code>never closed <text>b</text>", "never closed\nb", 0),
        (
            "doctags",
            "<field_item><field_key>K</field_key><field_value>V</field_value></field_item>",
            "K\nV",
            0,
        ),
    ],
)
def test_an_answer_that_is_near_its_form_is_read_without_marks(
    kind: str, said: str, text: str, regions: int
) -> None:
    read = parse(kind, said, cut=False)
    assert (read.text, len(read.regions)) == (text, regions)


@pytest.mark.parametrize(
    ("said", "formula"),
    [
        (r"\frac{a}{b} \theta \nabla", r"\frac{a}{b} \theta \nabla"),
        (r"x \neq y", r"x \neq y"),
        (r"\beta \nu", r"\beta \nu"),
        (r"a\nb", "a\nb"),
        (r"a\nu", "a\nu"),  # a break and the letter u: no other backslash is lone
    ],
)
def test_a_lone_backslash_before_an_n_is_latex_where_that_is_a_command(said: str, formula: str) -> None:
    answer = f'[{{"bbox": [1,2,3,4], "category": "Formula", "text": "{said}"}}]'
    assert parse("dots_layout", answer, cut=False).text == formula


def test_categories_are_called_alike_whoever_writes_them() -> None:
    said = [
        f'{{"bbox": [1,2,3,4], "category": "{name}", "text": "x"}}'
        for name in ("header", "figure", "formula")
    ]
    read = parse("dots_layout", f"[{', '.join(said)}]", cut=False)
    assert [region.category for region in read.regions] == ["Page-header", "Picture", "Formula"]


@pytest.mark.parametrize("end", ['"}]', ""])
def test_breaks_stay_breaks_where_an_entry_is_no_json(end: str) -> None:
    said = r'a "quoted" one,\nnot \\nu\tor \\theta, two\n\nthree'
    answer = f'[{{"bbox": [1,2,3,4], "category": "Text", "text": "{said}{end}'
    words = 'a "quoted" one,\nnot \\nu\tor \\theta, two\n\nthree'
    assert parse("dots_layout", answer, cut=not end).text == words


@pytest.mark.parametrize(("kind", "key"), [("dots_layout", "text"), ("qwen_boxes", "text_content")])
def test_an_answer_that_broke_off_in_its_first_entry_is_its_words(kind: str, key: str) -> None:
    assert (
        parse(kind, f'[{{"{key}": "words of the page", "bbox_2d": [1, 2', cut=True).text
        == "words of the page"
    )
    assert parse(kind, f"The {key}: words", cut=False).text == f"The {key}: words"


WHOLE = {
    "grounded_blocks": "![title](1,2,30,40) Alpha\n![text](5,6,70,80) Beta Gamma\n![table+](5,6,70,80) Delta",
    "loc_polygons": f"Alpha{LOCS}{LOCS}\nBeta Gamma{LOCS}",
    "quads_before_text": "(1,2),(30,2),(30,40),(1,40) Alpha\n(5,6),(7,8),(9,9),(1,1) Beta Gamma",
    "boxes_after_text": "<ref>Alpha</ref><quad>(1,2),(30,40)</quad>"
    "<ref>Beta Gamma</ref><quad>(1,2),(30,40)</quad>",
    "ref_boxes": "<|box_start|>1 2 30 40<|box_end|><|ref_start|>text<|ref_end|><|rotate_up|>Alpha\n",
    "ref_det": "<|ref|>title<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>\n# Alpha\n\n"
    "<|ref|>text<|/ref|><|det|>[[1, 2, 30, 40],[2,3,4,5]]<|/det|>\nBeta Gamma",
    "ref_det_lines": "<|ref|>Alpha<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>\n<|ref|>Beta<|/ref|>"
    "<|det|>[[1, 2, 3, 4]]<|/det|>",
    "doctags": "<doctag><section_header_level_1><loc_1><loc_2><loc_3><loc_4>Alpha</section_header_level_1>"
    "<otsl><loc_1><loc_2><loc_3><loc_4><caption>Beta</caption><ched>Gamma<fcel>Delta<nl></otsl></doctag>",
    "otsl": "<ched>Alpha<lcel><nl><fcel>Beta<ecel><nl>",
    "chandra": '<div data-bbox="1 2 3 4" data-label="Text"><p>Alpha <math>x</math></p></div>'
    '<div data-bbox="1 2 3 4" data-label="Table"><table><tr><td>Beta</td></tr></table></div>',
    "dots_layout": '[{"bbox": [1, 2, 3, 4], "category": "Title", "text": "Alpha"}, {"bbox": [1, 2, 3, 4], '
    '"category": "Text", "text": "Beta\\nGamma"}]',
    "qwen_boxes": '[{"bbox_2d": [1, 2, 3, 4], "text_content": "Alpha"}, {"bbox_2d": [1, 2, 3, 4], '
    '"text_content": "Beta\\nGamma"}]',
    "page_json": '{"primary_language": "en", "is_rotation_valid": true, "natural_text": "Alpha\\nBeta"}',
    "front_matter": "---\nprimary_language: en\nis_rotation_valid: True\nis_table: False\n---\nAlpha\nBeta",
    "nanonets": "<watermark>Alpha</watermark>\n<img>Beta</img> <page_number>3</page_number>",
    "qwen_html": '<html><body><h1 data-bbox="1 2 3 4">Alpha</h1>'
    '<p data-bbox="1 2 3 4">Beta</p></body></html>',
    "picture_boxes": "Alpha\n![image](image_1.png)1,2,30,40\nBeta",
}
MARKS = re.compile(
    r"[<]\||LOC|</?(?:loc|doctag|otsl|fcel|ched|nl|section|ref|quad|watermark|page_number|img|html|body|h1|p|div)\b"
    r"|bbox|category|natural|primary|is_rot|!\[t|\[\[|\(\d"
)


@pytest.mark.parametrize("kind", WHOLE)
def test_wherever_an_answer_breaks_off_no_mark_is_left_and_no_word_is_lost(kind: str) -> None:
    said = WHOLE[kind]
    tokens = [(token.start(), token.end()) for token in re.finditer(r"<\|[^|]+\|>", said)]
    for end in range(len(said) + 1):
        if any(start < end < stop for start, stop in tokens):
            continue  # a token is written whole
        text = parse(kind, said[:end], cut=end < len(said)).text
        assert MARKS.search(text) is None, (said[:end], text)
        come = [word for word in ("Alpha", "Beta", "Gamma", "Delta") if word in said[:end]]
        assert [word for word in come if word not in text] == [], (said[:end], text)
