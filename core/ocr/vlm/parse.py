"""What a model wrote, as text, markdown and boxes. Strict where it can be, and never evaluated."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from typing import Any

from ..result import Point

CUT = "The answer ended before it was complete; what was whole in it is here."
_FENCE = re.compile(r"^\s*```[\w+-]*[ \t]*\n?")
_COMMENT = re.compile(r"<!--\s*(\w+)\s*\(([^)]*)\)\s*-->[ \t]*\n?")
_VOID = frozenset({"br", "img", "hr", "input", "meta", "link", "col"})


@dataclass(frozen=True)
class RawRegion:
    """A piece of text with its place: two opposite corners, or a polygon, in the family's own units."""

    text: str
    points: tuple[Point, ...]
    category: str = "text"


@dataclass(frozen=True)
class Parsed:
    """``ordered``: the model gave the regions in reading order; else they are lines to be arranged by
    place.
    """

    text: str
    markdown: str
    regions: tuple[RawRegion, ...] = ()
    ordered: bool = True
    notes: tuple[str, ...] = ()


def parse(kind: str, answer: str, cut: bool) -> Parsed:
    """Read ``answer`` as the recipe's ``kind``; ``cut`` says that the model did not come to its end."""
    return _KINDS[kind](answer, cut)


def _plain(answer: str, cut: bool) -> Parsed:
    text = answer.strip()
    return Parsed(text, text)


def unfenced(answer: str) -> str:
    """``answer`` without the code fence that chat models put around it."""
    opened = _FENCE.match(answer)
    if opened is None:
        return answer.strip()
    inside = answer[opened.end() :]
    closed = inside.rfind("```")
    return (inside if closed < 0 else inside[:closed]).strip()


def _markdown(answer: str, cut: bool) -> Parsed:
    """Markdown; coordinates in comments (``<!-- Table (x0, y0, x1, y1) -->`` of Qwen3-VL) become regions."""
    text = unfenced(answer)
    regions = []
    for found in _COMMENT.finditer(text):
        points = _points(_numbers(found[2]))
        category = found[1].capitalize()
        if points:
            block = text[found.end() :].split("\n\n", 1)[0].split("<!--", 1)[0].strip()
            regions.append(RawRegion("" if category == "Image" else block, points, category))
    clean = _COMMENT.sub("", text).strip()
    return Parsed(clean, clean, tuple(regions))


def _latex(answer: str, cut: bool) -> Parsed:
    text = unfenced(answer)
    for opening, closing in (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$")):
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            text = text[len(opening) : -len(closing)].strip()
            break
    return Parsed(text, f"$$\n{text}\n$$" if text else "")


def _html(answer: str, cut: bool) -> Parsed:
    """An HTML table and whatever stands around it; a cut one gets its closing tags."""
    text = _closed(unfenced(answer))
    return Parsed(text, text)


def _qwen_boxes(answer: str, cut: bool) -> Parsed:
    """``[{"bbox_2d": [x0, y0, x1, y1], "text_content": "..."}]``; a point list of eight numbers is a
    polygon.
    """
    entries, whole = json_objects(answer)
    regions = []
    for entry in entries:
        points = _points(_flat(entry.get("bbox_2d", entry.get("bbox", entry.get("poly")))))
        text = entry.get("text_content", entry.get("text", entry.get("label", "")))
        if points:
            regions.append(RawRegion(_mended(text), points, "text"))
    if not regions:
        return _unread(answer, cut)
    text = "\n".join(region.text for region in regions)
    return Parsed(text, text, tuple(regions), ordered=False, notes=() if whole and not cut else (CUT,))


def _dots_layout(answer: str, cut: bool) -> Parsed:
    """``[{"bbox": [...], "category": "...", "text": "..."}]`` in reading order: tables are HTML, formulas
    LaTeX.
    """
    entries, whole = json_objects(answer)
    regions = []
    for entry in entries:
        points = _points(_flat(entry.get("bbox", entry.get("bbox_2d"))))
        category = str(entry.get("category", "Text"))
        if points:
            text = _mended(entry.get("text", ""), formula=category == "Formula")
            regions.append(RawRegion(text, points, category))
    if not regions:
        return _unread(answer, cut)
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(_as_markdown, regions))),
        tuple(regions),
        notes=() if whole and not cut else (CUT,),
    )


