"""The node inside a real ComfyUI: it reads through a server; the key and the address stay on the machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devtools.comfy.client import ComfyClient
from devtools.comfy.server import ComfyServer, default_comfy_dir
from devtools.fakes.chat_server import ChatServer

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
KEY = "sk-vramwise-test-0123456789abcdef"
SAID = "read far away"


class Studio(NamedTuple):
    chat: ChatServer
    comfy: ComfyServer
    client: ComfyClient
    config: Path


@pytest.fixture(scope="module")
def studio(
    tmp_path_factory: pytest.TempPathFactory,
    require: Callable[[object, str], None],
    bytecode: dict[str, str | None],
) -> Iterator[Studio]:
    checkout = default_comfy_dir()
    require((checkout / "main.py").is_file(), f"There is no ComfyUI in {checkout}: run `python dev.py demo`.")
    config = tmp_path_factory.mktemp("studio") / "config.yaml"
    with ChatServer(text=SAID) as chat:
        write(config, chat.url)
        env = {**bytecode, "VRAMWISE_CONFIG": str(config), "STUDIO_KEY": KEY}
        with ComfyServer(env=env, extra_args=["--verbose", "DEBUG"]) as comfy:
            comfy.wait_ready()
            yield Studio(chat, comfy, ComfyClient(comfy.url), config)


def write(config: Path, url: str, **more: Any) -> None:
    entry = {"urls": [url], "key_env": "STUDIO_KEY", **more}
    config.write_text(json.dumps({"endpoints": {"studio": entry}}), encoding="utf-8")


def workflow(endpoint: str, **more: Any) -> dict[str, Any]:
    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    chosen = {"endpoint": endpoint, "model": "", "family": "auto", **more}
    return {
        "picture": node("LoadImage", image="vramwise_sample.png"),
        "remote": node("VramwiseRemoteOCRModel", **chosen),
        "ocr": node("VramwiseOCR", image=["picture", 0], ocr_model=["remote", 0]),
        "save": node("SaveImage", images=["ocr", 5], filename_prefix="remote"),
    }


def test_a_page_is_read_by_the_endpoint_and_the_key_is_nowhere_to_be_found(studio: Studio) -> None:
    result = studio.client.run(workflow("studio"))
    assert result.ok, result.error_text
    assert result.outputs["ocr"]["text"] == [SAID]
    (plan,) = result.outputs["remote"]["text"]
    assert "1 of 1 server answers now" in plan
    assert studio.chat.headers["Authorization"] == f"Bearer {KEY}"
    saved = studio.client.view(result.outputs["save"]["images"][0])
    assert b"VramwiseRemoteOCRModel" in saved, "the PNG carries the workflow"
    assert KEY.encode() not in saved
    history = json.dumps(studio.client.history(result.prompt_id or ""))
    info = json.dumps(studio.client.object_info("VramwiseRemoteOCRModel"))
    assert "studio" in history and "studio" in info
    for text in (history, info, json.dumps(result.events), studio.comfy.log):
        assert KEY not in text
    assert studio.chat.url not in info and studio.chat.url not in saved.decode("latin-1")


def test_a_picture_is_asked_about_and_the_conversation_goes_on(studio: Studio) -> None:
    prompt = workflow("studio")
    prompt["ocr"]["inputs"] |= {"task": "custom", "prompt": "What is it?", "more_images": ["picture", 0]}
    again = {"image": ["picture", 0], "ocr_model": ["remote", 0], "task": "custom", "prompt": "Why?"}
    prompt["again"] = {"class_type": "VramwiseOCR", "inputs": {**again, "history": ["ocr", 11]}}
    for name, node, slot in (("talk", "again", 11), ("thoughts", "ocr", 7), ("mask", "ocr", 4)):
        kind, link = ("MaskPreview", "mask") if name == "mask" else ("PreviewAny", "source")
        prompt[name] = {"class_type": kind, "inputs": {link: [node, slot]}}
    result = studio.client.run(prompt)
    assert result.ok, result.error_text
    first = f"user: What is it?\nassistant: {SAID}"
    assert result.outputs["talk"]["text"] == [f"{first}\nuser: Why?\nassistant: {SAID}"]
    assert result.outputs["thoughts"]["text"] == [""] and len(result.outputs["mask"]["images"]) == 1
    assert result.outputs["ocr"]["text"] == [SAID], "one question, one answer"


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:1", "http://169.254.169.254/latest", "file:///etc/passwd", "10.0.0.1:8000", "studoi"],
)
def test_a_workflow_with_an_address_or_an_unknown_name_does_not_run(studio: Studio, endpoint: str) -> None:
    asked = sum(studio.chat.pictures.values())
    result = studio.client.run(workflow(endpoint))
    assert result.status in ("refused", "success")  # "success" of other outputs, none of which needs the node
    assert "VramwiseRemoteOCRModel (node remote)" in result.error_text
    assert "is an address" in result.error_text or 'Did you mean "studio"' in result.error_text
    assert not result.outputs
    assert sum(studio.chat.pictures.values()) == asked


def test_an_error_far_away_is_a_sentence_here_without_the_key(studio: Studio) -> None:
    write(studio.config, "http://127.0.0.1:9", model="qwen3_vl")
    try:
        result = studio.client.run(workflow("studio"))
    finally:
        write(studio.config, studio.chat.url)
    assert result.status == "error"
    assert "127.0.0.1:9 cannot be reached" in result.error_text
    assert KEY not in json.dumps(result.error) and KEY not in studio.comfy.log


def test_the_node_runs_again_when_its_entry_changes_and_only_then(studio: Studio) -> None:
    studio.client.run(workflow("studio", concurrency=3))
    again = studio.client.run(workflow("studio", concurrency=3))
    assert "remote" in again.cached
    write(studio.config, studio.chat.url, model="qwen3_vl_other")
    changed = studio.client.run(workflow("studio", concurrency=3))
    write(studio.config, studio.chat.url)
    assert "remote" not in changed.cached
    assert "qwen3_vl_other" in changed.outputs["remote"]["text"][0]
