"""Giving memory back: the Memory Release node, POST /free, and what GPU Probe reports."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.comfy

PAGE = "vramwise_sample.png"
ENGINE = "PP-OCR (built-in recogniser)"


@pytest.fixture
def released(client, new_graph, fresh):
    """``released()``: run Memory Release alone and answer the first line of its report."""

    def run(what: str = "ocr models") -> str:
        result = client.run(new_graph().release(what=what, refresh=next(fresh)))
        assert result.ok, result.error_text
        return result.outputs["release"]["text"][0].splitlines()[0]

    return run


@pytest.fixture
def read_anew(client, new_graph, fresh):
    """``read_anew()``: read the sample picture with nothing cached; answers the text."""

    def run() -> str:
        graph = new_graph().picture("page", PAGE).read("ocr", "page", prompt=f"not cached {next(fresh)}")
        result = client.run(graph)
        assert result.ok, result.error_text
        return result.outputs["ocr"]["text"][0]

    return run


# --- Memory Release gives engines back --------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ocr models", "all models"])
def test_it_names_the_engine_it_lets_go_and_the_next_reading_gives_the_same_text(
    released, read_anew, sample_text, what
):
    assert read_anew() == sample_text
    assert released(what) == f"Released: {what} ({ENGINE})"
    assert released(what) == f"Released: {what}"
    assert read_anew() == sample_text
    assert ENGINE in released(what)


def test_cache_leaves_the_engine_where_it_is(released, read_anew):
    read_anew()
    assert released("cache") == "Released: cache"
    assert ENGINE in released("ocr models")


def test_two_loaders_with_the_same_choice_share_one_engine(client, graph, released, fresh):
    released()
    graph.picture("page", PAGE).loader("one").loader("two")
    for name in ("one", "two"):
        graph.read(f"by {name}", "page", ocr_model=[name, 0], prompt=f"not cached {next(fresh)}")
    assert client.run(graph).ok
    assert released() == f"Released: ocr models ({ENGINE})"


def test_the_server_holds_less_memory_after_the_engine_is_released(comfy, released, read_anew):
    import psutil

    process = psutil.Process(comfy.pid)
    read_anew()
    before = process.memory_info().rss
    released()
    assert before - process.memory_info().rss > 50 * 1024**2


# --- Memory Release passes things through -----------------------------------------------------------------


def test_an_image_passes_through_unchanged(client, graph, fetch):
    from PIL import ImageChops

    graph.picture("page", PAGE).release(anything=["page", 0])
    graph.node("before", "PreviewImage", images=["page", 0])
    graph.node("after", "PreviewImage", images=["release", 0])
    result = client.run(graph)
    assert result.ok, result.error_text
    before, after = (fetch(result.outputs[name]["images"][0]) for name in ("before", "after"))
    assert before.size == after.size == (960, 640)
    assert ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox() is None


def test_a_list_of_strings_passes_through_unchanged_and_is_released_once(client, graph, draw, put):
    words = ["first page", "second page", "third page"]
    for number, word in enumerate(words):
        graph.picture(f"page{number}", put(draw([word], (560, 220))))
    graph.node("two", "ImageBatch", image1=["page0", 0], image2=["page1", 0])
    graph.node("three", "ImageBatch", image1=["two", 0], image2=["page2", 0])
    graph.read("ocr", "three").release(anything=["ocr", 1]).show("seen", "release", 0)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["seen"]["text"] == words
    assert len(result.outputs["release"]["text"]) == 1
    assert result.executed.count("release") == 1
    assert ENGINE in result.outputs["release"]["text"][0]


def test_our_own_model_type_passes_through_unchanged(client, graph, sample_text):
    graph.picture("page", PAGE).loader().release(anything=["loader", 0])
    graph.read("ocr", "page", ocr_model=["release", 0])
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == [sample_text]


def test_regions_and_masks_pass_through_unchanged(client, graph):
    graph.picture("page", PAGE).read("ocr", "page")
    graph.release("regions", anything=["ocr", 3]).release("mask", anything=["ocr", 4])
    graph.show("before", "ocr", 3).show("after", "regions", 0).node("seen", "MaskPreview", mask=["mask", 0])
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["after"]["text"] == result.outputs["before"]["text"]
    assert "Lighthouse" in result.outputs["after"]["text"][0]
    assert len(result.outputs["seen"]["images"]) == 1


# --- Memory Release and the cache -------------------------------------------------------------------------


def sampled(graph, refresh):
    """A picture, a release, and behind it a node that stands where a sampler would."""
    graph.picture("page", PAGE).release(anything=["page", 0], refresh=refresh)
    return graph.node("sampler", "ImageInvert", image=["release", 0]).node(
        "seen", "PreviewImage", images=["sampler", 0]
    )


def test_a_second_identical_queue_releases_nothing_and_samples_nothing_again(client, new_graph, fresh):
    number = next(fresh)
    first = client.run(sampled(new_graph(), number))
    second = client.run(sampled(new_graph(), number))
    assert {"release", "sampler"} <= set(first.executed)
    assert second.ok and second.executed == []
    assert {"release", "sampler"} <= set(second.cached)


def test_another_refresh_releases_again(client, new_graph, fresh):
    assert client.run(sampled(new_graph(), next(fresh))).ok
    again = client.run(sampled(new_graph(), next(fresh)))
    assert "release" in again.executed and "page" in again.cached


def test_standing_alone_it_runs_and_says_what_it_did(client, graph, fresh):
    result = client.run(graph.release(refresh=next(fresh)))
    assert result.ok, result.error_text
    first, device, process = result.outputs["release"]["text"][0].splitlines()
    assert first.startswith("Released: ocr models")
    assert device.startswith("cpu: ") and "GiB free before" in device
    assert process.startswith("This process in RAM: ")


def test_at_the_end_of_a_graph_it_runs_after_what_it_hangs_on(client, graph, fresh):
    graph.picture("page", PAGE).read("ocr", "page", prompt=f"not cached {next(fresh)}")
    graph.release(anything=["ocr", 0]).show("freed", "release", 2)
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.executed.index("ocr") < result.executed.index("release")
    assert ENGINE in result.outputs["release"]["text"][0]
    assert float(result.outputs["freed"]["text"][0]) > 0.05


# --- POST /free -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/free", {"unload_models": True, "free_memory": True}),
        ("/api/free", {"unload_models": True}),
        ("/free", {"free_memory": True}),
    ],
    ids=["the toolbar's", "under /api", "free_memory alone"],
)
def test_post_free_releases_the_engine_and_the_next_run_still_reads(
    client, released, read_anew, sample_text, path, body
):
    assert read_anew() == sample_text
    assert client.request(path, body).status == 200
    assert released() == "Released: ocr models"
    assert read_anew() == sample_text


def test_post_free_that_asks_for_nothing_releases_nothing(client, released, read_anew):
    read_anew()
    assert client.request("/free", {"unload_models": False}).status == 200
    assert ENGINE in released()


def test_get_free_and_a_body_that_is_no_json_release_nothing(client, released, read_anew):
    read_anew()
    assert client.request("/free").status in (404, 405)
    assert client.request("/free", data=b"not json", method="POST").status >= 400
    assert ENGINE in released()


def test_post_free_while_a_page_is_being_read_does_not_break_the_reading(client, graph, fresh, sample_text):
    graph.picture("page", PAGE).node("pages", "RepeatImageBatch", image=["page", 0], amount=3)
    graph.read("ocr", "pages", prompt=f"not cached {next(fresh)}")
    freed = []

    def watch(name, data):
        if name == "progress" and data["node"] == "ocr" and data["value"] == 1:
            freed.append(client.request("/free", {"unload_models": True, "free_memory": True}).status)

    result = client.run(graph, on_event=watch)
    assert result.ok, result.error_text
    assert freed == [200]
    assert result.outputs["ocr"]["text"] == [sample_text] * 3


# --- GPU Probe --------------------------------------------------------------------------------------------


def probe(graph, device="auto", refresh=0):
    graph.node("probe", "VramwiseGPUProbe", device=device, refresh=refresh)
    for slot, name in enumerate(("gpu", "report", "total", "free")):
        graph.show(name, "probe", slot)
    return graph


def test_the_probe_reports_this_cpu_machine_with_plausible_totals(client, graph, fresh):
    import platform

    import psutil

    result = client.run(probe(graph, refresh=next(fresh)))
    assert result.ok, result.error_text
    report = result.outputs["report"]["text"][0]
    assert report.startswith("Chosen: cpu: ")
    assert f"{psutil.cpu_count()} logical processors" in report
    assert platform.python_version() in report and "torch" in report
    total, free = (float(result.outputs[name]["text"][0]) for name in ("total", "free"))
    assert total == pytest.approx(psutil.virtual_memory().total / 1024**3, abs=0.01)
    assert 0 < free < total


def test_the_gpu_output_feeds_a_preview(client, graph, fresh):
    result = client.run(probe(graph, refresh=next(fresh)))
    assert result.ok, result.error_text
    assert "cpu" in result.outputs["gpu"]["text"][0]
    assert "could not be serialized" not in result.outputs["gpu"]["text"][0]


def test_the_probe_is_kept_until_refresh_changes(client, new_graph, fresh):
    number = next(fresh)
    assert "probe" in client.run(probe(new_graph(), refresh=number)).executed
    assert client.run(probe(new_graph(), refresh=number)).executed == []
    assert "probe" in client.run(probe(new_graph(), refresh=next(fresh))).executed


def test_the_probe_of_a_device_of_another_machine_falls_back_and_says_so(client, graph):
    result = client.run(probe(graph, device="cuda:7"))
    assert result.ok, result.error_text
    report = result.outputs["report"]["text"][0]
    assert report.startswith("Chosen: cpu: ")
    assert 'The device "cuda:7" is not on this machine' in report