def _unread(answer: str, cut: bool) -> Parsed:
    """An answer without a single entry: an empty list is an empty page, anything else is shown as it is."""
    text = unfenced(answer)
    if text in ("", "[]", "{}"):
        return Parsed("", "")
    return Parsed(
        text, text, notes=("The model did not answer in the form asked for; its words are the text.",)
    )


def _as_markdown(region: RawRegion) -> str:
    text = region.text.strip()
    if region.category == "Formula" and text and not text.startswith(("$", "\\[", "\\(")):
        return f"$$\n{text}\n$$"
    if region.category in ("Title", "Section-header") and text and not text.startswith("#"):
        return f"{'#' if region.category == 'Title' else '##'} {text}"
    if region.category == "List-item" and text and not re.match(r"([-*+]|\d+[.)])\s", text):
        return f"- {text}"
    return text


# --- JSON as models write it ------------------------------------------------------------------------------


def json_objects(answer: str) -> tuple[list[dict[str, Any]], bool]:
    """Every whole object in ``answer``, and whether the list came to its end.

    JSON is read strictly; an object that is not JSON (a backslash of LaTeX, a bare quote, single quotes) is
    read by a tolerant reader of the same grammar; one that is cut off is left out.
    """
    text = unfenced(answer)
    strict = json.JSONDecoder(strict=False)
    objects: list[dict[str, Any]] = []
    at = text.find("{")
    end = 0
    while at >= 0:
        try:
            value, end = strict.raw_decode(text, at)
        except ValueError:
            try:
                reader = _Lenient(text, at)
                value, end = reader.value(), reader.at
            except (ValueError, RecursionError):
                # Only an object that starts a line or follows a comma can be the next entry.
                following = re.compile(r"(?:^|[,\n\[])\s*\{").search(text, at + 1)
                if following is None:
                    return objects, False
                at = following.end() - 1
                continue
        except RecursionError:
            return objects, False
        if isinstance(value, dict):
            objects.append(value)
        at = text.find("{", end)
    opened = text.find("[")
    listed = 0 <= opened < (text.find("{") if "{" in text else len(text))
    return objects, not listed or "]" in text[end:]


