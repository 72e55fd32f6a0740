"""What a person or a script gets wrong: a named, readable error each time, and a server that goes on."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.comfy

PAGE = "vramwise_sample.png"


def loader(graph, **changed):
    return graph.picture("page", PAGE).loader(**changed).read("ocr", "page", ocr_model=["loader", 0])


def ocr(graph, **options):
    return graph.picture("page", PAGE).read("ocr", "page", **options)


def release(graph, **options):
    return graph.release(**options)


# (build, what is given, the node that is named, words that the message must hold)
REFUSED = {
    "unknown precision": (loader, {"precision": "int3"}, "loader", ['precision "int3"', "int4", "fp16"]),
    "unknown attention": (
        loader,
        {"attention": "flash"},
        "loader",
        ['attention "flash"', "flash_attention_2"],
    ),
    "unknown task": (ocr, {"task": "poem"}, "ocr", ['task "poem"', "text, markdown"]),
    "unknown language": (ocr, {"language": "rus"}, "ocr", ['"rus"', 'Did you mean "ru"?', "auto"]),
    "unknown what": (release, {"what": "everything"}, "release", ['what "everything"', "all models"]),
    "megapixels -1": (ocr, {"megapixels": -1}, "ocr", ["megapixels", "-1", "smaller than min"]),
    "megapixels 1e9": (ocr, {"megapixels": 1e9}, "ocr", ["megapixels", "bigger than max"]),
    "megapixels in words": (ocr, {"megapixels": "many"}, "ocr", ["megapixels", "many"]),
    "max_new_tokens too many": (ocr, {"max_new_tokens": 10**6}, "ocr", ["max_new_tokens", "bigger than max"]),
    "refresh -1": (release, {"refresh": -1}, "release", ["refresh", "smaller than min"]),
    "a mask for an image": (
        lambda graph: graph.picture("page", PAGE).read("ocr", ["page", 1]),
        {},
        "ocr",
        ["image", "MASK", "IMAGE"],
    ),
    "an image for a model": (ocr, {"ocr_model": ["page", 0]}, "ocr", ["ocr_model", "VRAMWISE_OCR_MODEL"]),
    "no image": (lambda graph: graph.node("ocr", "VramwiseOCR"), {}, "ocr", ["missing", "image"]),
    "a missing picture": (
        lambda graph: graph.picture("page", "not_here.png").read("ocr", "page"),
        {},
        "page",
        ["not_here.png"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_the_prompts_answer_by_the_nodes_name(client, graph, case):
    build, given, node, words = REFUSED[case]
    result = client.run(build(graph, **given))
    assert result.status == "refused"
    said = " ".join(f"{e['message']} {e['details']}" for e in result.node_errors[node]["errors"])
    for word in words:
        assert word in said, said
    assert client.request("/system_stats").status == 200


@pytest.fixture
def reads(client):
    """Lets the client be a browser of a language, with or without ComfyUI's own setting."""

    def as_browser(accepted, setting=None):
        client.reads = accepted
        client.request("/settings", {"Comfy.Locale": setting})

    yield as_browser
    as_browser("")


@pytest.mark.parametrize(
    ("accepted", "setting", "letters"),
    [
        ("ru-RU,ru;q=0.9,en;q=0.8", None, "[\u0430-\u044f]{3}"),
        ("en-US,en;q=0.9", "zh", "[\u4e00-\u9fff]"),
        ("de,ru;q=0.5", None, "is not an OCR model"),
        ("", "ru", "is not an OCR model"),  # a script beside a Russian browser
    ],
)
def test_a_refusal_is_told_in_the_language_of_whoever_pressed_run(
    accepted, setting, letters, client, graph, new_graph, reads
):
    reads(accepted, setting)
    error = failed(client, loader(graph, model="qwen9_vl"), "loader")
    assert re.search(letters, error["exception_message"]) and "qwen9_vl" in error["exception_message"]
    refused = client.run(loader(new_graph(), precision="int3"))
    told = refused.node_errors["loader"]["errors"][0]["details"]
    assert "int3" in told and ("is unknown here" in told or re.search(letters, told))


def failed(client, graph, node):
    """The sentence with which ``node`` failed when it ran."""
    result = client.run(graph)
    assert result.status == "error", f"{result.status}: {result.error_text} {result.outputs}"
    assert result.error["node_id"] == node
    assert client.request("/system_stats").status == 200
    return result.error


def test_a_model_this_machine_lacks_validates_and_explains_itself_when_run(client, graph):
    error = failed(client, loader(graph, model="qwen9_vl"), "loader")
    assert '"qwen9_vl" is not an OCR model that is known here' in error["exception_message"]
    assert 'Did you mean "qwen3_vl' in error["exception_message"]


