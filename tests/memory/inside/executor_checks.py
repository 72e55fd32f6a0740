"""Our nodes in ComfyUI's real executor with its real caches; only the nets are toys."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toys import Factory, Machine

LOADER, OCR = "VramwiseOCRModelLoader", "VramwiseOCR"
QWEN, OCRMODEL = "qwen3_vl_2b", "VRAMWISE_OCR_MODEL"


class Server:
    """What the executor tells: events as (name, data)."""

    def __init__(self) -> None:
        self.client_id: str | None = "a browser"
        self.last_node_id: str | None = None
        self.said: list[tuple[str, dict[str, Any]]] = []

    def send_sync(self, event: Any, data: Any, sid: Any = None) -> None:
        if isinstance(event, str):
            self.said.append((event, data))


class Engine:
    """Reads every page with the toy net of ``owner``."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def read(self, images: Any, options: Any, progress: Any) -> Iterator[Any]:
        result = importlib.import_module("vramwise_pack.core.ocr.results.result").OCRResult
        self.owner.use(0)
        for _ in images:
            progress.token(1, 9, "so far")
            yield result(
                text="read", markdown="read", regions=(), width=8, height=8, finish_reason="stop",
                model=QWEN, precision="bf16", seconds=0.0, tokens=1, peak_bytes=None,
            )  # fmt: skip


class Comfy:
    """An executor of the given kind of cache, and graphs for it."""

    def __init__(self, kind: str, ram_inactive: float = 1.0, ram: float = 0.0) -> None:
        import execution

        self.server = Server()
        keep = {"lru": 9, "ram": ram, "ram_inactive": ram_inactive}
        self.executor = execution.PromptExecutor(self.server, getattr(execution.CacheType, kind), keep)
        self.number = 0

    def run(self, graph: dict[str, Any], outputs: list[str]) -> dict[str, Any]:
        self.number += 1
        prompt = {node: {"class_type": kind, "inputs": inputs} for node, (kind, inputs) in graph.items()}
        self.executor.execute(prompt, f"prompt {self.number}", {"client_id": "a browser"}, outputs)
        wrong = [data for event, data in self.executor.status_messages if event == "execution_error"]
        assert not wrong, "\n".join([wrong[0]["exception_message"], *wrong[0]["traceback"]])
        gc.collect()
        return dict(self.executor.history_result["outputs"])


def reading(model: str = QWEN, color: int = 0, **changed: Any) -> dict[str, Any]:
    given = {"model": model, "precision": "bf16", "attention": "auto", "device": "auto", **changed}
    return {
        "page": ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": color}),
        "loader": (LOADER, given),
        "ocr": (OCR, {"image": ["page", 0], "ocr_model": ["loader", 0]}),
    }


def other(color: int = 0) -> dict[str, Any]:
    """A graph without any node of ours."""
    return {
        "grey": ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": color}),
        "turned": ("ImageInvert", {"image": ["grey", 0]}),
        "shown": ("PreviewAny", {"source": ["turned", 0]}),
    }


class Maker:
    """A node that becomes an OCR Inference in the run."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"image": ("IMAGE",), "ocr_model": (OCRMODEL,)}})
    RETURN_TYPES, FUNCTION = ("STRING",), "make"

    def make(self, **inputs: Any) -> dict[str, Any]:
        graph = importlib.import_module("comfy_execution.graph_utils").GraphBuilder()
        made = graph.node(OCR, **inputs)
        return {"result": (made.out(0),), "expand": graph.finalize()}


class Pages:
    """Three pages of 768 MiB each, as far as anybody counts; 8 pixels where somebody looks."""

    INPUT_TYPES = classmethod(lambda cls: {})
    RETURN_TYPES, FUNCTION, OUTPUT_IS_LIST = ("IMAGE",), "make", (True,)
    rendered = 0

    def make(self) -> tuple[list[Any]]:
        lazy = importlib.import_module("vramwise_pack.nodes.bridge.lazy_image").LazyImage

        def render() -> torch.Tensor:
            Pages.rendered += 1
            return torch.zeros(1, 8, 8, 3)

        return ([lazy((1, 8192, 8192, 3), render) for _ in range(3)],)


@pytest.fixture(scope="module")
def pack() -> None:
    """ComfyUI's own nodes and ours, as ComfyUI registers them; where packs can keep outputs."""
    pytest.importorskip("comfy_execution.cache_provider", reason="There are no cache providers.")
    import nodes

    ours = importlib.import_module("vramwise_pack.nodes")
    for node in ours.NODES:
        nodes.NODE_CLASS_MAPPINGS[node.GET_SCHEMA().node_id] = node
    extras = importlib.import_module("comfy_extras.nodes_preview_any")
    nodes.NODE_CLASS_MAPPINGS["PreviewAny"] = extras.PreviewAny
    nodes.NODE_CLASS_MAPPINGS["Maker"], nodes.NODE_CLASS_MAPPINGS["Pages"] = Maker, Pages


