"""Tables in the models' own notations, as HTML."""

from __future__ import annotations

import re
from html import escape

from ....cancel import watched
from .parsed import without_half_tag

_RULE = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|c(?:mid)?(?:line|rule)(?:\([lr]{1,2}\))?\{[\d-]{1,9}\})"
)
_SPAN = re.compile(r"\\multi(column|row)\{(\d{1,4})\}\{[^{}]*\}\{(.*)\}", re.DOTALL)
OTSL_NAMES = ("fcel", "ecel", "lcel", "ucel", "xcel", "ched", "rhed", "srow", "nl")
_OTSL = re.compile(rf"<({'|'.join(OTSL_NAMES)})>")
_JOINED = ("lcel", "ucel", "xcel")
MOST_SPANS = 2  # a cell may span columns and rows; what is nested deeper stays as it is


def _add_cell(rows: list[list[tuple[str, str]]], kind: str, words: str) -> None:
    text = words.strip()
    if kind == "nl":
        rows.append([])
    if kind in ("", "nl") or (text and kind in _JOINED):
        kind = "fcel" if text else ""
    if kind:
        rows[-1].append((kind, text))


def whole_marks(body: str) -> str:
    """``body`` without the half mark of OTSL at which it broke off."""
    return without_half_tag(body, OTSL_NAMES)


def otsl_to_html(body: str) -> str:
    """An OTSL table as HTML: <fcel> full, <ecel> empty, <lcel> joined to the left, <ucel> to the cell above,
    <xcel> to both; <ched>, <rhed> and <srow> are headers; <nl> ends a row. "" where there is no such
    mark; no word is lost.
    """
    if _OTSL.search(body) is None:
        return ""
    rows: list[list[tuple[str, str]]] = [[]]
    kind = (
        ""  # none yet: words in front of the first mark, or behind the end of a row, are a cell of their own
    )
    at = 0
    for found in watched(_OTSL.finditer(body)):
        _add_cell(rows, kind, body[at : found.start()])
        kind, at = found[1], found.end()
    _add_cell(rows, kind, body[at:])
    rows = [row for row in rows if row]
    out = ["<table>"]
    for y, row in enumerate(watched(rows)):
        out.append("<tr>")
        for x, (kind, text) in enumerate(watched(row)):
            if kind in _JOINED:
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


def latex_table_to_html(body: str) -> str:
    """The inside of a tabular as an HTML table; cells keep their LaTeX.

    Cells under a multirow are left out.
    """
    covered: dict[int, int] = {}  # column: rows below that a multirow still takes
    out = ["<table>"]
    for line in watched(re.split(r"\\\\(?:\[[^\]\n]{0,20}\])?", _RULE.sub("", body))):
        if not line.strip():
            continue
        out.append("<tr>")
        column = 0
        for cell in watched(re.split(r"(?<!\\)&", line)):
            text, spans, across = cell.strip(), "", 1
            for _ in range(MOST_SPANS):
                if (found := _SPAN.fullmatch(text)) is None:
                    break
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
