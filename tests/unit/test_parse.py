"""What models write becomes text, markdown and boxes; what is broken is repaired or said."""

from __future__ import annotations

import json
import random
import re

import pytest
from vramwise.families.family import Task, families
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.vlm.answers import CUT, KINDS, json_objects, otsl_to_html, parse
from vramwise.ocr.vlm.page_result import Answer, Source, page_result

BOXES = [
    {"bbox_2d": [10, 20, 300, 40], "text_content": "Invoice 4711"},
    {"bbox_2d": [10, 60, 300, 80], "text_content": 'She said "no" \\ twice'},
]


def test_spotted_lines_are_boxes_with_text() -> None:
    parsed = parse("qwen_boxes", json.dumps(BOXES), cut=False)
    assert [region.text for region in parsed.regions] == ["Invoice 4711", 'She said "no" \\ twice']
    assert parsed.regions[0].points == ((10, 20), (300, 40))
    assert not parsed.ordered
    assert not parsed.notes


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", "Here it is:\n{}\n", "```json\n{}"])
def test_a_fence_or_a_phrase_around_the_list_is_no_matter(fence: str) -> None:
    parsed = parse("qwen_boxes", fence.replace("{}", json.dumps(BOXES)), cut=False)
    assert len(parsed.regions) == 2


@pytest.mark.parametrize("length", range(1, len(json.dumps(BOXES))))
def test_a_cut_list_keeps_whole_entries_and_says_so(length: int) -> None:
    text = json.dumps(BOXES)[:length]
    parsed = parse("qwen_boxes", text, cut=True)
    whole = sum(length >= json.dumps(BOXES).find(end) + len(end) for end in ('4711"}', 'twice"}'))
    assert len(parsed.regions) == whole
    if whole:
        assert parsed.notes == (CUT,)


def test_single_quotes_as_in_the_prompt_are_read() -> None:
    said = (
        "[{'bbox_2d': [1, 2, 30, 40], 'text_content': 'It's here'},"
        " {'bbox_2d': [1, 2, 3, 4], 'text_content': ''}]"
    )
    parsed = parse("qwen_boxes", said, cut=False)
    assert [region.text for region in parsed.regions] == ["It's here", ""]


def test_quotes_that_were_not_escaped_are_read() -> None:
    objects, whole = json_objects('[{"text": "the "big" one", "bbox": [1, 2, 3, 4]}]')
    assert whole
    assert objects == [{"text": 'the "big" one', "bbox": [1.0, 2.0, 3.0, 4.0]}]
    objects, _ = json_objects('[{"text": "He said "yes", then left", "size": 4}, {"text": "a 15" screen"}]')
    assert objects == [{"text": 'He said "yes", then left', "size": 4.0}, {"text": 'a 15" screen'}]


def test_a_broken_entry_costs_only_itself() -> None:
    whole, broken = '{"bbox": [1, 2, 3, 4], "text": "%s"}', '{"bbox": [1, 2,, "text" "b"}'
    said = f"[{whole % 'a'}, {broken}, {whole % 'c'}]"
    parsed = parse("dots_layout", said, cut=False)
    assert [region.text for region in parsed.regions] == ["a", "c"]


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    objects, _ = json_objects('{"a":' * 100_000)
    assert objects == []


SPOILED = {  # kind and answer: every word of it stays, with so many places
    "an entry without a place": ("dots_layout", '[{"bbox": [1,2,30,40], "text": "one"}, {"text": "two"}]', 1),
    "a place that is no number": (
        "dots_layout",
        '[{"bbox": [NaN,2,30,40], "text": "one"}, {"bbox": [1,2,30,40], "text": "two"}]',
        1,
    ),
    "cut in its text": (
        "dots_layout",
        '[{"bbox": [1,2,30,40], "text": "one"}, {"bbox": [1,50,30,60], "text": "two \\"thr',
        1,
    ),
    "a bracket is lost": (
        "qwen_boxes",
        '["bbox_2d": [1,2,30,40], "text_content": "one"}, {"bbox_2d": [1,50,30,60], '
        '"text_content": "two"}]',
        1,
    ),
    "a bracket is doubled": (
        "qwen_boxes",
        '[{{"bbox_2d": [1,2,30,40], "text_content": "one"}, {"bbox_2d": [1,50,30,60], '
        '"text_content": "two"}]',
        1,
    ),
    "a mark of its key is lost": (
        "gemma_boxes",
        '[{"box_2d": [1,2,30,40], "label": "two"}, {"box_2d": [50,2,60,40], "label: "one"}]',
        1,
    ),
    "off the page": (
        "qwen_boxes",
        '[{"bbox_2d": [1,2,30,40], "text_content": "one"}, {"bbox_2d": [9000,2,9100,40], '
        '"text_content": "two"}]',
        1,
    ),
    "below the page": (
        "quads_before_text",
        "(1,2),(30,2),(30,40),(1,40) one\n(1,-9),(30,-9),(30,-2),(1,-2) two",
        1,
    ),
    "a corner is lost": (
        "quads_before_text",
        "(1,2),(30,2),30,40),(1,40) one\n(1,50),(30,50),(30,60),(1,60) two",
        1,
    ),
    "half a token": (
        "loc_polygons",
        "one<|LOC_1|><|LOC_2|><|LOC_3|><|LOC<|LOC_30|><|LOC_40|> "
        "two<|LOC_1|><|LOC_50|><|LOC_30|><|LOC_60|>",
        1,
    ),
    "words outside of all": (
        "qwen_html",
        '<body>one<p data-bbox="1 2 30 40">two</p><table><tr><td>three</td></tr></table> '
        'four</body>',
        1,
    ),
    "an element without a place": (
        "qwen_html",
        '<p data-bbox="1 2 30">one</p><p data-bbox="1 2 30 40">two</p>',
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_no_word_is_lost_of_a_spoiled_answer_and_no_place_is_off_the_page(case: str) -> None:
    kind, said, places = SPOILED[case]
    size = 100, 120
    answer = Answer(said, 9, "stop", size, 0.0)
    read = page_result(answer, Source("m", "bf16", "resized_pixels"), Task("", kind), ReadOptions(), size, ())
    words = re.findall("one|two|three|four", said)
    assert sorted(re.findall("one|two|three|four", read.text)) == sorted(words)
    assert "<table>" in read.markdown or "three" not in words
    assert len(read.regions) == places
    assert all(0 <= x <= 100 and 0 <= y <= 120 for region in read.regions for x, y in region.polygon)


@pytest.mark.parametrize("kind", ["dots_layout", "qwen_boxes", "qwen_html"])
def test_a_cut_answer_keeps_every_word_that_it_had_come_to(kind: str) -> None:
    entries = [{"bbox": [1, 2 * n, 30, 2 * n + 2], "text": f"word{n:02} and {n}"} for n in range(10, 14)]
    html = "".join(f'<p data-bbox="1 {n} 30 {n + 2}">word{n} and</p>' for n in range(10, 14))
    said = html if kind == "qwen_html" else json.dumps(entries)
    for end in range(0, len(said), 3):
        assert re.findall(r"word\d\d", parse(kind, said[:end], True).text) == re.findall(
            r"word\d\d", said[:end]
        )


def test_letters_beyond_16_bits_that_were_escaped_in_two_halves_are_whole() -> None:
    said = '[{"bbox": [1, 2, 30, 40], "text": "a "big" \\ud83d\\ude00 and \\ud83d half"}]'
    text = parse("dots_layout", said, cut=False).text
    assert text.encode() and "\U0001f600" in text and "half" in text


def test_a_python_expression_is_only_text() -> None:
    parsed = parse("qwen_boxes", "__import__('os').system('true')", cut=False)
    assert parsed.text == "__import__('os').system('true')"
    assert not parsed.regions


def test_a_polygon_of_eight_numbers_and_a_list_of_points_are_places() -> None:
    said = json.dumps(
        [
            {"bbox_2d": [0, 0, 9, 0, 9, 5, 0, 5], "text_content": "a"},
            {"bbox_2d": [[0, 0], [9, 5]], "text_content": "b"},
            {"bbox_2d": [1, 2, 3], "text_content": "no place"},
        ]
    )
    assert [len(region.points) for region in parse("qwen_boxes", said, cut=False).regions] == [4, 2]


def test_the_dots_layout_becomes_markdown() -> None:
    said = json.dumps(
        [
            {"bbox": [0, 0, 10, 10], "category": "Title", "text": "# Report"},
            {"bbox": [0, 10, 10, 20], "category": "Text", "text": "All is well."},
            {"bbox": [0, 20, 10, 30], "category": "Picture"},
            {"bbox": [0, 30, 10, 40], "category": "Formula", "text": "$$\nE = mc^2\n$$"},
            {"bbox": [0, 40, 10, 50], "category": "Table", "text": "<table><tr><td>1</td></tr></table>"},
        ]
    )
    parsed = parse("dots_layout", said, cut=False)
    assert parsed.markdown == (
        "# Report\n\nAll is well.\n\n$$\nE = mc^2\n$$\n\n<table><tr><td>1</td></tr></table>"
    )
    assert [region.category for region in parsed.regions] == ["Title", "Text", "Picture", "Formula", "Table"]
    assert parsed.ordered


def test_latex_that_is_no_json_survives() -> None:
    said = r'[{"bbox": [0, 0, 1, 1], "category": "Formula", "text": "\frac{\alpha}{\beta} \times \nu"}]'
    assert parse("dots_layout", said, cut=False).regions[0].text == r"\frac{\alpha}{\beta} \times \nu"
    said = r'[{"bbox": [0, 0, 1, 1], "category": "Formula", "text": "\frac{a}{b} \times c"}]'
    assert parse("dots_layout", said, cut=False).regions[0].text == r"\frac{a}{b} \times c"


def test_an_empty_list_is_an_empty_page() -> None:
    assert parse("dots_layout", "[]", cut=False).text == ""


def test_words_instead_of_json_are_the_text_and_are_remarked_on() -> None:
    parsed = parse("qwen_boxes", "I see no text.", cut=False)
    assert parsed.text == "I see no text."
    assert parsed.notes


def test_qwen_markdown_gives_its_tables_and_pictures_as_regions() -> None:
    said = (
        "```markdown\n# Title\n\n<!-- Image (100, 200, 300, 400) -->\n\n"
        "<!-- Table (10, 20, 30, 40) -->\n\\begin{tabular}{|c|}\n1 \\\\\n\\end{tabular}\n\nafter\n```"
    )
    parsed = parse("markdown", said, cut=False)
    assert [(region.category, region.points) for region in parsed.regions] == [
        ("Image", ((100, 200), (300, 400))),
        ("Table", ((10, 20), (30, 40))),
    ]
    assert parsed.regions[1].text == "\\begin{tabular}{|c|}\n1 \\\\\n\\end{tabular}"
    assert "<!--" not in parsed.markdown
    assert parsed.markdown.endswith("after")