@pytest.fixture
def factory(pack: None, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Factory:
    """Every handle reads with a toy net of its own spec."""
    made = Factory()
    handles = importlib.import_module("vramwise_pack.core.models.handle")

    def engine(handle: Any, settings: Any) -> Engine:
        if handle._live.engine is None:
            handle._live.engine = Engine(machine.owner(made, precision=handle.precision))
        return handle._live.engine

    monkeypatch.setattr(handles.OCRHandle, "_engine", engine)
    monkeypatch.setattr(handles.OCRHandle, "plan", lambda handle, *wishes: "a toy")
    return made


@pytest.fixture
def keeper() -> Iterator[Any]:
    """A cache provider that keeps every output in this process."""
    provider = importlib.import_module("comfy_execution.cache_provider")

    class Keeper(provider.CacheProvider):
        def __init__(self) -> None:
            self.kept: dict[str, Any] = {}

        async def on_lookup(self, context: Any) -> Any:
            return self.kept.get(context.cache_key_hash)

        async def on_store(self, context: Any, value: Any) -> None:
            self.kept[context.cache_key_hash] = value

    made = Keeper()
    provider.register_cache_provider(made)
    yield made
    provider._clear_cache_providers()


def test_weights_go_when_the_loader_has_left_although_a_provider_keeps_the_handle(
    factory: Factory, keeper: Any
) -> None:
    comfy = Comfy("RAM_PRESSURE")
    assert comfy.run(reading(), ["ocr"])["ocr"]["text"] == ["read"]
    assert factory.living() == 1
    comfy.run(other(), ["shown"])
    assert len(keeper.kept) >= 4 and factory.living() == 0
    comfy.run(reading(color=1), ["ocr"])
    assert (factory.living(), len(factory.made)) == (1, 2), "the handle that was kept reads again"


STAYS = {  # with the loader of another graph that differs in this from the one that has read
    "the same": ({}, True),
    "device": ({"device": "cpu"}, False),
    "precision": ({"precision": "int8"}, False),
    "model": ({"model": "GOT-OCR 2.0"}, False),
    "unknown": ({"model": "no such model"}, False),
    "by its name": ({"model": "Qwen3-VL 2B Instruct"}, True),
    "by a link": ({"model": ["shown", 0]}, True),
}


def test_weights_stay_only_for_a_loader_of_the_same_model(factory: Factory, keeper: Any) -> None:
    comfy = Comfy("CLASSIC")
    found = {}
    for name, (changed, _) in STAYS.items():
        comfy.run(reading(color=len(found)), ["ocr"])
        comfy.run(reading(**changed) | other(), ["shown"])
        found[name] = bool(factory.living())
    assert found == {name: stays for name, (_, stays) in STAYS.items()}


def test_weights_go_with_the_cache_where_nobody_keeps_outputs(factory: Factory) -> None:
    for kind in ("CLASSIC", "RAM_PRESSURE"):
        comfy = Comfy(kind, ram_inactive=2.0**20)  # more than any machine has: RAM is always short
        comfy.run(reading(), ["ocr"])
        assert factory.living() == 1
        comfy.run(other(), ["shown"])
        assert factory.living() == 0, kind


def test_with_ram_to_spare_comfyui_keeps_the_model_of_a_graph_that_may_come_back(factory: Factory) -> None:
    comfy = Comfy("RAM_PRESSURE", ram_inactive=0.0)
    comfy.run(reading(), ["ocr"])
    comfy.run(other(), ["shown"])
    assert factory.living() == 1
    comfy.run(reading(color=1), ["ocr"])
    assert len(factory.made) == 1


def test_a_cache_that_is_short_of_ram_counts_pages_and_renders_none(pack: None) -> None:
    comfy = Comfy("RAM_PRESSURE", ram_inactive=2.0**20, ram=2.0**20)
    graph = {"pages": ("Pages", {}), "turned": ("ImageInvert", {"image": ["pages", 0]})}
    comfy.run(graph | {"shown": ("PreviewAny", {"source": ["turned", 0]})}, ["shown"])
    assert Pages.rendered == 3, "once a page, by the node that looks at it"


def test_a_node_that_another_made_tells_its_text_under_the_one_in_the_persons_graph(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    server = SimpleNamespace(client_id=None, send_progress_text=lambda text, node: told.append((node, text)))
    prompts = SimpleNamespace(PromptServer=SimpleNamespace(instance=server))
    monkeypatch.setitem(sys.modules, "server", prompts)
    graph = reading()
    graph["12:3"] = ("Maker", graph.pop("ocr")[1])
    comfy = Comfy("CLASSIC")
    comfy.run(graph | {"shown": ("PreviewAny", {"source": ["12:3", 0]})}, ["shown"])
    assert told == [("12:3", "so far")]
    shown = [data for event, data in comfy.server.said if event == "executed" and "ocr" in data["output"]]
    assert [data["display_node"] for data in shown] == ["12:3"]
