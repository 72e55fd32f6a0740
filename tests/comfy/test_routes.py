"""/vramwise/...: what the server answers, what it refuses, and that nothing waits for a slow probe."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from devtools.waiting import soon

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient

pytestmark = pytest.mark.comfy

ROOT = Path(__file__).resolve().parents[2]
BYTES = {"type": ["integer", "null"], "minimum": 0}
TEXT = {"type": "string"}
TEXT_OR_NOT = {"type": ["string", "null"]}


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


VERDICT = record(
    precision=TEXT,
    verdict={"enum": ["fits", "tight", "reduced", "streams", "no", "unavailable", "unknown"]},
    need_bytes=BYTES,
    reason=TEXT,
)
MISSING = record(
    repo=TEXT_OR_NOT,
    source=TEXT_OR_NOT,
    folder=TEXT_OR_NOT,
    size_bytes=BYTES,
    allowed={"type": "boolean"},
    searched=TEXT,
    blocked={"type": "boolean"},
)
RECOGNISERS = many(
    record(
        id=TEXT,
        languages=many(TEXT),
        state={"enum": ["here", "damaged", "absent"]},
        allowed={"type": "boolean"},
        download={"type": ["object", "null"]},
    )
)
SCHEMAS = {
    "machine": record(
        devices=many(
            record(
                id=TEXT,
                name=TEXT,
                kind=TEXT,
                total_bytes=BYTES,
                free_bytes=BYTES,
                own_bytes=BYTES,
                host_bytes=BYTES,
                other_bytes=BYTES,
                chosen={"type": "boolean"},
            )
        ),
        ram=record(total_bytes=BYTES, available_bytes=BYTES),
        findings=many(record(severity=TEXT, title=TEXT, detail=TEXT, remedy=TEXT)),
    ),
    "plan?model=qwen3_vl_2b&precision=int4": record(
        model=TEXT,
        device=TEXT,
        free_bytes=BYTES,
        reclaimable_bytes=BYTES,
        verdicts=many(VERDICT),
        chosen=TEXT_OR_NOT,
        missing={"anyOf": [{"type": "null"}, MISSING]},
        download={"type": ["object", "null"]},
        notes=many(TEXT),
        needs=many(record(text=TEXT, command=TEXT)),
        recognisers=RECOGNISERS,
    ),
    "recognisers?lang=ru": RECOGNISERS,
    "advise?gpu=RTX%203060&task=OCR": many(
        record(
            gpu=TEXT,
            picks={"type": "integer"},
            models=many(
                record(
                    task=TEXT,
                    model=TEXT,
                    name=TEXT,
                    precision=TEXT,
                    verdict=TEXT,
                    optimal_bytes=BYTES,
                    resident_bytes=BYTES,
                    floor_bytes=BYTES,
                    licence=TEXT,
                    installed={"type": "boolean"},
                    reason=TEXT,
                )
            ),
        )
    ),
    "shown?workflow=nobody": {"type": "object", "maxProperties": 0},
    "residents": many(
        record(id=TEXT, name=TEXT, precision=TEXT_OR_NOT, device=TEXT, device_bytes=BYTES, ram_bytes=BYTES)
    ),
    "downloads": many(record(model=TEXT, state=TEXT, done_bytes=BYTES, total_bytes=BYTES, error=TEXT)),
    "cards": many(TEXT),
}


@pytest.mark.parametrize("path", SCHEMAS)
def test_an_answer_is_json_of_its_schema(client: ComfyClient, path: str) -> None:
    import jsonschema

    jsonschema.validate(client.get_json(f"/vramwise/{path}"), SCHEMAS[path])


def test_every_precision_has_a_verdict_also_where_the_one_asked_for_cannot_run(client: ComfyClient) -> None:
    for precision in ("auto", "bf16", "int4"):
        answer = client.get_json(f"/vramwise/plan?model=qwen3_vl_8b&precision={precision}")
        assert [verdict["precision"] for verdict in answer["verdicts"]][:4] == [
            "bf16",
            "fp16",
            "int8",
            "int4",
        ]
        if precision != "auto":
            assert answer["chosen"] in (precision, None)


def test_a_larger_picture_needs_more(client: ComfyClient) -> None:
    needs = [
        client.get_json(f"/vramwise/plan?model=qwen3_vl_2b&megapixels={size}")["verdicts"][0]["need_bytes"]
        for size in (0.5, 2)
    ]
    assert needs[0] < needs[1]


def test_a_missing_model_names_the_folders_the_repo_and_the_size(client: ComfyClient) -> None:
    missing = client.get_json("/vramwise/plan?model=qwen3_vl_2b")["missing"]
    assert missing["repo"] == "Qwen/Qwen3-VL-2B-Instruct" and missing["source"] == "huggingface"
    assert missing["folder"].endswith("Qwen3-VL-2B-Instruct") and missing["folder"] != missing["repo"]
    assert 4e9 < missing["size_bytes"] < 5e9
    assert "none of the folders searched" in missing["searched"]


UNANSWERED = [
    ("plan?model=nothing", "is not an OCR model"),
    ("plan?model=rapid&precision=int3", "int3"),
    ("plan?model=qwen3_vl_2b&attention=none", "attention"),
    ("plan?model=qwen3_vl_2b&megapixels=x", "must be a number"),
    ("plan?model=qwen3_vl_2b&megapixels=nan", "must be from 0"),
    ("plan?model=../../etc/passwd", "is not an OCR model"),
    (f"plan?model={'x' * 300}", "at most 200 characters"),
    ("advise?gpu=nothing", "is no GPU"),
    ("advise?task=nothing", "task"),
    ("machine?lang=xx", "lang"),
]
POSTS = ("endpoint", "evict", "download")
LETTERS = {"ru": r"[\u0400-\u04ff]", "zh": r"[\u4e00-\u9fff]"}


@pytest.mark.parametrize(("path", "said"), UNANSWERED)
def test_what_cannot_be_answered_is_a_sentence(client: ComfyClient, path: str, said: str) -> None:
    reply = client.request(f"/vramwise/{path}")
    assert reply.status == 400 and said in reply.json["error"]


ENGLISH = re.compile(r"\b(the|must|is|was|not|known|Say|of a|at most|unknown|could|wait)\b")


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_every_refusal_is_in_the_language_of_who_asks(client: ComfyClient, lang: str) -> None:
    """By the language that the question names, else by that of the browser."""
    json_sent = {"Content-Type": "application/json"}
    form = {"Content-Type": "text/plain"}
    with client.reading(f"{lang},en;q=0.5"):
        replies = [
            *(client.request(f"/vramwise/{path}") for path, _ in UNANSWERED),
            client.request("/vramwise/machine", headers={"Host": "elsewhere.example"}),
            *(client.request(f"/vramwise/{path}", data=b"{}", headers=form) for path in POSTS),
            *(client.request(f"/vramwise/{path}", {}) for path in POSTS),
            client.request("/vramwise/download", {"model": "nobody", "cancel": True}),
            client.request("/vramwise/evict", {"id": "nobody"}),
            client.request("/vramwise/evict", {"id": 3}),
            client.request("/vramwise/evict", data=b" " * 20_000, headers=json_sent),
        ]
    replies.append(client.request(f"/vramwise/plan?model=nobody&lang={lang}"))
    assert all(400 <= reply.status < 500 for reply in replies)
    said = [reply.json["error"] for reply in replies]
    assert [one for one in said if not re.search(LETTERS[lang], one) or ENGLISH.search(one)] == []
    with client.reading(f"{lang},en;q=0.5"):  # what the question names goes before
        assert "is not an OCR model" in client.request("/vramwise/plan?model=nobody&lang=en").json["error"]


@pytest.mark.parametrize("path", ["endpoint", "evict", "download"])
def test_a_post_from_another_site_is_refused(client: ComfyClient, path: str) -> None:
    foreign = {"Origin": "http://elsewhere.example"}
    given = {"all": True, "model": "rapid", "endpoint": "localhost:8000"}
    reply = client.request(f"/vramwise/{path}", given, headers=foreign)
    assert reply.status == 403


@pytest.mark.parametrize("path", ["endpoint", "evict", "download"])
def test_a_get_changes_nothing_and_a_form_is_no_order(client: ComfyClient, path: str) -> None:
    assert client.request(f"/vramwise/{path}?all=true&model=qwen3_vl_2b").status in (404, 405)
    form = {"Content-Type": "text/plain"}
    assert client.request(f"/vramwise/{path}", data=b'{"all": true}', headers=form).status == 400
    assert client.get_json("/vramwise/downloads") == []


def test_only_models_of_the_catalog_are_fetched_and_no_address_is_taken(client: ComfyClient) -> None:
    for model in ("rapid", "https://example.org/x", "org/repo", ""):
        reply = client.request("/vramwise/download", {"model": model})
        assert reply.status == 400 and "can be fetched" in reply.json["error"]
    reply = client.request("/vramwise/download", {"model": "qwen3_vl_2b", "source": "http://example.org"})
    assert reply.status == 400 and "source" in reply.json["error"]
    assert client.get_json("/vramwise/downloads") == []


def test_one_resident_is_evicted_by_its_id(
    client: ComfyClient, read_text: Callable[[], dict[str, Any]], fresh: Iterator[int]
) -> None:
    prompt = read_text()
    prompt["4"]["inputs"]["prompt"] = f"resident {next(fresh)}"
    assert client.run(prompt).ok
    # an answer is kept for a second
    (resident,) = soon(lambda: client.get_json("/vramwise/residents"))
    assert "PP-OCR" in resident["name"] and resident["device"] == "cpu"
    with client.reading("ru-RU,ru;q=0.9"):
        (said,) = client.get_json("/vramwise/residents")
    assert re.search(LETTERS["ru"], said["name"]) and {**said, "name": ""} == {**resident, "name": ""}
    assert client.request("/vramwise/evict", {"id": "nothing"}).status == 400
    answer = client.request("/vramwise/evict", {"id": resident["id"]}).json
    assert answer["residents"] == []


EMPTIED = "00000000-0000-0000-0000-000000000000"  # the id of every emptied graph in frontend 1.32.9


def test_what_a_workflow_showed_last_is_found_by_its_id_whatever_others_sent(client: ComfyClient) -> None:
    """A page that is loaded again asks; a prompt's `extra_data` is what its sender wrote."""
    probe = {"class_type": "VramwiseGPUProbe", "inputs": {"device": "auto"}}
    other = {"class_type": "PreviewAny", "inputs": {"source": ["7", 1]}}
    graphs = ("x", {"id": "one"}, {"id": EMPTIED})
    for refresh, extra in enumerate((None, [], {"id": "one"}, *({"workflow": one} for one in graphs))):
        probe["inputs"]["refresh"] = refresh + 5000
        reply = client.post_prompt({"7": probe, "8": other}, extra_data={"extra_pnginfo": extra})
        assert soon(lambda id=reply.json["prompt_id"]: client.history(id))
    found = client.get_json("/vramwise/shown?workflow=one")
    assert list(found) == ["7"] and found["7"]["text"]
    for nobody in ("", "?workflow=x", f"?workflow={EMPTIED}"):
        assert client.get_json(f"/vramwise/shown{nobody}") == {}


