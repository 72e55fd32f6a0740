"""The pack inside a real ComfyUI: its nodes, the first workflow, batches, the cache and Cancel."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from devtools.comfy.client import HANGS, RunResult

pytestmark = pytest.mark.comfy

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
FROZEN = json.loads((FOLDER / "object_info.json").read_text(encoding="utf-8"))
SAMPLE_SIZE = (960, 640)

# What stands for "*" where the server can follow a type from an input to an output, or name a choice.
CLOSER = ("COMFY_MATCHTYPE_V3", "COMBO,STRING")


def signature(info: dict[str, Any]) -> dict[str, Any]:
    """What of a node workflows depend on. A type that newer versions state more closely is "*" here."""

    def kind(type_: Any) -> str:
        if isinstance(type_, list):
            return "COMBO"
        return "*" if type_ in CLOSER else str(type_)

    def inputs(group: str) -> list[list[str]]:
        kinds = info["input"].get(group, {})
        names = info["input_order"].get(group, [])
        return [[n, kind(kinds[n][0])] for n in names]

    return {
        "required": inputs("required"),
        "optional": inputs("optional"),
        "outputs": [[n, kind(type_)] for n, type_ in zip(info["output_name"], info["output"], strict=True)],
        "lists": info["output_is_list"],
    }


def node_of(class_type):
    """The id of the first node of a class in workflows/api/read_text.json."""
    prompt = json.loads((ROOT / "workflows" / "api" / "read_text.json").read_text(encoding="utf-8"))
    return next(id for id, node in prompt.items() if node["class_type"] == class_type)


@pytest.fixture(scope="module")
def sample_run(client, read_text):
    """The first workflow, run once over the websocket."""
    result = client.run(read_text())
    assert result.ok, result.error_text
    return result


@pytest.fixture(scope="module")
def sample_page(sample_run):
    return sample_run.outputs["4"]["ocr"][0]


# --- what the server offers -------------------------------------------------------------------------------


def test_object_info_has_exactly_the_frozen_nodes(client):
    """An experimental node may still change: it is frozen when that mark goes."""
    ours = {
        k: v for k, v in client.object_info().items() if v["python_module"].endswith("custom_nodes.vramwise")
    }
    experimental = {node_id for node_id, info in ours.items() if info.get("experimental")}
    new = {node_id: signature(ours[node_id]) for node_id in ours.keys() - experimental - set(FROZEN)}
    assert not new, f"put into tests/comfy/object_info.json: {json.dumps(new)}"
    assert ours.keys() - experimental == set(FROZEN)


@pytest.mark.parametrize("node_id", FROZEN)
def test_inputs_and_outputs_are_only_ever_appended_and_an_appended_input_is_optional(client, node_id):
    now, frozen = signature(client.object_info(node_id)[node_id]), FROZEN[node_id]
    assert now["required"] == frozen["required"]
    assert now["lists"][: len(frozen["lists"])] == frozen["lists"]
    for part in ("optional", "outputs"):
        kept = now[part][: len(frozen[part])]
        assert [name for name, _ in kept] == [name for name, _ in frozen[part]]
        for (name, type_), (_, before) in zip(kept, frozen[part], strict=True):
            # newer versions may let more in ("OURS,CLIP"), and nothing less
            assert set(before.split(",")) <= set(type_.split(",")), name


SELDOM = {
    "VramwiseOCRModelLoader": ("attention", "quantise_vision", "fast_decode"),
    "VramwiseOCR": ("megapixels", "max_new_tokens"),
    "VramwiseTextMask": ("max_edits",),
    "VramwiseConvertRegions": ("width", "height"),
    "VramwiseModelAdvisor": ("frames", "batch"),
}


@pytest.mark.parametrize("node_id", SELDOM)
def test_what_most_people_never_touch_is_advanced_where_this_comfyui_knows_that(client, node_id):
    from devtools.comfy.server import default_comfy_dir
    from devtools.comfy_names.tree import Checkout
    from devtools.comfy_names.uses import Call

    asked = Call("", 1, ("advanced",))
    knows = Checkout(default_comfy_dir()).refuses("comfy_api.latest.io.Int.Input", asked) is None
    info = client.object_info(node_id)[node_id]["input"]
    given = {**info.get("required", {}), **info.get("optional", {})}
    assert {name: bool(given[name][1].get("advanced")) for name in SELDOM[node_id]} == dict.fromkeys(
        SELDOM[node_id], knows
    )


def test_what_newer_versions_offer_is_taken_where_it_is_known(client):
    from devtools.comfy.server import default_comfy_dir

    nodes = ("VramwiseMemoryRelease", "VramwiseOCR", "VramwiseModelAdvisor")
    release, ocr, advisor = (client.object_info(node)[node] for node in nodes)
    if "search_aliases" in ocr:
        assert "image to text" in ocr["search_aliases"]
    if "essentials_category" in ocr:
        assert ocr["essentials_category"] == "Image Tools"
    validation = default_comfy_dir() / "comfy_execution" / "validation.py"
    follows = "MatchType" in validation.read_text(encoding="utf-8")  # the server, such a link
    assert release["output"][0] == ("COMFY_MATCHTYPE_V3" if follows else "*")
    assert advisor["output"][1:3] == (["COMBO,STRING"] * 2 if follows else ["*"] * 2)


@pytest.mark.parametrize("node_id", FROZEN)
def test_every_node_has_a_name_a_description_and_a_category_and_every_input_a_tooltip(client, node_id):
    info = client.object_info(node_id)[node_id]
    assert info["category"] == "VRAMwise" and info["display_name"] and info["description"]
    for group in ("required", "optional"):
        for name, (_, options) in info["input"].get(group, {}).items():
            assert options.get("tooltip"), f"{node_id}.{name} has no tooltip"


def test_a_help_page_for_every_node_is_served(client):
    for node_id in FROZEN:
        reply = client.request(f"/extensions/vramwise/docs/{node_id}.md")
        assert reply.status == 200 and len(reply.body) > 200, node_id


def test_the_first_workflow_is_in_the_template_browser(client):
    assert "Read the text of a picture" in client.get_json("/workflow_templates")["vramwise"]


def test_the_sample_picture_reached_the_input_folder_by_itself(comfy):
    shipped = (ROOT / "assets" / "vramwise_sample.png").read_bytes()
    assert (comfy.input_dir / "vramwise_sample.png").read_bytes() == shipped
    assert not list(comfy.input_dir.glob("*.tmp"))


# --- the first workflow -----------------------------------------------------------------------------------


def test_read_text_reads_what_the_sample_picture_says(sample_run, sample_text):
    assert sample_run.outputs["4"]["text"] == [sample_text]
    apart = sample_text.replace("\n", "\n\n")  # older frontends show single line ends as spaces
    assert sample_run.outputs["7"]["text"] == [apart]


def test_read_text_without_a_client_id_gives_the_same_text_in_history(client, read_text, sample_text, fresh):
    prompt = read_text()
    prompt["4"]["inputs"]["prompt"] = f"not cached {next(fresh)}"
    result = client.run(prompt, with_client_id=False)
    assert result.ok, result.error_text
    assert result.outputs["4"]["text"] == [sample_text]


def test_every_region_lies_inside_the_picture_and_covers_some_of_it(sample_page):
    width, height = sample_page["width"], sample_page["height"]
    assert (width, height) == SAMPLE_SIZE
    for region in sample_page["regions"]:
        xs, ys = zip(*region["polygon"], strict=True)
        assert 0 <= min(xs) < max(xs) <= width and 0 <= min(ys) < max(ys) <= height
        assert max(ys) - min(ys) < 100 and max(xs) - min(xs) >= 20


@pytest.mark.parametrize(
    ("word", "x", "y"),
    [
        ("Lighthouse", 480, 62),
        ("Open daily", 480, 118),
        ("2.95", 828, 287),
        ("\u4eca\u65e5\u7279\u4ef7", 480, 475),
        ("Please order", 480, 580),
    ],
)
def test_a_region_lies_where_the_words_are_drawn(sample_page, word, x, y):
    region = next(r for r in sample_page["regions"] if word in r["text"])
    xs, ys = zip(*region["polygon"], strict=True)
    assert statistics.mean(xs) == pytest.approx(x, abs=12)
    assert statistics.mean(ys) == pytest.approx(y, abs=12)


def test_regions_are_numbered_in_reading_order_and_make_up_the_text(sample_page, sample_text):
    assert [r["order"] for r in sample_page["regions"]] == list(range(len(sample_page["regions"])))
    assert " ".join(r["text"] for r in sample_page["regions"]).split() == sample_text.split()


def test_words_lie_along_their_line_from_left_to_right(sample_page):
    line = next(r for r in sample_page["regions"] if r["text"].startswith("Open daily"))
    assert [w["text"] for w in line["words"]] == line["text"].split()
    middles = [statistics.mean(x for x, _ in w["polygon"]) for w in line["words"]]
    assert middles == sorted(middles)
    left, right = line["polygon"][0][0], line["polygon"][1][0]
    assert left - 1 <= middles[0] and middles[-1] <= right + 1


def test_the_mask_fetched_by_view_has_the_pictures_size_and_is_white_on_the_words_only(sample_run, fetch):
    mask = fetch(sample_run.outputs[node_of("MaskPreview")]["images"][0]).convert("L")
    assert mask.size == SAMPLE_SIZE
    assert mask.getpixel((480, 62)) == 255 and mask.getpixel((828, 287)) == 255
    assert mask.getpixel((560, 287)) == 0 and mask.getpixel((20, 620)) == 0


def test_the_overlay_fetched_by_view_is_the_picture_with_only_the_regions_changed(sample_run, fetch):
    from PIL import Image, ImageChops

    overlay = fetch(sample_run.outputs[node_of("PreviewImage")]["images"][0]).convert("RGB")
    with Image.open(ROOT / "assets" / "vramwise_sample.png") as file:
        original = file.convert("RGB")
    assert overlay.size == SAMPLE_SIZE
    changed = ImageChops.difference(overlay, original).convert("L").point(lambda v: 255 * (v > 8))
    assert changed.getbbox() is not None
    share = changed.histogram()[255] / (overlay.width * overlay.height)
    assert share < 0.1
    assert changed.crop((400, 540, 900, 560)).getbbox() is None  # nothing is drawn there


def test_the_json_output_equals_the_ui_records_and_both_follow_the_published_schema(
    client, graph, sample_run
):
    import jsonschema

    schema = json.loads((ROOT / "core" / "ocr" / "results" / "ocr_schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    graph.picture("page", "vramwise_sample.png").read("ocr", "page").show("shown", "ocr", 6)
    result = client.run(graph)
    assert result.ok, result.error_text
    records = json.loads(result.outputs["shown"]["text"][0])
    validator.validate(records)
    validator.validate(sample_run.outputs["4"]["ocr"])
    assert records == result.outputs["ocr"]["ocr"]
    assert records[0]["regions"] and records[0]["regions"][0]["words"]


def test_the_schema_refuses_a_record_of_another_shape(sample_page):
    import jsonschema

    schema = json.loads((ROOT / "core" / "ocr" / "results" / "ocr_schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for wrong in (
        {"version": 2},
        {"finish_reason": "tired"},
        {"seconds": "1"},
        {"surprise": 1},
        {"width": 0},
    ):
        assert not validator.is_valid([{**sample_page, **wrong}]), wrong
    assert not validator.is_valid([{k: v for k, v in sample_page.items() if k != "regions"}])


def test_markdown_marks_the_title_and_the_task_markdown_puts_it_into_text(client, graph):
    graph.picture("page", "vramwise_sample.png").read("ocr", "page", task="markdown")
    graph.show("text", "ocr", 0).show("markdown", "ocr", 2)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["text"]["text"] == result.outputs["markdown"]["text"]
    assert result.outputs["text"]["text"][0].startswith("## The Lighthouse Cafe\n")


def test_what_pp_ocr_cannot_use_is_ignored_with_a_word_in_the_notes(client, graph, sample_text):
    graph.picture("page", "vramwise_sample.png").read("ocr", "page", prompt="Be brief.", max_new_tokens=5)
    page = client.run(graph).outputs["ocr"]["ocr"][0]
    assert page["text"] == sample_text
    assert [note.split(" ", 2)[:2] for note in page["notes"]] == [["The", "prompt"], ["max_new_tokens", "is"]]


# --- the cache --------------------------------------------------------------------------------------------


def test_a_second_identical_run_asks_no_engine(client, read_text, sample_text, fresh):
    prompt = read_text()
    prompt["4"]["inputs"]["prompt"] = f"not cached {next(fresh)}"
    first, second = client.run(prompt), client.run(prompt)
    assert first.ok and second.ok
    assert "4" in first.executed and "progress" in [name for name, _ in first.events]
    assert set(second.cached) == set(prompt) and second.executed == []
    assert "progress" not in [name for name, _ in second.events]
    # the very same record, its timing included: nothing was read again
    assert second.outputs["4"]["ocr"] == first.outputs["4"]["ocr"]
    assert second.outputs["4"]["text"] == [sample_text]


# --- batches ----------------------------------------------------------------------------------------------

PAGES = [
    ["Monday the first", "Bread and butter"],
    ["Tuesday the second", "Apples and pears"],
    ["Wednesday the third", "Coffee and cake"],
]


@pytest.fixture(scope="module")
def three_pages(client, draw, put, new_graph):
    graph = new_graph()
    for number, lines in enumerate(PAGES):
        graph.picture(f"page{number}", put(draw(lines, (560, 220))))
    graph.node("two", "ImageBatch", image1=["page0", 0], image2=["page1", 0])
    graph.node("three", "ImageBatch", image1=["two", 0], image2=["page2", 0])
    graph.read("ocr", "three").show("text", "ocr", 0).show("each", "ocr", 1).show("marked", "ocr", 2)
    graph.node("mask", "MaskPreview", mask=["ocr", 4]).node("overlay", "PreviewImage", images=["ocr", 5])
    result = client.run(graph)
    assert result.ok, result.error_text
    return result


def test_a_batch_of_three_pages_gives_three_texts_in_order(three_pages):
    assert three_pages.outputs["ocr"]["text"] == ["\n".join(lines) for lines in PAGES]
    assert [page["text"] for page in three_pages.outputs["ocr"]["ocr"]] == ["\n".join(p) for p in PAGES]


def test_texts_and_markdown_reach_a_consumer_as_lists_and_text_as_one_string(three_pages):
    pages = ["\n".join(lines) for lines in PAGES]
    assert three_pages.outputs["each"]["text"] == pages
    assert len(three_pages.outputs["marked"]["text"]) == 3
    assert three_pages.outputs["text"]["text"] == ["\n\n".join(pages)]


def test_a_batch_has_one_mask_and_one_overlay_a_page(three_pages):
    assert len(three_pages.outputs["mask"]["images"]) == 3
    assert len(three_pages.outputs["overlay"]["images"]) == 3


def test_progress_is_told_once_a_page_up_to_the_number_of_pages(three_pages):
    told = [
        (d["value"], d["max"]) for name, d in three_pages.events if name == "progress" and d["node"] == "ocr"
    ]
    assert [pair for pair in told if pair[0]] == [(1, 3), (2, 3), (3, 3)]


# --- Cancel -----------------------------------------------------------------------------------------------


def remaining(event: str, data: dict[str, Any]) -> int | None:
    """How many prompts the queue holds, where ``event`` tells it."""
    return data["status"]["exec_info"]["queue_remaining"] if event == "status" else None


def test_cancel_in_mid_batch_stops_within_one_image_and_the_next_prompt_works(
    client, graph, draw, put, new_graph, sample_text, fresh
):
    lines = [f"Line {number} of a page that takes a moment to read" for number in range(16)]
    graph.picture("page", put(draw(lines, (1100, 1100))))
    graph.node("pages", "RepeatImageBatch", image=["page", 0], amount=12)
    graph.read("ocr", "pages", prompt=f"not cached {next(fresh)}")
    after = new_graph().picture("page", "vramwise_sample.png")
    after.read("ocr", "page", prompt=f"not cached {next(fresh)}")
    queued = []

    def watch(name: str, data: dict[str, Any]) -> None:
        if name == "progress" and data["node"] == "ocr" and data["value"] and not queued:
            client.interrupt()
            # its place in the queue is told behind all that was told before the interrupt
            queued.append(client.post_prompt(after).json["prompt_id"])

    result = client.run(graph, on_event=watch)
    assert result.status == "interrupted"
    assert "execution_interrupted" in dict(result.messages)
    assert "execution_error" not in dict(result.messages)
    waits = [at for at, (name, data) in enumerate(result.events) if remaining(name, data) == 2]
    # told of no second in the queue: the run had ended before it came there
    told = result.events[waits[0] :] if waits else []
    behind = [data["value"] for name, data in told if name == "progress"]
    assert [d["value"] for name, d in result.events if name == "progress" and d["node"] == "ocr"][-1] < 12
    assert len(behind) <= 1
    assert "ocr" not in result.outputs
    second = client.wait(RunResult(queued[0], "queued"), HANGS)
    assert second.outputs["ocr"]["text"] == [sample_text]