def test_an_unknown_language_that_comes_by_a_link_is_refused_when_run(client, graph):
    graph.node("code", "PrimitiveString", value="klingon").release("any", anything=["code", 0])
    error = failed(client, ocr(graph, language=["any", 0]), "ocr")
    assert '"klingon" is not a language that VRAMwise knows' in error["exception_message"]


@pytest.mark.parametrize(
    ("build", "given", "node"),
    [
        (loader, {"precision": None}, "loader"),
        (loader, {"model": None}, "loader"),
        (loader, {"model": 5}, "loader"),
        (ocr, {"task": None}, "ocr"),
        (ocr, {"language": None}, "ocr"),
        (release, {"what": None}, "release"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_null_or_a_number_for_a_choice_is_named_in_a_sentence(client, graph, build, given, node):
    result = client.run(build(graph, **given))
    assert result.status in ("refused", "error")
    said = result.error_text
    assert "is unknown" in said or "is not an OCR model" in said or "is not a language" in said, said


def test_a_number_for_precision_is_named_in_a_sentence(client, graph):
    said = client.run(loader(graph, precision=4)).error_text
    assert 'precision "4" is unknown' in said, said


def test_a_megapixels_that_is_no_number_is_named_in_a_sentence(client, graph):
    said = client.run(ocr(graph, megapixels=float("nan"))).error_text
    assert "megapixels" in said, said


def test_a_word_in_place_of_the_model_link_is_explained(client, graph):
    error = failed(client, ocr(graph, ocr_model="rapid"), "ocr")
    assert "OCR Model Loader" in error["exception_message"], error["exception_message"]


def test_a_word_in_place_of_the_image_link_is_explained(client, graph):
    graph.node("ocr", "VramwiseOCR", image=PAGE)
    message = failed(client, graph, "ocr")["exception_message"]
    assert "image" in message and "attribute" not in message, message


def test_a_text_file_renamed_png_fails_at_the_node_that_loads_it(client, graph, put):
    name = put(b"This is a letter, not a picture.\n")
    error = failed(client, graph.picture("page", name).read("ocr", "page"), "page")
    assert "cannot identify image file" in error["exception_message"]


def test_a_strip_too_high_for_any_engine_is_refused_with_the_limit_and_a_remedy(client, graph, put):
    from PIL import Image

    graph.node("page", "VramwiseLoadPages", file=put(Image.new("L", (8, 33_000), 255)))
    message = failed(client, graph.read("ocr", "page"), "ocr")["exception_message"]
    assert "8 x 33000" in message and "32000" in message and "scale it down" in message


@pytest.mark.parametrize(("wide", "high"), [(8, 20_000), (1, 4_000), (4_000, 1)])
def test_a_strip_is_read_as_empty_however_narrow(client, graph, put, wide, high):
    from PIL import Image, ImageDraw

    strip = Image.new("L", (wide, high), 255)
    ImageDraw.Draw(strip).rectangle((3, 400, 5, 600), fill=0)
    # core's own Load Image reads by ffmpeg in newer versions, which makes no picture of 8 x 20,000
    result = client.run(graph.node("page", "VramwiseLoadPages", file=put(strip)).read("ocr", "page"))
    assert result.ok, result.error_text
    assert len(result.outputs["ocr"]["text"]) == 1
    for region in result.outputs["ocr"]["ocr"][0]["regions"]:
        assert all(0 <= x <= wide and 0 <= y <= high for x, y in region["polygon"])


def test_a_device_of_another_machine_runs_here_and_the_plan_says_so(client, graph, sample_text):
    result = client.run(loader(graph, device="cuda:7").show("plan", "loader", 1))
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == [sample_text]
    assert "device cuda:7" in result.outputs["plan"]["text"][0]


def test_a_precision_and_attention_that_pp_ocr_has_not_are_ignored_with_a_word_in_the_plan(
    client, graph, sample_text
):
    graph = loader(graph, precision="int4", attention="eager").show("plan", "loader", 1)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == [sample_text]
    ignored = result.outputs["plan"]["text"][0].splitlines()[-1]
    assert ignored.startswith("Ignored") and "precision int4" in ignored and "attention eager" in ignored


def test_an_unconnected_model_means_the_built_in_engine(client, graph, sample_text):
    assert client.run(ocr(graph)).outputs["ocr"]["text"] == [sample_text]


def test_after_every_bad_input_the_server_still_reads(client, new_graph, sample_text, fresh):
    for build, given, _, _ in REFUSED.values():
        assert client.run(build(new_graph(), **given)).status == "refused"
    good = new_graph().picture("page", PAGE).read("ocr", "page", prompt=f"not cached {next(fresh)}")
    assert client.run(good).outputs["ocr"]["text"] == [sample_text]