class _Lenient:
    """Reads one JSON value from ``at``, forgiving what models get wrong inside strings. ValueError at a
    cut.
    """

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def value(self) -> Any:
        self._space()
        character = self._here()
        if character == "{":
            return self._object()
        if character == "[":
            return self._list()
        if character in "\"'":
            return self._string(character)
        found = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|True|False|None").match(
            self.text, self.at
        )
        if found is None:
            raise ValueError(f"no value at {self.at}")
        self.at = found.end()
        word = found[0].lower()
        return (
            {"true": True, "false": False, "null": None, "none": None}.get(word)
            if word.isalpha()
            else float(word)
        )

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while not self._closes("}"):
            self._space()
            quote = self._here()
            if quote not in "\"'":
                raise ValueError(f"no key at {self.at}")
            key = self._string(quote)
            self._space()
            self._take(":")
            found[key] = self.value()
        return found

    def _list(self) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while not self._closes("]"):
            found.append(self.value())
        return found

    def _closes(self, closing: str) -> bool:
        self._space()
        if self._here() == ",":
            self.at += 1
            self._space()
        if self._here() != closing:
            return False
        self.at += 1
        return True

    def _string(self, quote: str) -> str:
        out: list[str] = []
        self.at += 1
        while True:
            character = self._here()
            self.at += 1
            if character == "\\":
                out.append(self._escaped())
            elif character == quote and self._ends():
                return "".join(out)
            else:
                out.append(character)

    def _escaped(self) -> str:
        character = self._here()
        self.at += 1
        if character == "u":
            digits = self.text[self.at : self.at + 4]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.at += 4
                return chr(int(digits, 16))
        simple = {"n": "\n", "t": "\t", '"': '"', "'": "'", "/": "/", "\\": "\\"}
        following = self.text[self.at : self.at + 1]
        if character in "nt" and following.isalpha() and following.islower():
            return "\\" + character  # \nu, \theta: this string is not JSON anyway
        return simple.get(character, "\\" + character)

    def _ends(self) -> bool:
        """Whether the quote just passed closes the string: then grammar follows, or the text is over."""
        rest = self.text[self.at : self.at + 32].lstrip()
        return not rest or rest[0] in ",:}]"

    def _space(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def _take(self, expected: str) -> None:
        if self._here() != expected:
            raise ValueError(f"no {expected} at {self.at}")
        self.at += 1

    def _here(self) -> str:
        if self.at >= len(self.text):
            raise ValueError("cut off")
        return self.text[self.at]


def _mended(text: Any, formula: bool = False) -> str:
    """A string out of JSON in which a lone backslash of LaTeX was taken for an escape (``\\frac`` for form
    feed).
    """
    if not isinstance(text, str):
        return "" if text is None else str(text)
    mended: str = text.replace("\f", "\\f").replace("\b", "\\b")
    if formula:
        mended = re.sub(r"\t(?=[a-z])", r"\\t", mended)
        mended = re.sub(r"\r(?=[a-z])", r"\\r", mended)
    return mended.strip()


def _flat(value: Any) -> list[float]:
    """The numbers of a box, also where it is a list of points."""
    if isinstance(value, str):
        return _numbers(value)
    if not isinstance(value, (list, tuple)):
        return []
    out: list[float] = []
    for item in value:
        if isinstance(item, (list, tuple)):
            out.extend(_flat(item))
        elif isinstance(item, (int, float)) and not isinstance(item, bool) and math.isfinite(item):
            out.append(float(item))
    return out


def _numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]


def _points(numbers: Sequence[float]) -> tuple[Point, ...]:
    """Corners from x0, y0, x1, y1 or a polygon's points; empty for any other count."""
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return ()
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


# --- HTML -------------------------------------------------------------------------------------------------

_CATEGORIES = {
    "table": "Table",
    "img": "Image",
    "figure": "Image",
    "li": "List-item",
    "ul": "List-item",
    "ol": "List-item",
    "caption": "Caption",
    "figcaption": "Caption",
    "header": "Page-header",
    "footer": "Page-footer",
    "h1": "Title",
    **{f"h{level}": "Section-header" for level in range(2, 7)},
}


class _Boxes(HTMLParser):
    """Elements with ``data-bbox``: a table as a whole, otherwise the innermost that holds the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[Point, ...], list[str]]] = []
        self._open: list[tuple[str, int | None]] = []  # tag, index into found
        self._table = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        index = None
        if self._table:
            self._raw(_start(tag, given))
        else:
            points = _points(_numbers(given.get("data-bbox") or ""))
            if points:
                index = len(self.found)
                kind = "img" if "image" in (given.get("class") or "") else tag
                before = [given.get("alt") or ""] if tag == "img" else ["<table>"] if tag == "table" else []
                if self.found and self.found[-1][:2] == ("img", points):
                    self.found.pop()  # a picture and the frame around it
                    index -= 1
                self.found.append((kind, points, before))
            if tag == "br":
                self._raw("\n")
        if tag not in _VOID:
            self._open.append((tag, index))
            self._table += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        if not any(open_tag == tag for open_tag, _ in self._open):
            return
        while True:
            closed, _ = self._open[-1]
            if self._table:
                self._raw(f"</{closed}>")
                self._table -= closed == "table"
            self._open.pop()
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        self._raw(escape(data, quote=False) if self._table else data)

    def _raw(self, text: str) -> None:
        for _, index in reversed(self._open):
            if index is not None:
                self.found[index][2].append(text)
                return
        if self.found and self._table:
            self.found[-1][2].append(text)


def _start(tag: str, given: Mapping[str, str | None]) -> str:
    spans = "".join(
        f' {name}="{value}"'
        for name, value in given.items()
        if name in ("rowspan", "colspan") and (value or "").isdigit()
    )
    return f"<{tag}{spans}>"


def _qwen_html(answer: str, cut: bool) -> Parsed:
    """Qwen3-VL's document HTML: elements carry ``data-bbox="x0 y0 x1 y1"`` and stand in reading order."""
    text = _closed(unfenced(answer))
    boxes = _Boxes()
    boxes.feed(text)
    boxes.close()
    regions = []
    for tag, points, pieces in boxes.found:
        joined = "".join(pieces)
        words = joined.strip() if tag == "table" else re.sub(r"[ \t\r\f]+", " ", joined).strip()
        if words or tag in ("img", "figure"):
            regions.append(RawRegion(words, points, _CATEGORIES.get(tag, "Text")))
    if not regions:
        return Parsed(text, text)
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(_as_markdown, regions))),
        tuple(regions),
        notes=(CUT,) if cut else (),
    )