def test_qwen_html_gives_regions_in_reading_order() -> None:
    said = (
        '<html><body><h2 data-bbox="1 2 3 4">Head</h2><div data-bbox="0 0 9 9"><p data-bbox="5 6 7 8">'
        'a &lt; b<br>c</p></div><div class="image" data-bbox="9 9 20 20"><img data-bbox="9 9 20 20"/></div>'
        '<table data-bbox="1 1 2 2"><tr><td colspan="2">x &amp; y</td></tr></table></body></html>'
    )
    parsed = parse("qwen_html", said, cut=False)
    assert [(region.category, region.text) for region in parsed.regions] == [
        ("Section-header", "Head"),
        ("Text", "a < b\nc"),
        ("Image", ""),
        ("Table", '<table><tr><td colspan="2">x &amp; y</td></tr></table>'),
    ]
    assert parsed.markdown.startswith("## Head\n\na < b\nc")


def test_a_cut_html_table_is_closed() -> None:
    parsed = parse("html", "```html\n<table><tr><td>1</td><td>2</td></tr><tr><td>3</t", cut=True)
    assert parsed.text == "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"


@pytest.mark.parametrize("said", ["$$\nx^2\n$$", r"\[x^2\]", "$x^2$", "```latex\nx^2\n```", "x^2"])
def test_a_formula_is_bare_latex_as_text_and_displayed_in_markdown(said: str) -> None:
    parsed = parse("latex", said, cut=False)
    assert (parsed.text, parsed.markdown) == ("x^2", "$$\nx^2\n$$")


