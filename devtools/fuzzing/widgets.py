"""Random settings of this pack's nodes, sent to a real ComfyUI by POST /prompt as a script would send them.

A widget in the browser keeps its range; over the API anything comes: another type, a number without bounds,
a word of another version, nothing at all. Each prompt must end in a result, or in a sentence that names the
widget; Python's own words, a hang and a dead server are faults. Cases are numbered: the same number is the
same prompt on every machine.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .campaign import Tally

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient, RunResult

KIND = "odd widget values"
# What any widget may be given.
ANYTHING: list[Any] = [None, True, False, 0, -1, 1.5, "", " ", "x", [], {}, ["a"], {"a": 1}, float("nan")]
NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, -0.0, 0.1, 0.5, 2.5, 1e-9, 1e9, 1e308),
    *(float("inf"), float("-inf"), float("nan"), "7", " 7 ", "7.9", "1e3", "NaN", "abc", "\u0667"),
]
TEXTS: list[Any] = [
    *("", " ", "\n", "a", "word", "\u0430\u0431\u0432", "\u6587\u5b57", "\U0001f600", "e\u0301", "\u202eabc"),
    *("\x00", "a\x00b", "\x1b[31mred", "\r\n\t", "%s%n", "{0}{x}", "{{", "%date:yyyy%", "%width%", "$HOME"),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\win.ini",
        "\\\\host\\share",
        "a/b/../c",
        "~",
        ".",
        "..",
    ),
    *("CON", "name.", "a:b", "x" * 300, "(", "[", "(a+)+$", "(?P<x>", "\\", ".*", "a|b|", "*", "a{99999}"),
    *("1-3", "3-1", "0", "-", "1,,2", "9" * 30, "1-999999999", "[[1, 2], [3, 4]]", "{}", "null", "NaN"),
    *(
        "[1e999]",
        '{"a": {"a": 1}}',
        "[" * 500,
        '"' * 1001,
        "RTX 4090",
        "16 GB",
        "\u221e GB",
        "-5 GB",
        "text, title",
    ),
    "word " * 2_000,
]


# Settings with which a node would run, where its defaults would not.
GOOD: dict[str, dict[str, Any]] = {
    "VramwiseTextMask": {"find": "WORD"},
    "VramwiseOCRScore": {"expected": "WORD"},
    "VramwiseDrawText": {"text": "WORD"},
}


@dataclass(frozen=True)
class Case:
    """One prompt. ``odd`` are the inputs of ``node`` that were changed, by name."""

    number: int
    node: str
    odd: Mapping[str, Any]
    prompt: dict[str, dict[str, Any]]


def case(number: int, nodes: Mapping[str, Any]) -> Case:
    """Case ``number`` of the nodes as /object_info describes them."""
    luck = random.Random(f"widgets {number}")
    node = sorted(nodes)[number % len(nodes)]
    described = nodes[node]["input"]
    given: dict[str, Any] = {}
    odd: dict[str, Any] = {}
    many = luck.random() < 0.3
    widgets = [name for part in described.values() for name, it in part.items() if _is_widget(it)]
    chosen = set(luck.sample(widgets, min(len(widgets), luck.randint(2, 4) if many else 1)))
    for part, inputs in described.items():
        for name, (kind, *options) in inputs.items():
            settings = options[0] if options else {}
            if not _is_widget((kind, settings)):
                source = _source(node, kind, name)
                if source is not None and (part == "required" or luck.random() < 0.5):
                    given[name] = source
                    if luck.random() < 0.03:
                        given[name] = odd[name] = luck.choice(_WRONG_LINKS)
                continue
            words = _words(kind, settings)
            good = {"json": json.dumps([_page()])} if node == "VramwiseConvertRegions" else GOOD.get(node, {})
            given[name] = good.get(name, settings.get("default", words[0] if words else ""))
            if name in chosen:
                given[name] = odd[name] = _value(kind, settings, luck)
                if luck.random() < 0.04:
                    del given[name]
    prompt = {**_sources(), "under test": {"class_type": node, "inputs": given}}
    used = _used(prompt, "under test")
    prompt = {name: prompt[name] for name in prompt if name in used}
    prompt["shown"] = {"class_type": "PreviewAny", "inputs": {"source": ["under test", 0]}}
    return Case(number, node, odd, prompt)


def _is_widget(described: Any) -> bool:
    kind, settings = described[0], (described[1] if len(described) > 1 else {})
    if settings.get("forceInput"):
        return False
    return isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def _words(kind: Any, settings: Mapping[str, Any]) -> list[Any]:
    return list(kind) if isinstance(kind, list) else list(settings.get("options", ()))


def _value(kind: Any, settings: Mapping[str, Any], luck: random.Random) -> Any:
    least, most = settings.get("min", 0), settings.get("max", 100)
    if luck.random() < 0.15:
        return luck.choice(ANYTHING)
    if kind in ("INT", "FLOAT"):
        inside = luck.uniform(least, min(most, 10_000))
        near = [least, most, least - 1, most + 1, round(inside) if kind == "INT" else inside]
        return luck.choice([*NUMBERS, *near, *near])
    if kind == "BOOLEAN":
        return luck.choice([True, False, "false", "no", 0, 1, 2, -1, "", None, "True"])
    words = _words(kind, settings)
    if words or kind == "COMBO":
        odd = [str(words[0]).upper(), f"{words[0]} ", str(words[0])[:-1]] if words else []
        return luck.choice([*words, *odd, "", "x", 0, 5, "x" * 500, "\x00", "cuda:7"])
    return luck.choice(TEXTS)


_WRONG_LINKS: list[Any] = ["words", 5, {}, True, ["regions", 0], ["text", 0], ["loader", 1], ["probe", 0]]
# What an input without a widget takes: one page of each kind.
_SOURCES = {
    "IMAGE": ["page", 0],
    "VRAMWISE_REGIONS": ["regions", 0],
    "VRAMWISE_OCR_MODEL": ["loader", 0],
    "VRAMWISE_GPU": ["probe", 0],
    "STRING": ["text", 0],
    "*": ["text", 0],
}


def _source(node: str, kind: Any, name: str) -> Any:
    if (node, name) in (
        ("VramwiseModelAdvisor", "also_loaded"),
        ("VramwiseConvertRegions", "boxes"),
        ("VramwiseConvertRegions", "regions"),
    ):
        return None  # names of models, boxes: what no node here gives
    return next((list(source) for wanted, source in _SOURCES.items() if wanted in str(kind).split(",")), None)


def _sources() -> dict[str, dict[str, Any]]:
    """What the links of a node under test come from. Alike in every case, so that ComfyUI keeps it; nothing
    of it has to be read.
    """

    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    loader = {"model": "rapid", "precision": "auto", "attention": "auto", "device": "auto"}
    return {
        "page": node("EmptyImage", width=96, height=48, batch_size=1, color=0xFFFFFF),
        "loader": node("VramwiseOCRModelLoader", **loader),
        "regions": node("VramwiseConvertRegions", json=json.dumps([_page()]), width=96, height=48),
        "probe": node("VramwiseGPUProbe", device="auto", refresh=0),
        "text": node("PrimitiveString", value="WORD"),
    }


def _page() -> dict[str, Any]:
    """A page of one line, as OCR Inference gives it."""
    from vramwise.ocr.results.result import OCRResult, Region

    line = Region("WORD", ((8.0, 8.0), (88.0, 8.0), (88.0, 40.0), (8.0, 40.0)), 0, confidence=0.9)
    return OCRResult("WORD", "WORD", (line,), 96, 48, "stop", "rapid", "fp32", 0.0).to_dict()


def _used(prompt: Mapping[str, Any], name: str) -> set[str]:
    found = {name}
    for value in prompt[name]["inputs"].values():
        if isinstance(value, list) and len(value) == 2 and value[0] in prompt and value[0] != name:
            found |= _used(prompt, value[0])
    return found


# Python's own words, which no person should have to read.
_RAW = re.compile(
    r"Traceback|<class |NoneType|object has no|object is not|unhashable|indices must be|codec can't|"
    r"not supported between|unsupported operand|__init__|0x[0-9a-f]{8,}|takes \d+ positional|"
    r"unexpected keyword|cannot convert float"
)
_OURS = ("VramwiseError", "UnknownName", "EndpointError", "NotWritten")


def fault_of(tried: Case, ended: RunResult) -> str:
    """What is wrong with how a prompt ended; empty where it is a result or a sentence."""
    if ended.status in ("success", "interrupted"):
        return ""
    said = ended.error_text
    if ended.status == "refused":  # by ComfyUI before anything ran: its words, or ours by validate_inputs
        errors = [error for entry in ended.node_errors.values() for error in entry["errors"]]
        failed = [error for error in errors if error["type"] == "exception_during_validation"]
        return f"raised in validation: {said}" if failed else ""
    kind = str(ended.error.get("exception_type", "")).rsplit(".", 1)[-1]
    if kind not in _OURS:
        return f"{kind}: {said}"
    if _RAW.search(said):
        return f"Python's words: {said}"
    names = {form for name in tried.odd for form in (name, name.replace("_", " "))}
    if tried.odd and not any(name.lower() in said.lower() for name in names):
        return f"names none of {', '.join(sorted(tried.odd))}: {said}"
    return ""


def tried_cases(client: ComfyClient, count: int, first: int = 0) -> Iterator[tuple[Case, RunResult, str]]:
    """Each case from number ``first`` on with how it ended and its fault."""
    info = client.object_info()
    nodes = {name: it for name, it in info.items() if name.startswith("Vramwise")}
    for number in range(first, first + count):
        made = case(number, nodes)
        ended = client.run(made.prompt)
        yield made, ended, fault_of(made, ended)


def tally(client: ComfyClient, count: int, first: int = 0) -> Tally:
    """``count`` cases, counted. Each fault is its prompt's number, node and odd values, and what was said."""
    found = Tally(KIND)
    for made, ended, fault in tried_cases(client, count, first):
        outcome = "fault" if fault else "result" if ended.ok else "sentence"
        said = f"{made.node} {json.dumps(made.odd, default=str)[:300]}: {fault}"
        found.take({"case": made.number, "outcome": outcome, "said": said})
    return found
