"""What a script may send for a widget ends in a result or in a sentence that names it, on the real server."""

from __future__ import annotations

import pytest

from devtools.fuzzing.widgets import case, tally

pytestmark = pytest.mark.comfy


def test_three_hundred_random_settings_end_in_a_result_or_a_sentence(client):
    found = tally(client, 300)
    assert found.faults == []
    assert found.tries == 300 and found.results and found.sentences
    assert client.request("/system_stats").status == 200


def test_a_number_is_a_case_on_every_machine(client):
    nodes = {name: it for name, it in client.object_info().items() if name.startswith("Vramwise")}
    assert repr(case(17, nodes)) == repr(case(17, nodes)) != repr(case(17 + len(nodes), nodes))


ADVISOR = {"what_if": "", "task": "all", "installed_only": False}
# node, its widgets, the one that is linked, what the link gives -> words of the sentence
LINKED = [
    ("VramwiseOCR", {}, "megapixels", "Float", 1e9, ["megapixels", "from 0 to 128"]),
    ("VramwiseOCR", {}, "max_new_tokens", "Int", -5, ["max_new_tokens", "from 0 to 32768"]),
    ("VramwiseLoadPages", {"file": "vramwise_sample.png"}, "dpi", "Int", 10**9, ["dpi", "from 36 to 600"]),
    ("VramwiseModelAdvisor", ADVISOR, "ram_gib", "Float", -1.0, ["ram_gib", "from 0 to 4096"]),
    ("VramwiseGPUProbe", {"device": "auto"}, "refresh", "Int", -1, ["refresh", "from 0 to"]),
]


@pytest.mark.parametrize(("node", "widgets", "name", "kind", "value", "words"), LINKED)
def test_a_number_that_comes_by_a_link_is_held_to_the_widgets_range(
    client, graph, node, widgets, name, kind, value, words
):
    graph.picture("page", "vramwise_sample.png").node("number", f"Primitive{kind}", value=value)
    image = {"image": ["page", 0]} if node == "VramwiseOCR" else {}
    graph.node("odd", node, **widgets, **image, **{name: ["number", 0]}).show("shown", "odd")
    result = client.run(graph)
    assert result.status == "error" and result.error["node_id"] == "odd", result.error_text
    for word in words:
        assert word in result.error_text


@pytest.mark.parametrize(
    ("node", "name"), [("VramwiseOCR", "megapixels"), ("VramwiseModelAdvisor", "ram_gib")]
)
def test_nan_names_the_widget_and_its_range(client, graph, node, name):
    graph.picture("page", "vramwise_sample.png")
    widgets = {"image": ["page", 0]} if node == "VramwiseOCR" else dict(ADVISOR)
    graph.node("odd", node, **widgets, **{name: float("nan")}).show("shown", "odd")
    assert f"{name} is nan. Give a number from 0 to" in client.run(graph).error_text


@pytest.mark.parametrize("expected", ["", " \n", "!!!"])
def test_where_nothing_is_expected_nothing_passes(client, graph, expected):
    graph.node("page", "EmptyImage", width=96, height=48, batch_size=1, color=0xFFFFFF)
    rules = {"metric": "cer", "punctuation": "ignore"}
    graph.node("score", "VramwiseOCRScore", image=["page", 0], expected=expected, threshold=0, **rules)
    result = client.run(graph)
    assert result.status == "error", result.outputs
    assert "Nothing is expected of image 1 of 1" in result.error_text