class _Open(HTMLParser):
    """The tags that are still open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def _closed(text: str) -> str:
    """``text`` with the closing tags that a cut left out, and without a half tag at its end."""
    half = text.rfind("<")
    if half > text.rfind(">"):
        text = text[:half].rstrip()
    reader = _Open()
    reader.feed(text)
    return text + "".join(f"</{tag}>" for tag in reversed(reader.open))


# --- DocTags ----------------------------------------------------------------------------------------------

_DOCTAG = re.compile(r"<(/?)([a-z_][\w-]*)>")
_DOC_CATEGORIES = {
    "text": "Text",
    "paragraph": "Text",
    "title": "Title",
    "caption": "Caption",
    "footnote": "Footnote",
    "formula": "Formula",
    "list_item": "List-item",
    "page_footer": "Page-footer",
    "page_header": "Page-header",
    "picture": "Picture",
    "chart": "Picture",
    "otsl": "Table",
    "code": "Code",
}
_LOC_GRID = 500  # DocTags give places on a grid of 0..500; the family's units are thousandths


def _doctags(answer: str, cut: bool) -> Parsed:
    """granite-docling: ``<text><loc_x0><loc_y0><loc_x1><loc_y1>words</text>``, tables in OTSL."""
    regions = list(_doc_elements(answer))
    return Parsed(
        "\n".join(region.text for region in regions if region.text),
        "\n\n".join(filter(None, map(_as_markdown, regions))),
        tuple(region for region in regions if region.points),
        notes=(CUT,) if cut else (),
    )


def _doc_elements(answer: str) -> Iterator[RawRegion]:
    name, body, places = "", "", []
    at = 0
    for found in _DOCTAG.finditer(answer):
        closing, tag = found[1] == "/", found[2]
        body += answer[at : found.start()]
        at = found.end()
        category = "Section-header" if tag.startswith("section_header") else _DOC_CATEGORIES.get(tag)
        if tag.startswith("loc_") and tag[4:].isdigit():
            places.append(float(tag[4:]) * 1000 / _LOC_GRID)
        elif name == "otsl" and not closing and category is None:
            body += found[0]
        elif category is not None and (closing or name == ""):
            if not closing:
                name, body, places = tag, "", []
            elif tag == name:
                yield _doc_region(name, body, places)
                name, body, places = "", "", []
        elif category is not None and name != "":  # a caption inside a table or picture
            if body.strip() or places:
                yield _doc_region(name, body, places)
            name, body, places = tag, "", []
    body += answer[at:]
    if name and body.strip():
        yield _doc_region(name, body, places)


def _doc_region(name: str, body: str, places: list[float]) -> RawRegion:
    category = "Section-header" if name.startswith("section_header") else _DOC_CATEGORIES[name]
    text = otsl_to_html(body) if name == "otsl" else re.sub(r"^<_[^>]*_>", "", body.strip())
    return RawRegion(text, _points(places[:4]), category)


def otsl_to_html(body: str) -> str:
    """An OTSL table as HTML: <fcel> full, <ecel> empty, <lcel> joined to the left, <ucel> to the cell above,
    <xcel> to both; <ched>, <rhed> and <srow> are headers; <nl> ends a row.
    """
    rows: list[list[tuple[str, str]]] = [[]]
    for found in re.finditer(r"<([a-z]+)>([^<]*)", body):
        if found[1] == "nl":
            rows.append([])
        else:
            rows[-1].append((found[1], found[2].strip()))
    rows = [row for row in rows if row]
    out = ["<table>"]
    for y, row in enumerate(rows):
        out.append("<tr>")
        for x, (kind, text) in enumerate(row):
            if kind in ("lcel", "ucel", "xcel"):
                continue
            across = 1
            while x + across < len(row) and row[x + across][0] == "lcel":
                across += 1
            down = 1
            while y + down < len(rows) and x < len(rows[y + down]) and rows[y + down][x][0] == "ucel":
                down += 1
            tag = "th" if kind in ("ched", "rhed", "srow") else "td"
            spans = (f' colspan="{across}"' if across > 1 else "") + (
                f' rowspan="{down}"' if down > 1 else ""
            )
            out.append(f"<{tag}{spans}>{escape(text, quote=False)}</{tag}>")
        out.append("</tr>")
    out.append("</table>")
    return "".join(out) if rows else ""


# --- LaTeX tables ----------------------------------------------------------------------------------------

_TABULAR = re.compile(
    r"\\begin\{(tabular|array)\}\s*(?:\[[^\]]*\])?\{(?:[^{}]|\{[^{}]*\})*\}(.*?)(?:\\end\{\1\}|\Z)", re.DOTALL
)
_RULE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|c(?:mid)?(?:line|rule)(?:\([lr]+\))?\{[\d-]+\})")
_SPAN = re.compile(r"\\multi(column|row)\{(\d+)\}\{[^{}]*\}\{(.*)\}", re.DOTALL)


def _latex_table(answer: str, cut: bool) -> Parsed:
    """GOT's Mathpix markdown with its LaTeX tables as HTML; whatever stands around them stays."""
    marked = _markdown(answer, cut)
    text = _TABULAR.sub(lambda found: latex_table_to_html(found[2]), marked.text)
    return Parsed(text, text, marked.regions)


