"""Every string widget of every node is given what a workflow from the internet could hold: each run ends in a
result or in a sentence of ours, and the server goes on."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.comfy

PAGE = "vramwise_sample.png"
HOSTILE = {
    "a way out": "../../../../etc/passwd",
    "a drive": "C:\\Windows\\..\\x:y",
    "formats": "{0.__class__.__mro__} %s%n %(x)s ${HOME}",
    "commands": "\x1b]0;t\x07\x1b[2J\x9b \u202e \ud800 \x00",
    "a regex bomb": "(?:(a|a?)+)+$\n(x+x+)+y\n((((((((((a{99}){99}){99}",
    "1 MB": "<a [{(\u201c'1 " * 100_000,
}
OF_NODES = {
    "VramwiseOCR": ("prompt", "json_schema"),
    "VramwiseOCRScore": ("expected",),
    "VramwiseTextMask": ("find",),
    "VramwiseCropRegions": ("find", "category"),
    "VramwiseConvertRegions": ("json",),
    "VramwiseDrawText": ("texts", "font", "colour", "outline_colour"),
    "VramwiseSaveText": ("text", "filename_prefix"),
    "VramwiseLoadPages": ("file", "pages"),
    "VramwiseModelAdvisor": ("what_if", "model"),
    "VramwiseRemoteOCRModel": ("endpoint", "model"),
    "VramwiseOCRModelLoader": ("model",),
}


def given(schema, hostile):
    """Links and defaults for what a node requires, and ``hostile`` by the names of its widgets."""
    inputs = {}
    for name, (kind, *options) in schema["input"]["required"].items():
        more = options[0] if options else {}
        if kind == "IMAGE":
            inputs[name] = ["page", 0]
        elif kind == "VRAMWISE_REGIONS":
            inputs[name] = ["read", 3]
        elif isinstance(kind, list):
            inputs[name] = more.get("default", kind[0] if kind else "")
        elif kind == "COMBO":
            inputs[name] = more.get("default", (more.get("options") or [""])[0])
        elif "default" in more:
            inputs[name] = more["default"]
    return {**inputs, **hostile}


def test_the_list_of_widgets_is_whole(client):
    ours = {name: info for name, info in client.object_info().items() if name.startswith("Vramwise")}
    for name, info in ours.items():
        every = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        strings = {
            widget
            for widget, (kind, *options) in every.items()
            if kind == "STRING" and not (options and options[0].get("forceInput"))
        }
        assert strings <= set(OF_NODES.get(name, ())), f"{name}: a string widget that nobody attacks"


@pytest.mark.parametrize("node", OF_NODES)
def test_hostile_strings_end_in_a_result_or_a_sentence(client, graph, node):
    schema = client.object_info(node)[node]
    graph.picture("page", PAGE).read("read", "page")
    for widget in OF_NODES[node]:
        for name, text in HOSTILE.items():
            graph.node("hostile", node, **given(schema, {widget: text}))
            graph.show("shown", "hostile")
            result = client.run(graph)
            where = f"{node}.{widget}, {name}: {result.status} {result.error_text[:300]}"
            assert result.status in ("success", "error", "refused"), where
            if result.status == "error":
                kind = result.error["exception_type"].rsplit(".", 1)[-1]
                assert kind in ("VramwiseError", "UnknownName", "EndpointError"), where
                assert "\x1b" not in result.error_text and len(result.error_text) < 20_000, where
    assert client.request("/system_stats").status == 200


def test_cancel_ends_a_long_search_and_the_next_prompt_runs(client, graph):
    """1,000 texts nearly, on a page of thousands of words: heard between two pieces of the work."""
    wanted = "\n".join(f"wanted word number {number} of a sentence" for number in range(1_000))
    words = "some words here " * 6_000
    page = {
        "version": 1, "text": words, "markdown": words, "width": 900, "height": 900, "finish_reason": "stop",
        "model": "m", "precision": "fp32", "seconds": 0, "language": "en", "tokens": None, "peak_bytes": None,
        "notes": [], "regions": [
            {"text": words, "polygon": [[0, 0], [9, 0], [9, 9], [0, 9]], "order": 0, "category": "text",
             "confidence": None, "words": []}
        ],
    }  # fmt: skip
    graph.node("made", "VramwiseConvertRegions", json=json.dumps([page]))
    mask = {**given(client.object_info("VramwiseTextMask")["VramwiseTextMask"], {}), "regions": ["made", 0]}
    graph.node("search", "VramwiseTextMask", **{**mask, "find": wanted, "match": "fuzzy", "max_edits": 3})
    graph.show("shown", "search")

    def stop(event, data):
        if event == "executing" and data.get("node") == "search":
            client.interrupt()

    result = client.run(graph, on_event=stop)
    assert result.status == "interrupted", result.error_text
    graph["search"]["inputs"].update(find="words", match="exact")
    assert client.run(graph).ok