def test_doctags_become_regions_in_thousandths_and_tables_html() -> None:
    said = (
        "<doctag><section_header_level_1><loc_50><loc_100><loc_250><loc_120>Head</section_header_level_1>\n"
        "<text><loc_50><loc_130><loc_250><loc_150>Body a < b</text>\n"
        "<otsl><loc_0><loc_200><loc_500><loc_300><ched>A<lcel><nl><fcel>1<ecel><nl></otsl>\n"
        "<formula><loc_1><loc_2><loc_3><loc_4>x^2</formula></doctag>"
    )
    parsed = parse("doctags", said, cut=False)
    assert [region.category for region in parsed.regions] == ["Section-header", "Text", "Table", "Formula"]
    assert parsed.regions[0].points == ((100, 200), (500, 240))
    assert parsed.regions[2].text == (
        '<table><tr><th colspan="2">A</th></tr><tr><td>1</td><td></td></tr></table>'
    )
    assert parsed.markdown.startswith("## Head\n\nBody a < b\n\n<table>")
    assert parsed.markdown.endswith("$$\nx^2\n$$")


def test_joined_cells_of_otsl_span() -> None:
    assert otsl_to_html("<fcel>a<fcel>b<nl><ucel><fcel>c<nl>") == (
        '<table><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>'
    )