def latex_table_to_html(body: str) -> str:
    """The inside of a tabular as an HTML table; cells keep their LaTeX.

    Cells under a multirow are left out.
    """
    covered: dict[int, int] = {}  # column: rows below that a multirow still takes
    out = ["<table>"]
    for line in re.split(r"\\\\(?:\[[^\]]*\])?", _RULE.sub("", body)):
        if not line.strip():
            continue
        out.append("<tr>")
        column = 0
        for cell in re.split(r"(?<!\\)&", line):
            text, spans, across = cell.strip(), "", 1
            while (found := _SPAN.fullmatch(text)) is not None:
                count, text = int(found[2]), found[3].strip()
                if found[1] == "column":
                    across = count
                else:
                    covered[column] = count
                spans += f' {"colspan" if found[1] == "column" else "rowspan"}="{count}"'
            if spans.find("rowspan") >= 0 or text or not covered.get(column):
                plain = text.replace(r"\&", "&")
                out.append(f"<td{spans}>{escape(plain, quote=False)}</td>")
            if covered.get(column):
                covered[column] -= 1
            column += across
        out.append("</tr>")
    out.append("</table>")
    return "".join(out) if len(out) > 2 else ""


_KINDS: dict[str, Callable[[str, bool], Parsed]] = {
    "plain": _plain,
    "markdown": _markdown,
    "html": _html,
    "latex": _latex,
    "latex_table": _latex_table,
    "qwen_boxes": _qwen_boxes,
    "qwen_html": _qwen_html,
    "dots_layout": _dots_layout,
    "doctags": _doctags,
}
KINDS = tuple(_KINDS)
