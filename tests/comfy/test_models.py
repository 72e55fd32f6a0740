"""Vision-language models in a running ComfyUI, by API: tiny random checkpoints in models/LLM, on the CPU.

They are talkative: what they write depends on the picture, the precision and every weight, so the same
text again means the same model again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient, RunResult
    from devtools.comfy.server import ComfyServer

pytestmark = pytest.mark.comfy

QWEN, GOT, OWN = "Qwen3-VL-2B-Instruct", "GOT-OCR-2.0-hf", "my-finetune"
NET = "PP-DocLayoutV3_safetensors"  # finds the blocks of a page
CATALOG = ["got_ocr", "qwen2_vl_2b", "qwen2_vl_7b", "qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b"]
TOKENS = 8
GIB = 1024**3


# --- a server of its own ----------------------------------------------------------------------------------


def sparse(like: Path, folder: Path, weight_bytes: int) -> None:
    """A folder that claims ``weight_bytes`` of bf16 weights, in a file of that size that is all hole."""
    shutil.copytree(like, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    rows = weight_bytes // 2 // 8192
    entry = {"dtype": "BF16", "shape": [rows, 8192], "data_offsets": [0, rows * 8192 * 2]}
    header = json.dumps({"model.language_model.layers.0.mlp.up_proj.weight": entry}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + rows * 8192 * 2)


def keeps_holes(folder: Path) -> bool:
    """Whether this file system stores a file's holes as nothing."""
    probe = folder / "hole"
    with probe.open("wb") as file:
        file.truncate(1 << 30)
    stored = getattr(probe.stat(), "st_blocks", 1 << 30) * 512
    probe.unlink()
    return stored < 1 << 20


