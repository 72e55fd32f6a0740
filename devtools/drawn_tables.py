"""Tables laid out at random, other kinds than ``drawn_layouts.table_page``: headings over groups of columns,
headings of two lines, wrapped cells in several columns, sums under a rule, numbers of several forms, Latin or
Cyrillic words, with no rules, level ones, a grid or dots. Sizes are in pixels.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .drawn_layouts import Laid, LaidTable, Placed, Width, drawn

if TYPE_CHECKING:
    from PIL.Image import Image

RULES = ("none", "level", "grid", "dotted")
LATIN = """
amount average balance before between business carbon cement city company contract country date
delivery district energy engine evening export family figure forest garden harbour health import
industry island journey kitchen labour letter machine market material member minute month morning
mountain number office order paper period person picture place planet price produce quarter railway
rate region report result river school season service sheet street summer supply table timber total
travel value village volume water weather weight window winter woman work yard year
""".split()  # noqa: SIM905
CYRILLIC = """
\u0433\u043e\u0440\u043e\u0434 \u0443\u043b\u0438\u0446\u0430
\u0440\u0430\u0439\u043e\u043d \u0446\u0435\u043d\u0430
\u0441\u0443\u043c\u043c\u0430 \u0442\u043e\u0432\u0430\u0440
\u043d\u043e\u043c\u0435\u0440 \u043c\u0435\u0441\u044f\u0446
\u043f\u043e\u0435\u0437\u0434 \u0431\u0438\u043b\u0435\u0442
\u0448\u043a\u043e\u043b\u0430 \u043f\u0440\u0438\u0435\u043c
\u0441\u0442\u0440\u0430\u043d\u0430 \u0437\u0430\u0432\u043e\u0434
\u043e\u0442\u0447\u0435\u0442 \u0443\u0447\u0430\u0441\u0442\u043e\u043a
\u0434\u043e\u0433\u043e\u0432\u043e\u0440 \u043f\u043e\u0441\u0442\u0430\u0432\u043a\u0430
\u043d\u0435\u0434\u0435\u043b\u044f \u043c\u0430\u0442\u0435\u0440\u0438\u0430\u043b
\u043e\u0431\u044a\u0435\u043c \u043a\u043e\u043c\u043d\u0430\u0442\u0430
\u0441\u0442\u0430\u043d\u0446\u0438\u044f \u0434\u043e\u0440\u043e\u0433\u0430
\u043f\u0438\u0441\u044c\u043c\u043e \u0432\u0435\u0447\u0435\u0440
\u0440\u0430\u0431\u043e\u0442\u0430 \u0432\u0440\u0435\u043c\u044f
\u0440\u0435\u043a\u0430 \u043c\u0430\u0448\u0438\u043d\u0430
""".split()  # noqa: SIM905
LINE = 1.25  # line heights within a cell


def varied_table(seed: int, width: Width, cyrillic: bool = False) -> tuple[LaidTable, str]:
    """(the table, the kind of its rules). ``width`` measures a text as it will be drawn."""
    rng = random.Random(seed)
    names = CYRILLIC if cyrillic else LATIN
    size, rules = rng.uniform(15, 30), RULES[seed % len(RULES)]
    columns, rows = rng.randint(2, 6), rng.randint(3, 9)
    kinds = ["words", *(rng.choice(("number", "number", "words", "wrapped")) for _ in range(columns - 1))]
    if "number" not in kinds:
        kinds[-1] = "number"
    empty = rng.choice((0.0, 0.0, 0.15))
    body = [[_cell(rng, kind, names, empty) for kind in kinds] for _ in range(rows)]
    two_lines = rng.random() < 0.3
    head = [_words(rng, names, 2 if two_lines and rng.random() < 0.6 else 1) for _ in kinds]
    wide = [{"words": 7.0, "number": 5.0, "wrapped": 9.0}[kind] * size for kind in kinds]
    cells = [[_filled(text, one, size, width) for text, one in zip(row, wide, strict=True)] for row in body]
    cells.insert(0, [text.split() if two_lines else [text] for text in head])
    widths = [max(width(line, size) for row in cells for line in row[x]) for x in range(columns)]
    gap = rng.uniform(1.2, 2.6) * size
    lefts = [2.5 * size + sum(widths[:x]) + x * gap for x in range(columns)]
    groups = groups_over(rng, columns) if columns > 3 and rng.random() < 0.4 else []
    loose = rng.uniform(0.75, 1.3) if "wrapped" in kinds or two_lines else rng.uniform(0.4, 1.2)
    middle = rng.random() < 0.4
    over = [(start, across, _words(rng, names, 1)) for start, across in groups]
    flush = [kind == "number" for kind in kinds]
    lines, truth, edges, foot = laid_in(lefts, widths, flush, size, loose, width, over, cells, middle)
    right = lefts[-1] + widths[-1] + gap / 2
    ruled = rules_of(rules, edges, lefts, right, gap, groups)
    page = Laid(tuple(lines), right + 2 * size, foot + 2 * size)
    return LaidTable(page, tuple(truth), ruled), rules


def _cell(rng: random.Random, kind: str, names: list[str], empty: float) -> str:
    if kind == "number":
        value = rng.uniform(1, 9_999)
        forms = (f"{value:.2f}", f"{value:,.2f}", f"{value:.0f}", f"-{value:.1f}", f"{value % 100:.1f} %")
        return "" if rng.random() < empty else rng.choice(forms)
    return _words(rng, names, rng.randint(3, 7) if kind == "wrapped" else 1)


def _words(rng: random.Random, names: list[str], count: int) -> str:
    return " ".join(rng.choice(names) for _ in range(count)).capitalize()


def _filled(text: str, most: float, size: float, width: Width) -> list[str]:
    lines: list[str] = []
    for word in text.split() if text and not text[-1].isdigit() and not text.endswith("%") else [text]:
        if lines and width(f"{lines[-1]} {word}", size) <= most:
            lines[-1] += f" {word}"
        elif word:
            lines.append(word)
    return lines


def groups_over(rng: random.Random, columns: int) -> list[tuple[int, int]]:
    """(first column, how many) of headings over neighbours of four columns or more, behind the first."""
    if columns < 5 or rng.random() < 0.5:
        return [(1, columns - 1)]
    cut = rng.randint(3, columns - 2)
    return [(1, cut - 1), (cut, columns - cut)]


def laid_in(
    lefts: list[float],
    widths: list[float],
    flush: list[bool],
    size: float,
    loose: float,
    width: Width,
    over: list[tuple[int, int, str]],
    cells: list[list[list[str]]],
    middle: bool = False,
) -> tuple[list[Placed], list[tuple[int, int, int, str]], list[float], float]:
    """The lines of a table in columns with these ``lefts`` and ``widths``, ``flush`` on the right where it is
    said so; the cells (row, column, columns taken, text); the edges of rows; the foot. ``over``: headings
    (first column, how many, text) over the rows of ``cells``, each of which is its lines; ``loose``: line
    heights between rows; ``middle``: lower cells stand in the middle of their row.
    """
    lines: list[Placed] = []
    truth: list[tuple[int, int, int, str]] = []
    y = 2.0 * size
    edges = [y - loose / 2 * size]

    def put(text: str, x: float, top: float) -> None:
        lines.append(Placed(text, x, top, size, width(text, size)))

    for start, across, text in over:
        x0, x1 = lefts[start], lefts[start + across - 1] + widths[start + across - 1]
        put(text, (x0 + x1 - width(text, size)) / 2, y)
        truth.append((0, start, across, text))
    if over:
        y += (1.0 + loose) * size
        edges.append(y - loose / 2 * size)
    for number, row in enumerate(cells, bool(over)):
        most = max(map(len, row))
        for x, texts in enumerate(row):
            top = y + (most - len(texts)) / 2 * LINE * size * middle
            for text in texts:
                put(text, lefts[x] + (widths[x] - width(text, size)) * flush[x], top)
                top += LINE * size
            if texts:
                truth.append((number, x, 1, " ".join(texts)))
        y += ((most - 1) * LINE + 1.0 + loose) * size
        edges.append(y - loose / 2 * size)
    return lines, truth, edges, y


def rules_of(
    kind: str,
    edges: list[float],
    lefts: list[float],
    right: float,
    gap: float,
    groups: list[tuple[int, int]],
) -> tuple[tuple[float, float, float, float], ...]:
    """Level ones above, under the heading and below; a grid or dots around every cell, none through a merged
    one.
    """
    if kind == "none":
        return ()
    left = lefts[0] - gap / 2
    if kind == "level":
        return tuple((left, y, right, y) for y in (edges[0], edges[1 + bool(groups)], edges[-1]))
    rules = [(left, y, right, y) for y in edges]
    covered = {x for start, across in groups for x in range(start + 1, start + across)}
    for x, at in enumerate([one - gap / 2 for one in lefts] + [right]):
        rules.append((at, edges[1] if x in covered else edges[0], at, edges[-1]))
    return tuple(rules)


def drawn_table(table: LaidTable, rules: str, font_file: str) -> Image:
    """The picture: rules of one or two pixels, dots on every third pixel."""
    from PIL import ImageDraw

    picture = drawn(table.page, font_file)
    pen = ImageDraw.Draw(picture)
    for x0, y0, x1, y1 in table.rules:
        if rules == "dotted":
            points = [(x, y0) for x in range(round(x0), round(x1), 3)] if y0 == y1 else []
            points += [(x0, y) for y in range(round(y0), round(y1), 3)] if x0 == x1 else []
            pen.point(points, (60, 60, 60))
        else:
            pen.line((x0, y0, x1, y1), (90, 90, 90), 1 + round(x0) % 2)
    return picture
