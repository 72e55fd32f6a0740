"""A whole sample made into one that somebody's disk, program or malice could hold. The same seed, the same
case.

`mutated_bytes` knows nothing of the format; `mutated_json` and `mutated_yaml` stay nearly readable, because
what is no JSON at all is refused at the door and tries nothing behind it; `mutated_lines` is for records of a
line each.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

DEEP = 20_000
# Text that no json.dumps writes. A value of RAW + number is replaced by its entry afterwards.
RAW = "\x01raw"
_RAW_TEXTS = (
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "1" * 5_000,  # more digits than int() takes since Python 3.11
    "1" * 400,  # an int that is no float
    "-0",
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    '{"a":1,"a":2}',
    '"\\ud800"',
    '"\\u0000"',
    "tru",
    "",
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, -0.5, 1e308, 1e-308, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**30),
    *(
        "",
        " ",
        "a",
        "0",
        "-1",
        "null",
        "auto",
        "\x00",
        "\ud800",
        "\u202e",
        "\ufeff",
        "\U0001f600",
        "line\nline",
    ),
    *(
        "../../foreign/kept.txt",
        "/etc/passwd",
        "/dev/zero",
        "C:\\Windows\\x",
        "\\\\server\\share",
        "~",
        ".",
        "..",
    ),
    *(
        "%s%n{0}{x.__class__}",
        "\x1b[2J",
        "<script>",
        "A" * 300,
        "A" * 100_000,
        "file:///etc/passwd",
        "__import__('os')",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [{}],
        {"": None},
        [1, 2, 3],
        {"a": {"b": []}},
        [[1, 2], [3, 4]],
        list(range(1000)),
    ),
)
_INTEGERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    2**63 - 1,
)


def mutated_bytes(sample: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """``sample`` with one to eight places spoiled; now and then with the tail of one of ``others``."""
    data = bytearray(sample)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        rng.choice(_BYTE_OPERATIONS)(data, rng)
    if others and rng.random() < 0.05:
        other = rng.choice(others)
        data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]
    return bytes(data)


def mutated_json(sample: bytes, rng: random.Random) -> bytes:
    """A JSON text with one to four values, keys or places changed, or its bytes spoiled."""
    if rng.random() < 0.15:
        return mutated_bytes(sample, rng)
    text = _written(_changed(json.loads(sample), rng), rng)
    return _recoded(text, rng) if rng.random() < 0.05 else text.encode("utf-8", "surrogatepass")


def mutated_lines(sample: bytes, rng: random.Random) -> bytes:
    """Lines of JSON: one line lost, cut, glued, doubled, moved or changed, or the bytes spoiled."""
    if rng.random() < 0.2:
        return mutated_bytes(sample, rng)
    lines = sample.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        line = lines[at]
        what = rng.randrange(8)
        if what == 0 and len(lines) > 1:
            del lines[at]
        elif what == 1:
            lines[at] = line[: rng.randrange(len(line) + 1)]
        elif what == 2:  # the next line came after half of this one
            lines[at : at + 2] = [line[: rng.randrange(len(line) + 1)] + b"".join(lines[at + 1 : at + 2])]
        elif what == 3:
            lines.insert(other, line)
        elif what == 4:
            lines[at], lines[other] = lines[other], line
        elif what == 5:
            lines.insert(at, rng.choice((b"", b"\0" * 512, b"null", b"[]", b"{}", b"\xff\xfe", b"{" * 5000)))
        else:
            with contextlib.suppress(ValueError):  # no JSON any more
                lines[at] = mutated_json(line, rng)
    return b"\n".join(lines)


_YAML_PIECES = (
    "&a [*a, *a]",
    "*nowhere",
    "!!python/object/apply:os.system ['true']",
    "!!binary aGVsbG8=",
    "!!timestamp 9999-99-99",
    "2001-02-30",
    "1_000:00:00",
    "<<: *a",
    "? [a, b]\n: c",
    "\t- x",
    "---\n...",
    "%YAML 9.9\n---",
    "'unclosed",
    "|2\n  x",
    "{a: [b, {c: d}",
    "!!set {a, b}",
    ".nan",
    "0o17",
    "- " * 400,
    "[" * 3_000,
    "\u0085\u2028",
    "\ufeff",
    "a: &b [x]\nc: &d [*b,*b,*b,*b,*b,*b,*b,*b,*b]\ne: &f [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
    "g: &h [*f,*f,*f,*f,*f,*f,*f,*f,*f]\ni: &j [*h,*h,*h,*h,*h,*h,*h,*h,*h]\nk: [*j,*j,*j,*j,*j,*j,*j,*j,*j]",
)


def mutated_yaml(sample: bytes, rng: random.Random) -> bytes:
    """Settings in YAML: values changed (JSON is YAML too), pieces of YAML's own put in, or bytes spoiled."""
    import yaml

    way = rng.random()
    if way < 0.2:
        return mutated_bytes(sample, rng)
    if way < 0.7:
        return _written(_changed(yaml.safe_load(sample), rng), rng).encode("utf-8", "surrogatepass")
    lines = sample.decode().split("\n")
    at, piece = rng.randrange(len(lines)), rng.choice(_YAML_PIECES)
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}{colon} {piece}" if rng.random() < 0.5 else f"{lines[at]}\n{piece}"
    return "\n".join(lines).encode()