@pytest.fixture(scope="module")
def comfy(
    require: Callable[[object, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyServer]:
    """A server with checkpoints in its models folder, and nothing of this machine's Hugging Face cache."""
    from devtools.comfy.server import ComfyServer, default_comfy_dir, pack_import_problem
    from devtools.tiny_models.build import NotHere, talkative_checkpoint, tiny_checkpoint

    pytest.importorskip("transformers")
    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    base = tmp_path_factory.mktemp("models_server")
    shelf = base / "models" / "LLM"
    shelf.mkdir(parents=True)
    talkative_checkpoint("qwen3_vl", shelf / QWEN)
    talkative_checkpoint("got_ocr2", shelf / GOT)
    shutil.copytree(shelf / QWEN, shelf / OWN)
    with contextlib.suppress(NotHere):
        shutil.copytree(tiny_checkpoint("pp_doclayout_v3"), shelf / NET)
    if keeps_holes(base):
        import psutil

        sparse(shelf / QWEN, shelf / "Huge", 400 * GIB)
        sparse(shelf / QWEN, shelf / "Large", 3 * psutil.virtual_memory().total // 2)
    away = {"HF_HOME": str(base / "nobody"), "HF_HUB_CACHE": None, "HUGGINGFACE_HUB_CACHE": None}
    env = {**away, "VRAMWISE_MODELS": None, "VRAMWISE_CONFIG": None, "OMP_NUM_THREADS": "1"}
    with ComfyServer(base_dir=base, env=env) as server:
        server.wait_ready()
        if not server.has_node("VramwiseOCR"):
            pytest.fail(f"The pack did not load: {pack_import_problem(server.log)}", pytrace=False)
        yield server


@pytest.fixture(scope="module")
def client(comfy: ComfyServer) -> ComfyClient:
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


@pytest.fixture(scope="module")
def page(client: ComfyClient, draw: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a picture in the server's input folder."""
    file = tmp_path_factory.mktemp("pages") / "page.png"
    draw(["Hello 123"], (320, 200)).save(file)
    return client.upload(file)


@pytest.fixture
def read(client: ComfyClient, new_graph: Any, page: str, fresh: Iterator[int]) -> Callable[..., RunResult]:
    """``read(model, precision=..., task=...)``: loader -> OCR on one page, never from the cache.

    ``release``: and behind it a Memory Release in the same graph. In one of its own it would find nothing:
    ComfyUI lets go of a loader's model as soon as a prompt runs in which that loader is not.
    """

    def run(
        model: str,
        precision: str = "auto",
        tokens: int = TOKENS,
        release: str = "",
        **more: Any,
    ) -> RunResult:
        graph = new_graph().picture("page", page).loader(model=model, precision=precision)
        number = next(fresh)
        graph.read(
            "ocr", "page", ocr_model=["loader", 0], max_new_tokens=tokens, prompt=f"run {number}", **more
        )
        if release:
            graph.release(anything=["ocr", 0], what=release, refresh=number)
        return client.run(graph)

    return run


def released(result: RunResult) -> str:
    """The first line of the Memory Release report."""
    assert result.ok, result.error_text
    return str(result.outputs["release"]["text"][0].splitlines()[0])


def record(result: RunResult, node: str = "ocr") -> dict[str, Any]:
    assert result.ok, result.error_text
    return dict(result.outputs[node]["ocr"][0])


def loads(server: ComfyServer) -> int:
    """How often weights were read from disk so far, by ComfyUI's own log line."""
    return server.log.count("Requested to load Shell")


# --- the list of models -----------------------------------------------------------------------------------


def test_the_loader_lists_the_catalog_and_the_persons_own_folder(client: ComfyClient) -> None:
    offered = client.object_info("VramwiseOCRModelLoader")["VramwiseOCRModelLoader"]["input"]["required"][
        "model"
    ]
    names = offered[0] if isinstance(offered[0], list) else offered[1]["options"]
    assert set(CATALOG) <= set(names)
    assert OWN in names
    assert QWEN not in names and GOT not in names, "the catalog id stands for them"


def test_a_model_that_is_not_here_ends_in_the_folders_searched_and_the_name_expected(
    comfy: ComfyServer, read: Callable[..., RunResult]
) -> None:
    result = read("qwen3_vl_8b")
    assert result.status == "error"
    plan, error = result.outputs["loader"]["text"][0], result.error_text
    for said in (plan, error):
        assert "Qwen3-VL-8B-Instruct/config.json is in none of the folders searched" in said
        for folder in (
            comfy.base_dir / "models",
            comfy.base_dir / "models" / "LLM",
            comfy.base_dir / "nobody" / "hub",
        ):
            assert str(folder) in said
        assert "download qwen3_vl_8b" in said
    assert result.error["node_type"] == "VramwiseOCR"


def test_the_persons_own_folder_reads_what_the_same_weights_read_by_their_catalog_id(
    read: Callable[..., RunResult],
) -> None:
    own, ours = read(OWN), read("qwen3_vl_2b")
    assert record(own)["text"] == record(ours)["text"] != ""
    assert record(own)["model"] == OWN


def test_a_folder_that_arrived_while_comfyui_was_running_is_read_by_name(
    comfy: ComfyServer, client: ComfyClient, read: Callable[..., RunResult]
) -> None:
    shelf = comfy.base_dir / "models" / "LLM"
    shutil.copytree(shelf / GOT, shelf / "arrived-later")
    try:
        offered = client.object_info("VramwiseOCRModelLoader")["VramwiseOCRModelLoader"]["input"]["required"][
            "model"
        ]
        assert "arrived-later" in (offered[0] if isinstance(offered[0], list) else offered[1]["options"])
        assert record(read("arrived-later"))["model"] == "arrived-later"
    finally:
        shutil.rmtree(shelf / "arrived-later")


def test_weights_that_were_trained_on_are_read_at_the_next_run_and_a_folder_that_went_is_missed(
    comfy: ComfyServer, read: Callable[..., RunResult]
) -> None:
    shelf = comfy.base_dir / "models" / "LLM"
    own = shelf / "trained-on"
    shutil.copytree(shelf / QWEN, own)
    try:
        first = read("trained-on")
        assert record(first)["text"]
        assert "loader" in read("trained-on").cached
        before = loads(comfy)
        weights = own / "model.safetensors"
        weights.write_bytes(weights.read_bytes())
        again = read("trained-on")
        assert "loader" not in again.cached and loads(comfy) == before + 1
        assert record(again)["text"] == record(first)["text"]
    finally:
        shutil.rmtree(own)
    assert "trained-on" in read("trained-on").error_text


# --- graphs -----------------------------------------------------------------------------------------------


def test_loader_ocr_core_image_nodes_and_another_loader_run_in_one_graph(
    client: ComfyClient, graph: Any, page: str, fetch_picture: Callable[[dict[str, str]], Any]
) -> None:
    graph.picture("page", page).loader("first", model="qwen3_vl_2b").loader("second", model="got_ocr")
    graph.read("one", "page", ocr_model=["first", 0], max_new_tokens=TOKENS)
    graph.node("inverted", "ImageInvert", image=["one", 5]).node(
        "seen", "PreviewImage", images=["inverted", 0]
    )
    graph.node("larger", "ImageScaleBy", image=["inverted", 0], upscale_method="nearest-exact", scale_by=2.0)
    graph.read("two", "larger", ocr_model=["second", 0], max_new_tokens=TOKENS)
    graph.show("json", "two", 6)
    result = client.run(graph)
    first, second = record(result, "one"), record(result, "two")
    assert (first["model"], second["model"]) == ("qwen3_vl_2b", "got_ocr")
    assert len(first["text"]) == len(second["text"]) == TOKENS
    assert (first["width"], first["height"], second["width"], second["height"]) == (320, 200, 640, 400)
    assert json.loads(result.outputs["json"]["text"][0])[0]["text"] == second["text"]
    assert fetch_picture(result.outputs["seen"]["images"][0]).convert("RGB").getpixel((0, 0)) == (0, 0, 0)


@pytest.fixture
def fetch_picture(client: ComfyClient) -> Callable[[dict[str, str]], Any]:
    import io

    from PIL import Image

    return lambda entry: Image.open(io.BytesIO(client.view(entry)))


@pytest.mark.parametrize("model", ["qwen3_vl_2b", "got_ocr"])
def test_a_batch_of_three_gives_three_texts_in_order(
    client: ComfyClient, graph: Any, draw: Callable[..., Any], tmp_path: Path, model: str
) -> None:
    for number, word in enumerate(("one", "22", "three")):
        draw([word], (320, 200), letters=30 + 40 * number).save(tmp_path / f"{model}_{number}.png")
        graph.picture(f"page{number}", client.upload(tmp_path / f"{model}_{number}.png"))
    graph.node("two", "ImageBatch", image1=["page0", 0], image2=["page1", 0])
    graph.node("three", "ImageBatch", image1=["two", 0], image2=["page2", 0])
    graph.loader(model=model).read("ocr", "three", ocr_model=["loader", 0], max_new_tokens=24)
    graph.show("texts", "ocr", 1).show("joined", "ocr", 0)
    result = client.run(graph)
    assert result.ok, result.error_text
    texts = result.outputs["ocr"]["text"]
    assert [len(text) for text in texts] == [24] * 3 and len(set(texts)) == 3
    assert result.outputs["texts"]["text"] == texts
    assert result.outputs["joined"]["text"] == ["\n\n".join(texts)]


def test_a_task_got_cannot_do_is_refused_with_the_families_that_can(read: Callable[..., RunResult]) -> None:
    result = read("got_ocr", task="layout")
    assert result.status == "error"
    assert "GOT-OCR 2.0 cannot do the task layout. These can: " in result.error_text
    assert "Qwen3-VL" in result.error_text
    assert "It does: text, markdown" in result.error_text
    assert read("got_ocr", task="text").ok


# --- memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("free_memory", [False, True], ids=["models", "models and cache"])
@pytest.mark.parametrize(
    ("model", "precision"), [("qwen3_vl_2b", "bf16"), ("qwen3_vl_2b", "int8"), ("got_ocr", "int4")]
)
def test_after_post_free_the_next_run_loads_again_and_reads_the_same_text(
    comfy: ComfyServer,
    client: ComfyClient,
    read: Callable[..., RunResult],
    model: str,
    precision: str,
    free_memory: bool,
) -> None:
    if precision != "bf16":
        pytest.importorskip("bitsandbytes")
    first = record(read(model, precision))
    before = loads(comfy)
    assert record(read(model, precision))["text"] == first["text"] != ""
    assert loads(comfy) == before, "a loader that stays in the graph keeps its model"
    client.free(free_memory=free_memory)
    # The thread that runs prompts hears of it a moment later; a prompt sent at once may still come first.
    until = time.monotonic() + 300
    while loads(comfy) == before and time.monotonic() < until:
        again = record(read(model, precision))
        assert (again["text"], again["precision"]) == (first["text"], precision)
    assert loads(comfy) == before + 1


@pytest.mark.parametrize("what", ["ocr models", "all models"])
def test_a_model_that_memory_release_let_go_comes_back_with_the_same_text(
    comfy: ComfyServer, read: Callable[..., RunResult], what: str
) -> None:
    first = read("qwen3_vl_2b", "bf16", release=what)
    before = loads(comfy)
    again = read("qwen3_vl_2b", "bf16", release=what)
    assert "loader" in again.cached, "it is the same handle that reads again"
    assert released(first) == released(again) == f"Released: {what} ({QWEN} bf16)"
    assert record(again)["text"] == record(first)["text"] != ""
    assert loads(comfy) == before + 1


def test_release_of_the_cache_leaves_the_model_where_it_is(
    comfy: ComfyServer, read: Callable[..., RunResult]
) -> None:
    assert released(read("qwen3_vl_2b", "bf16", release="cache")) == "Released: cache"
    before = loads(comfy)
    read("qwen3_vl_2b", "bf16", release="cache")
    assert loads(comfy) == before


def test_a_model_whose_loader_has_left_the_graph_is_let_go_by_comfyui(
    client: ComfyClient, new_graph: Any, read: Callable[..., RunResult], fresh: Iterator[int]
) -> None:
    assert read("qwen3_vl_2b", "bf16").ok
    other = new_graph().node("grey", "EmptyImage", width=64, height=64, batch_size=1, color=next(fresh))
    # newer versions clean up after the first node of a graph, older ones before it
    other.node("turned", "ImageInvert", image=["grey", 0]).node("seen", "PreviewImage", images=["turned", 0])
    assert client.run(other).ok
    kept = [one["name"] for one in client.request("/vramwise/residents").json]
    assert [name for name in kept if "Qwen" in name] == []
    assert released(client.run(new_graph().release(refresh=next(fresh)))) == "Released: ocr models"


def test_the_net_that_finds_blocks_is_counted_evicted_brought_back_and_let_go_as_a_model_is(
    comfy: ComfyServer, client: ComfyClient, read: Callable[..., RunResult], new_graph: Any, page: str
) -> None:
    file = comfy.base_dir / "models" / "LLM" / NET / "model.safetensors"
    if not file.is_file():
        pytest.skip("This transformers has no PP-DocLayoutV3.")

    def held(wanted: set[str], ask: Callable[[], object] = lambda: None) -> dict[str, int]:
        """Bytes of the models that are in memory, once they are ``wanted``: routes answer anew each second,
        and the thread that runs prompts hears of things a moment later. ``ask`` is called until then.
        """
        until = time.monotonic() + 60
        while True:
            ask()
            told = client.get_json("/vramwise/residents")
            found = {one["name"]: one["device_bytes"] for one in told if one["device_bytes"]}
            if found.keys() == wanted or time.monotonic() > until:
                assert found.keys() == wanted
                return found
            time.sleep(0.05)

    first = record(read("qwen3_vl_2b", "bf16", hybrid="layout", tokens=2))
    counted = held({QWEN, NET})
    assert counted[NET] == pytest.approx(file.stat().st_size, rel=0.1)
    # Asked again: a /free that comes while ComfyUI's thread collects garbage waits for the next prompt.
    held(set(), ask=lambda: client.free(free_memory=False))
    again = read("qwen3_vl_2b", "bf16", hybrid="layout", tokens=2, release="ocr models")
    assert record(again)["text"] == first["text"]
    assert f"{NET} fp32" in released(again) and f"{QWEN} bf16" in released(again)
    held(set())

    read("qwen3_vl_2b", "bf16", hybrid="layout", tokens=2)
    held({QWEN, NET})
    read("qwen3_vl_2b", "bf16", tokens=2)
    held({QWEN})  # no node of the graph reads by a layout any more
    read("qwen3_vl_2b", "bf16", hybrid="layout", tokens=2)
    held({QWEN, NET})
    without = new_graph().picture("page", page).node("shown", "PreviewImage", images=["page", 0])
    assert client.run(without).ok
    held(set())  # the loader has left the graph, and the net with it


def test_a_release_between_two_readings_of_one_graph_changes_no_text(
    client: ComfyClient, graph: Any, page: str, fresh: Iterator[int]
) -> None:
    graph.picture("page", page).loader(model="qwen3_vl_2b", precision="bf16")
    graph.read("one", "page", ocr_model=["loader", 0], max_new_tokens=TOKENS, prompt=f"run {next(fresh)}")
    graph.node("again", "ImageInvert", image=["page", 0]).node("back", "ImageInvert", image=["again", 0])
    graph.release(anything=["one", 5], what="all models", refresh=next(fresh))
    graph.node("joined", "ImageBatch", image1=["back", 0], image2=["release", 0])
    graph.node("second", "ImageFromBatch", image=["joined", 0], batch_index=0, length=1)
    graph.read("two", "second", ocr_model=["loader", 0], max_new_tokens=TOKENS, prompt=f"run {next(fresh)}")
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.executed.index("one") < result.executed.index("release") < result.executed.index("two")
    assert f"{QWEN} bf16" in result.outputs["release"]["text"][0]
    assert record(result, "two")["text"] == record(result, "one")["text"] != ""


def test_a_changed_precision_never_reads_with_the_old_weights(read: Callable[..., RunResult]) -> None:
    pytest.importorskip("bitsandbytes")
    texts: dict[str, str] = {}
    for precision in ("bf16", "int8", "bf16", "int4", "bf16"):
        result = read("qwen3_vl_2b", precision, tokens=24, release="ocr models")
        page = record(result)
        assert page["precision"] == precision
        assert released(result) == f"Released: ocr models ({QWEN} {precision})"
        assert texts.setdefault(precision, page["text"]) == page["text"]
    assert len(set(texts.values())) == 3


def test_quantising_the_vision_tower_too_is_another_model(
    client: ComfyClient, new_graph: Any, page: str, fresh: Iterator[int]
) -> None:
    pytest.importorskip("bitsandbytes")
    texts = []
    for too in (False, True, False):
        graph = new_graph().picture("page", page)
        graph.loader(model="qwen3_vl_2b", precision="int4", quantise_vision=too)
        graph.read("ocr", "page", ocr_model=["loader", 0], max_new_tokens=24, prompt=f"run {next(fresh)}")
        texts.append(record(client.run(graph))["text"])
    assert texts[0] == texts[2] != texts[1]


def both(graph: Any, page: str, fresh: Iterator[int], **precisions: str) -> Any:
    """Two loaders, an OCR behind each, and a Memory Release behind both."""
    graph.picture("page", page)
    for name, precision in precisions.items():
        graph.loader(name, model="qwen3_vl_2b", precision=precision)
        graph.read(
            f"by {name}", "page", ocr_model=[name, 0], max_new_tokens=TOKENS, prompt=f"{name} {next(fresh)}"
        )
    texts = {f"string_{letter}": [f"by {name}", 0] for letter, name in zip("ab", precisions, strict=True)}
    graph.node("joined", "StringConcatenate", delimiter=" ", **texts)
    return graph.release(anything=["joined", 0], refresh=next(fresh))


def test_two_loaders_with_the_same_choice_share_one_resident_model(
    comfy: ComfyServer, client: ComfyClient, graph: Any, page: str, fresh: Iterator[int]
) -> None:
    client.run(both(type(graph)(), page, fresh, other="fp16", another="fp16"))
    before = loads(comfy)
    result = client.run(both(graph, page, fresh, one="bf16", two="bf16"))
    assert released(result) == f"Released: ocr models ({QWEN} bf16)"
    assert record(result, "by one")["text"] == record(result, "by two")["text"] != ""
    assert loads(comfy) == before + 1


def test_two_precisions_in_one_graph_are_two_resident_models(
    client: ComfyClient, graph: Any, page: str, fresh: Iterator[int]
) -> None:
    pytest.importorskip("bitsandbytes")
    result = client.run(both(graph, page, fresh, one="bf16", two="int8"))
    assert {record(result, f"by {name}")["precision"] for name in ("one", "two")} == {"bf16", "int8"}
    said = released(result)
    assert f"{QWEN} bf16" in said and f"{QWEN} int8" in said


# --- what cannot fit --------------------------------------------------------------------------------------


@pytest.fixture
def untouched(comfy: ComfyServer, require: Callable[[object, str], None]) -> Callable[[], int]:
    """``untouched()``: bytes that the server holds in RAM now."""
    import psutil

    shelf = comfy.base_dir / "models" / "LLM"
    require(
        (shelf / "Huge").is_dir(),
        "This file system stores the holes of a sparse file; use ext4, xfs or btrfs.",
    )
    return lambda: int(psutil.Process(comfy.pid).memory_info().rss)


def test_a_forced_precision_that_cannot_fit_is_refused_unread_with_what_would_fit(
    comfy: ComfyServer, read: Callable[..., RunResult], untouched: Callable[[], int]
) -> None:
    import psutil

    if psutil.virtual_memory().available < psutil.virtual_memory().total * 6 // 10:
        pytest.skip("Less than 60 % of this machine's RAM is free: no precision would fit.")
    before, loaded = untouched(), loads(comfy)
    result = read("Large", "fp16")
    assert result.status == "error"
    for said in (result.outputs["loader"]["text"][0], result.error_text):
        assert "Large at fp16 needs " in said and " GiB and cpu has " in said
        assert "What would fit: " in said and "int4" in said
        assert "fp16 (" not in said.partition("What would fit")[2]
    assert loads(comfy) == loaded
    assert untouched() - before < 64 * 1024**2


@pytest.mark.parametrize("precision", ["fp16", "auto"])
def test_a_model_that_fits_at_no_precision_is_refused_unread_with_what_to_do(
    comfy: ComfyServer, read: Callable[..., RunResult], untouched: Callable[[], int], precision: str
) -> None:
    before, loaded = untouched(), loads(comfy)
    result = read("Huge", precision)
    assert result.status == "error"
    for said in (result.outputs["loader"]["text"][0], result.error_text):
        assert "Huge" in said and "hoose a smaller model" in said
    assert ("Huge at fp16 needs 40" if precision == "fp16" else "at any precision") in result.error_text
    assert loads(comfy) == loaded
    assert untouched() - before < 64 * 1024**2


# --- while it generates -----------------------------------------------------------------------------------


def test_cancel_while_generating_stops_and_the_next_prompt_reads(
    client: ComfyClient, new_graph: Any, page: str, read: Callable[..., RunResult], fresh: Iterator[int]
) -> None:
    first = record(read("got_ocr"))["text"]
    graph = new_graph().picture("page", page).node("pages", "RepeatImageBatch", image=["page", 0], amount=64)
    graph.loader(model="got_ocr").read(
        "ocr", "pages", ocr_model=["loader", 0], max_new_tokens=2000, prompt=f"run {next(fresh)}"
    )
    steps: list[int] = []

    def cancel(name: str, data: dict[str, Any]) -> None:
        if name == "progress" and data["node"] == "ocr":
            steps.append(data["max"])
            if len(steps) == 3:
                client.interrupt()

    result = client.run(graph, on_event=cancel)
    assert result.status == "interrupted"
    assert "ocr" not in result.outputs
    assert max(data["value"] for name, data in result.events if name == "progress") < steps[0]
    assert record(read("got_ocr"))["text"] == first


def heard(client: ComfyClient, prompt: Any, timeout: float = 600.0) -> list[tuple[str, str]]:
    """Run ``prompt`` and answer its binary TEXT messages (type 3) as (node id, text), in order."""
    import aiohttp

    said: list[tuple[str, str]] = []

    async def listen() -> None:
        address = f"{client.url}/ws?clientId={client.client_id}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            reply = await asyncio.to_thread(client.post_prompt, prompt)
            assert reply.status == 200, reply.body
            while True:
                message = await socket.receive(timeout=timeout)
                assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
                if message.type == aiohttp.WSMsgType.BINARY:
                    kind, length = struct.unpack(">II", message.data[:8])
                    if kind == 3:
                        said.append(
                            (message.data[8 : 8 + length].decode(), message.data[8 + length :].decode())
                        )
                    continue
                event = message.json()
                if event["type"] == "executing" and event["data"].get("node") is None:
                    return

    # in a thread of its own, so that it works where this thread already runs an event loop
    worker = threading.Thread(target=lambda: asyncio.run(listen()))
    worker.start()
    worker.join()
    return said


INSIDE = "12:3"  # node 3 inside subgraph 12, as the frontend sends it


def test_running_text_and_progress_reach_the_node_while_it_generates(
    client: ComfyClient, new_graph: Any, page: str, fresh: Iterator[int]
) -> None:
    graph = new_graph().picture("page", page).loader(model="got_ocr")
    graph.read(INSIDE, "page", ocr_model=["loader", 0], max_new_tokens=400, prompt=f"run {next(fresh)}")
    said = [text for node, text in heard(client, graph) if node == INSIDE]
    assert said, "no running text arrived"
    # From the cache: what the run that was just heard has found.
    result = client.run(graph)
    assert INSIDE in result.cached
    whole = record(result, INSIDE)["text"]
    assert all(whole.startswith(text) for text in said if len(text) < 600)
    assert [len(text) for text in said] == sorted(len(text) for text in said)


def test_progress_counts_tokens_within_a_page(
    client: ComfyClient, new_graph: Any, page: str, fresh: Iterator[int], comfy_has: Callable[[str], bool]
) -> None:
    graph = new_graph().picture("page", page).loader(model="got_ocr")
    graph.read("ocr", "page", ocr_model=["loader", 0], max_new_tokens=20, prompt=f"run {next(fresh)}")
    result = client.run(graph)
    assert result.ok, result.error_text
    steps = [(d["value"], d["max"]) for name, d in result.events if name == "progress" and d["node"] == "ocr"]
    values = [value for value, most in steps if most == 1000]
    assert values == sorted(values) and values[-1] == 1000
    within = {value for value in values if value < 1000}
    assert within and all(value % 50 == 0 for value in within), "20 tokens make a page of 1000"
    if not comfy_has("comfy.utils.PROGRESS_THROTTLE_MIN_INTERVAL"):  # else most are never sent
        assert len(within) >= 10
