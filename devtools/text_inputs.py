"""Every place of the core that takes a text which anybody may have written, under the name of what it is."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from vramwise.advisor.targets import targets_of_text
from vramwise.catalog.gpus import find_gpus, gpu_of_device, parse_memory
from vramwise.cli import main
from vramwise.cli.terminal import say, say_json, say_xml
from vramwise.documents.page_ranges import check_page_numbers, page_numbers
from vramwise.documents.safe_names import checked_stem, storable_stem
from vramwise.documents.saving import content
from vramwise.documents.table_files import csv_of
from vramwise.errors import VramwiseError, nearest
from vramwise.jobs.outputs import hocr
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.regions.bounding_boxes import is_boxes, pages_of_boxes
from vramwise.ocr.regions.crops import RegionFilter, categories_of
from vramwise.ocr.regions.error_rates import Rules, quoted_parts, score, wrong_pieces
from vramwise.ocr.regions.placed_words import placed_rows
from vramwise.ocr.regions.search import only, report, search
from vramwise.ocr.regions.text_diff import as_markdown, difference, pieces
from vramwise.ocr.regions.text_match import MATCHES, Finder, Query
from vramwise.ocr.remote.endpoints import resolve
from vramwise.ocr.remote.errors import of_message
from vramwise.ocr.remote.model_match import choose_family
from vramwise.ocr.remote.stream_text import StreamText
from vramwise.ocr.results.from_json import pages_from, parse_json, regions_from_json
from vramwise.ocr.results.result import OCRResult, Region, Regions, Word
from vramwise.ocr.results.written_tables import tables_in
from vramwise.ocr.vlm.answers import KINDS, parse
from vramwise.ocr.vlm.answers.reasoning import VisibleStream, taken_apart, visible
from vramwise.ocr.vlm.loop_guard import LoopGuard
from vramwise.ocr.vlm.page_result import Answer, Source, page_result
from vramwise.option_values import check_choice
from vramwise.settings import Settings, load_settings
from vramwise.typesetting.colours import parse_colour
from vramwise.typesetting.line_breaking import balanced, pieces_of
from vramwise.typesetting.text_assignment import assigned

Use = Callable[[str], object]
BOX = ((0.0, 0.0), (900.0, 0.0), (900.0, 40.0), (0.0, 40.0))


def page(text: str, words: bool = False) -> OCRResult:
    """One region that says all of ``text``."""
    region = Region(text, BOX, 0, words=tuple(Word(word, BOX) for word in text.split()) if words else ())
    return OCRResult(text, text, (region,), 1000, 1000, "stop", "rapid", "fp32", 0.1)


def _found(query: Query, text: str, words: bool = False) -> None:
    finder = Finder(query)
    read = page(text, words)
    found = search(read, finder)
    only(read, found)
    report([found], finder, [read])


def _scored(read: str, expected: str, rules: Rules) -> None:
    score(read, expected, rules)
    changes = difference(read, expected, rules)
    as_markdown(changes)
    pieces(changes, rules)
    wrong_pieces(page(read).regions, expected, rules)


def _boxes(text: str) -> None:
    data = parse_json(text)
    if is_boxes(data):
        pages_of_boxes(data, 100, 100)
    else:
        pages_from(data)


def _arranged(text: str) -> None:
    """As many boxes as the text has letters for them, in one row."""
    boxes = [{"bbox_2d": [x, 0, x + 4, 10], "text_content": "x"} for x in range(len(text) // 50)]
    _answer("qwen_boxes", json.dumps(boxes))


def _answer(kind: str, text: str) -> None:
    from vramwise.families.family import Task

    answer = Answer(text, 1, "stop", (1000, 1000), 0.1)
    source = Source("m", "bf16", "thousandths")
    page_result(answer, source, Task("", kind), ReadOptions(), (1000, 1000), ())


def _streamed(text: str) -> None:
    stream = StreamText(4_096)
    for at in range(0, len(text), 40):
        stream.add(text[at : at + 40])
        _ = stream.so_far
    stream.text()


def _in_pieces(text: str) -> None:
    shown = VisibleStream(2_000)
    for at in range(0, len(text), 40):
        shown.add(text[at : at + 40])


def _whole(text: str) -> None:
    stream = StreamText(4_096)
    stream.add(text)
    stream.text()


def _guarded(text: str) -> None:
    guard = LoopGuard(lambda ids: "".join(map(chr, ids)))
    for letter in text[:200_000]:  # as many tokens as any model writes
        if guard.push(ord(letter)):
            break


def _config(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(text, encoding="utf-8", errors="replace")
        load_settings({"VRAMWISE_CONFIG": str(file)})


def _typed(*words: str) -> Use:
    def use(text: str) -> None:
        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            contextlib.suppress(SystemExit),
        ):
            main([word.replace("TEXT", text) for word in words])

    return use


def _printed(text: str) -> None:
    with open(os.devnull, "w", encoding="utf-8", errors="replace") as out, contextlib.redirect_stdout(out):
        say(text)
        say_json(page(text).to_dict())
        say_xml(hocr(page(text), text))


def _set(text: str) -> None:
    for line in text.split("\n"):
        balanced(pieces_of(line), 40.0, lambda piece: float(len(piece)), 1.0)


_LOOSE = Rules(case="ignore", punctuation="ignore", space="ignore")
_FUZZY = "\n".join(f"wanted word number {number} of a long sentence" for number in range(4))
_BLOCK = ((10.0, 10.0), (500.0, 10.0), (500.0, 300.0), (10.0, 300.0))
TEXT_INPUTS: dict[str, Use] = {
    "OCR Score: a prompt with quoted parts": quoted_parts,
    "Save Text: the tables of a text": lambda text: csv_of(tuple(tables_in(text))),
    "a PDF's words of a block": lambda text: placed_rows(Region(text, _BLOCK, 0)),
    "OCR Score: what was read": lambda text: _scored(text, "some other words", Rules()),
    "OCR Score: what was read, loosely": lambda text: _scored(text, "some other words", _LOOSE),
    "OCR Score: both": lambda text: _scored(text, text, Rules()),
    **{
        f"Text Mask: {match}, find": functools.partial(
            lambda match, text: _found(Query(text, match), "a b"), match
        )
        for match in MATCHES
    },
    "Text Mask: exact, on the page": lambda text: _found(Query("a", "exact", whole_words=False), text),
    "Text Mask: words, on the page": lambda text: _found(Query("a\nb"), text, words=True),
    "Text Mask: regex, on the page": lambda text: _found(Query("\\w+|.$", "regex"), text),
    "Text Mask: texts nearly": lambda text: _found(Query(_FUZZY, "fuzzy", 4), text),
    "Crop Regions: category": lambda text: RegionFilter(
        Finder(Query("", "everything")), categories_of(text)
    ).picked(page("a")),
    "Convert Regions: json": _boxes,
    "Convert Regions: a text in the json": lambda text: regions_from_json(Regions((page(text),)).to_json()),
    **{f"answer: {kind}": functools.partial(_answer, kind) for kind in KINDS},
    "answer: boxes in one row": _arranged,
    "answer: thinking": lambda text: (taken_apart(text, True), taken_apart(text, False, True), visible(text)),
    "answer: thinking in pieces": _in_pieces,
    "answer: streamed": _streamed,
    "answer: whole": _whole,
    "answer: token by token": _guarded,
    "server: a message": lambda text: of_message(text[:2_000], "host", "model"),
    "server: an endpoint's name": lambda text: resolve(text, Settings()),
    "server: a model's name": lambda text: choose_family("auto", text),
    "Draw Text: texts": lambda text: assigned([text], [3]),
    "Draw Text: lines": _set,
    "Draw Text: colour": lambda text: parse_colour("colour", text),
    "Load Pages: pages": lambda text: page_numbers(text, 10_000),
    "Load Pages: pages before it runs": check_page_numbers,
    "Save Text: a name": checked_stem,
    "a file's own name": storable_stem,
    "Save Text: text as json": lambda text: content(text, "json"),
    "Model Advisor: what if": targets_of_text,
    "a card's name": find_gpus,
    "a driver's name of a card": lambda text: gpu_of_device(text, None),
    "a size of memory": parse_memory,
    "a choice": lambda text: check_choice("match", text, MATCHES),
    "a name among many": lambda text: nearest(text, text.split()),
    "config.yaml": _config,
    "command: what is printed": _printed,
    "command: plan": _typed("plan", "TEXT", "--vram-gib", "8"),
    "command: plan --gpu": _typed("plan", "qwen3_vl_8b", "--gpu", "TEXT"),
    "command: compare": _typed("compare", "TEXT", "TEXT"),
    "command: ocr": _typed("ocr", "no such TEXT"),  # "../" alone is a folder
    "command: an unknown verb": _typed("TEXT"),
}
"""What each does with a text; a VramwiseError is an answer."""

__all__ = ["TEXT_INPUTS", "VramwiseError", "page", "parse"]