# --- bytes ------------------------------------------------------------------------------------------------


def _span(data: bytearray, rng: random.Random, most: int = 4096) -> slice:
    start = rng.randrange(len(data) + 1)
    return slice(start, min(len(data), start + rng.randrange(1, most)))


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _number(data: bytearray, rng: random.Random) -> None:
    """A count, a size or an offset: formats keep most of them near the beginning."""
    width, code = rng.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    if len(data) < width:
        return
    end = len(data) - width + 1
    at = rng.randrange(min(end, 256) if rng.random() < 0.5 else end)
    value = rng.choice((*_INTEGERS, rng.getrandbits(8 * width), len(data), len(data) + 1)) % (1 << 8 * width)
    data[at : at + width] = struct.pack(rng.choice("<>") + code, value)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    del data[_span(data, rng)]


def _double(data: bytearray, rng: random.Random) -> None:
    span = _span(data, rng)
    data[span.start : span.start] = data[span] * rng.choice((1, 2, 50))


def _blank(data: bytearray, rng: random.Random) -> None:
    span = _span(data, rng)
    data[span] = bytes([rng.choice((0, 0xFF, 0x20))]) * (span.stop - span.start)


def _noise(data: bytearray, rng: random.Random) -> None:
    span = _span(data, rng, 64)
    data[span] = rng.randbytes(span.stop - span.start)


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randrange(1, 32))


def _move(data: bytearray, rng: random.Random) -> None:
    span = _span(data, rng)
    piece = bytes(data[span])
    del data[span]
    at = rng.randrange(len(data) + 1)
    data[at:at] = piece


_BYTE_OPERATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _flip, _number, _number, _number, _cut, _drop, _double, _blank, _noise, _insert, _move),
)

# --- trees ------------------------------------------------------------------------------------------------


def _changed(tree: Any, rng: random.Random) -> Any:
    tree = [tree]  # so that the whole can be replaced as well
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(tree))
        holder, key = rng.choice(places)
        _change(holder, key, rng, places)
    return tree[0]


def _places(tree: Any) -> Any:
    """(holder, key or index) of every value below ``tree``."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def _change(holder: Any, key: Any, rng: random.Random, places: list[Any]) -> None:
    value = holder[key]
    what = rng.randrange(9)
    if what <= 2:
        holder[key] = copy.deepcopy(rng.choice(ODD))
    elif what == 3:
        holder[key] = f"{RAW}{rng.randrange(len(_RAW_TEXTS))}"
    elif what == 4 and isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = rng.choice(
            (value * 1000, -value, value + 1, value / 3, str(value), [value], value * 10**18)
        )
    elif what == 5:
        holder[key] = [value] if rng.random() < 0.5 else {"a": value}
    elif what == 6 and isinstance(holder, dict):
        del holder[key]
        if rng.random() < 0.5:
            holder[rng.choice(("", str(key).upper(), f"{key}x", "\ud800", "__class__"))] = value
    elif what == 7:
        source, name = rng.choice(places)
        if (isinstance(source, dict) and name in source) or (isinstance(source, list) and name < len(source)):
            holder[key] = copy.deepcopy(source[name])
    elif isinstance(value, list) and value:
        holder[key] = value * rng.choice((0, 2, 300))
    elif isinstance(value, str):
        holder[key] = rng.choice(
            (value * 2, value[: len(value) // 2], value.upper(), value + "\x00", f"../{value}")
        )
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD))


def _written(tree: Any, rng: random.Random) -> str:
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    for number, raw in enumerate(_RAW_TEXTS):
        text = text.replace(json.dumps(f"{RAW}{number}"), raw)
    return text


def _recoded(text: str, rng: random.Random) -> bytes:
    """As Windows programs save it, or cut within a letter."""
    encoding = rng.choice(("utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-7"))
    return text.encode(encoding, "replace")