def test_a_latex_table_becomes_html() -> None:
    said = (
        "Prices\n\\begin{tabular}{|l|c{2cm}|}\n\\hline \\multicolumn{2}{|c|}{Fruit \\& nuts} \\\\\n\\hline "
        "\\multirow{2}{*}{apple} & 1 < 2 \\\\ \\cline{2-2}\n & $x^2$ \\\\\n\\hline\n\\end{tabular}\nafter"
    )
    assert parse("latex_table", said, cut=False).text == (
        'Prices\n<table><tr><td colspan="2">Fruit &amp; nuts</td></tr><tr><td rowspan="2">apple</td>'
        "<td>1 &lt; 2</td></tr><tr><td>$x^2$</td></tr></table>\nafter"
    )


def test_a_cut_latex_table_keeps_its_rows() -> None:
    said = "\\begin{tabular}{cc}\n1 & 2 \\\\\n3 & 4"
    assert parse("latex_table", said, cut=True).text == (
        "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "said", ["", " ", "[", "{", "<", "</", "<table", "```", "\\", '{"bbox": [NaN, 1e999, 3, 4]}']
)
def test_no_answer_makes_a_reader_fail(kind: str, said: str) -> None:
    parse(kind, said, cut=True)


def test_every_recipe_names_a_reader_that_exists() -> None:
    assert {task.parse for family in families() for task in family.tasks.values()} <= set(KINDS)


def test_a_bare_otsl_answer_becomes_an_html_table() -> None:
    parsed = parse("otsl", "<ched>Item<ched>Price<nl><fcel>Tea<fcel>3.40<nl><fcel>Both<lcel><nl>", False)
    assert parsed.text == (
        "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>3.40</td></tr>"
        '<tr><td colspan="2">Both</td></tr></table>'
    )
    assert parse("otsl", "no table here", False).text == "no table here"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Only words.\nTwo lines.", "Only words.\nTwo lines."),
        ("<doctag>Before <text>inside</text> after</doctag>", "Before\ninside\nafter"),
        ("<checkbox_selected><loc_1><loc_2><loc_3><loc_4>Yes</checkbox_selected>", "[x] Yes"),
        ("<checkbox_unselected>No</checkbox_unselected>", "[ ] No"),
        ("<document_index><fcel>One<fcel>1<nl></document_index>", "<tr><td>One</td><td>1</td></tr>"),
        ("<document_index>One 1</document_index>", "One 1"),
        ("<key_value_region><key_0>Name</key_0><value_0>Ada</value_0></key_value_region>", "NameAda"),
        ("<smiles>CC(=O)O</smiles>", "CC(=O)O"),
        ("<handwritten_text>Dear Sir</handwritten_text>", "Dear Sir"),
        ("<something_new><loc_1><loc_2><loc_3><loc_4>kept</something_new>", "kept"),
        ("<unordered_list><list_item>a<list_item>b</list_item>c</list_item></unordered_list>", "a\nb\nc"),
        ("<otsl><caption>Cap</caption><fcel>cell<nl></otsl>", "<td>cell</td>"),
        ("<picture><loc_1><loc_2><loc_3><loc_4><pie_chart><caption>Cap</caption>rest</picture>", "Cap\nrest"),
        ("<code><_HTML_><b>bold</b></code>", "<b>bold</b>"),
        ("<text>never closed <caption>nor this", "never closed\nnor this"),
        ("</text>closed first", "closed first"),
        ("<text>" * 100 + "deep", "deep"),
    ],
)
def test_no_text_of_doctags_is_lost(said: str, text: str) -> None:
    assert text in parse("doctags", said, cut=False).text


def test_every_word_of_shuffled_doctags_stays() -> None:
    names = [
        "text",
        "otsl",
        "caption",
        "code",
        "list_item",
        "picture",
        "what_is_this",
        "section_header_level_2",
    ]
    rng = random.Random(3)
    for _ in range(300):
        words = [f"word{index}" for index in range(12)]
        said = "".join(
            rng.choice(["", f"<{rng.choice(names)}>", f"</{rng.choice(names)}>", "<loc_7>", "<nl>"])
            + word
            + " "
            for word in words
        )
        found = parse("doctags", said, cut=False).text
        assert [word for word in words if word not in found] == [], said