def test_an_endpoint_says_who_answers_and_what_is_served_there(client: ComfyClient) -> None:
    from devtools.fakes.chat_server import MODEL, ChatServer

    with ChatServer() as server:
        asked = {"endpoint": f"localhost:{server.port}", "model": "", "family": "auto"}
        answer = client.request("/vramwise/endpoint", asked).json
        assert server.pictures == {}
    first, second, *_ = answer["lines"]
    assert "1 of 1 server answer" in first
    assert f"localhost:{server.port} answers in" in second and MODEL in second
    gone = client.request("/vramwise/endpoint", asked)
    assert gone.status == 200 and "0 of 1 server" in gone.json["lines"][0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint": "http://127.0.0.1:{port}/v1"}, "is an address"),
        ({"endpoint": "127.0.0.1:{port}/v1"}, "is an address"),
        ({"endpoint": "user@localhost:{port}"}, "is an address"),
        ({"endpoint": "somebody"}, "There is no endpoint"),
        ({"endpoint": "localhost:{port}", "family": "nothing"}, "nothing"),
        ({"endpoint": ["localhost:{port}"]}, "must be a text"),
        ({}, "There is no endpoint"),
    ],
)
def test_an_address_and_an_unknown_name_are_refused_and_nobody_is_called(
    client: ComfyClient, given: dict[str, Any], said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        reply = client.request("/vramwise/endpoint", json.loads(json.dumps(given).replace("{port}", port)))
        assert reply.status == 400 and said in reply.json["error"]
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


# --- in this process --------------------------------------------------------------------------------------


PACK = "vramwise_routes"  # a name of its own: nothing else in this process is touched


@pytest.fixture(scope="module")
def routes() -> ModuleType:
    """nodes/bridge/routes.py with its core, without the nodes beside it, which need ComfyUI."""
    for name, folder in {"": "", ".nodes": "nodes", ".nodes.bridge": "nodes/bridge"}.items():
        package = sys.modules.setdefault(f"{PACK}{name}", ModuleType(f"{PACK}{name}"))
        package.__path__ = [str(ROOT / folder)]
    return importlib.import_module(f"{PACK}.nodes.bridge.routes")


@pytest.fixture(scope="module")
def panel_data(routes: ModuleType) -> ModuleType:
    return importlib.import_module(f"{PACK}.core.panel_data")


@pytest.fixture(scope="module")
def background(routes: ModuleType) -> ModuleType:
    return importlib.import_module(f"{PACK}.core.weights.background_downloads")


def in_a_loop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """In a thread of its own: while a browser is driven, this one cannot run an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def test_a_slow_probe_is_asked_once_for_all_and_keeps_nobody_else_waiting(routes: ModuleType) -> None:
    asked, done = [], threading.Event()

    def slow() -> str:
        asked.append(1)
        done.wait(300)
        return "memory"

    async def page() -> list[Any]:
        fresh = routes.Fresh()
        waiting = [asyncio.ensure_future(fresh.get("machine", slow)) for _ in range(5)]
        others = [await fresh.get(number, lambda: "quick") for number in range(3)]
        assert not any(answer.done() for answer in waiting)
        done.set()
        return [*others, *await asyncio.gather(*waiting), await fresh.get("machine", slow)]

    assert in_a_loop(page) == ["quick"] * 3 + ["memory"] * 6
    assert len(asked) == 1


def test_an_error_is_not_kept(routes: ModuleType) -> None:
    answers: list[Any] = [routes.VramwiseError("busy"), "well"]

    def ask() -> Any:
        said = answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def page() -> Any:
        fresh = routes.Fresh()
        with pytest.raises(routes.VramwiseError):
            await fresh.get("x", ask)
        return await fresh.get("x", ask)

    assert in_a_loop(page) == "well"


class _Queue:
    """ComfyUI's queue, as far as an eviction looks at it."""

    def __init__(self) -> None:
        self.mutex, self.currently_running = threading.RLock(), {1: "a prompt"}


def test_an_eviction_waits_for_the_prompt_that_runs(
    routes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, evicted = _Queue(), []
    monkeypatch.setattr(routes, "_evict", evicted.append)
    answers = routes.Answers(queue)
    assert not answers._evict_when_idle(None) and evicted == []
    queue.currently_running.clear()
    assert answers._evict_when_idle("cpu") and evicted == ["cpu"]


def test_a_download_runs_beside_the_server_tells_how_far_it_is_and_stops(
    background: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = importlib.import_module(f"{PACK}.core.weights").DownloadStopped
    monkeypatch.delenv("VRAMWISE_DOWNLOAD_BUTTON", raising=False)
    begun, sources = threading.Event(), []

    def fetch(model: Any, settings: Any, progress: Any, cancelled: Any) -> None:
        sources.append(settings.download_source)
        progress(5, 10, "model.safetensors")
        begun.set()
        soon(cancelled)
        raise stopped("stopped")

    downloads = background.Downloads(fetch)
    assert downloads.start("qwen3_vl_2b", "modelscope")["state"] == "running"
    assert begun.wait(300)
    assert downloads.start("qwen3_vl_2b")["done_bytes"] == 5  # the same one goes on
    downloads.cancel("qwen3_vl_2b")
    assert soon(lambda: downloads.state("qwen3_vl_2b")["state"] != "running")
    assert downloads.state("qwen3_vl_2b")["state"] == "stopped"
    assert downloads.state("qwen3_vl_2b")["ended"] is not None
    assert sources == ["modelscope"]


def test_the_owner_of_the_machine_can_switch_the_button_off(
    panel_data: ModuleType, background: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("fetched")

    monkeypatch.setenv("VRAMWISE_DOWNLOAD_BUTTON", "0")
    downloads = background.Downloads(never)
    with pytest.raises(panel_data.VramwiseError, match="switched off on this machine"):
        downloads.start("qwen3_vl_2b")
    plan = panel_data.plan_answer(panel_data.loader_request("qwen3_vl_2b"), downloads)
    assert plan["missing"]["allowed"] is False
    assert downloads.answer() == []


def test_every_route_is_below_vramwise_and_only_orders_are_posts(routes: ModuleType) -> None:
    known = routes.Answers().routes()
    assert all(path.startswith("/vramwise/") for _, path, _ in known)
    posts = {path for method, path, _ in known if method == "POST"}
    assert posts == {"/vramwise/endpoint", "/vramwise/evict", "/vramwise/download"}
    assert json.dumps([path for _, path, _ in known]).count("{") == 0  # no part of a path is a value
