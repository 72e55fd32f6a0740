"""Talk to a running ComfyUI: post a prompt, follow it over the websocket, collect what it made."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Prompt = dict[str, dict[str, Any]]
Event = Callable[[str, dict[str, Any]], None]
HANGS = 600.0  # seconds after which something has hung, however busy the machine


class ComfyClientError(RuntimeError):
    """The server went away or did not finish in time."""


@dataclass
class Reply:
    """An HTTP answer; `json` is None where the body is not JSON."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class RunResult:
    """What became of one prompt.

    status: "success", "error" (a node raised), "interrupted", or "refused" (HTTP 400: nothing ran).
    outputs: node id -> ui key -> list, as /history has it, without the lists in which newer ComfyUI has what
    panels of ours draw. messages: the history's [event, data] pairs.
    events: what the websocket said, in order (empty without a client id). node_errors: the answer's own.
    error: the refusal's `error` object, or the execution_error's data.
    """

    prompt_id: str | None
    status: str
    outputs: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    messages: list[list[Any]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "success" and not self.node_errors

    @property
    def cached(self) -> list[str]:
        """Ids of the nodes that ComfyUI took from its cache."""
        return [
            node for event, data in self.messages if event == "execution_cached" for node in data["nodes"]
        ]

    @property
    def executed(self) -> list[str]:
        """Ids of the nodes that were started, in order (from the websocket)."""
        return [str(data["node"]) for event, data in self.events if event == "executing" and data.get("node")]

    @property
    def error_text(self) -> str:
        """Everything that went wrong, in words, one problem a line; "" where nothing did."""
        said: list[str] = []
        if self.error:
            said.append(str(self.error.get("exception_message") or _sentence(self.error)).strip())
        for node_id, entry in self.node_errors.items():
            for problem in entry["errors"]:
                said.append(f"{entry['class_type']} (node {node_id}): {_sentence(problem)}")
        if self.status == "interrupted":
            said.append("The run was cancelled.")
        return "\n".join(dict.fromkeys(line for line in said if line))


def _flat(shown: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        key: [one for each in values for one in (each if isinstance(each, list) else [each])]
        for key, values in shown.items()
    }


def _sentence(problem: dict[str, Any]) -> str:
    message, details = str(problem.get("message", "")).strip(), str(problem.get("details", "")).strip()
    return message if not details or details == message else f"{message}: {details}"


class ComfyClient:
    """One client of one server. Synchronous, and safe beside a running event loop (Playwright's, say)."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.client_id = uuid.uuid4().hex
        self.reads = ""  # the language of a browser, such as "ru-RU,ru;q=0.9"; a script accepts none

    def request(
        self,
        path: str,
        payload: Any = None,
        *,
        method: str | None = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = HANGS,
    ) -> Reply:
        """GET, or POST where there is a payload (sent as JSON) or data.

        An HTTP error is an answer like any other, not an exception.
        """
        sent = dict(headers or {})
        if self.reads:
            sent["Accept-Language"] = self.reads
        if payload is not None:
            data = json.dumps(payload).encode()
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return Reply(reply.status, reply.read())
        except urllib.error.HTTPError as refused:
            return Reply(refused.code, refused.read())

    @contextmanager
    def reading(self, language: str) -> Iterator[None]:
        """As the browser of somebody who reads a language; "" is a script."""
        before, self.reads = self.reads, language
        try:
            yield
        finally:
            self.reads = before

    def get_json(self, path: str) -> Any:
        reply = self.request(path)
        if reply.status != 200:
            raise ComfyClientError(f"GET {path} answered {reply.status}: {reply.body[:500]!r}")
        return reply.json

    def object_info(self, node_id: str | None = None) -> dict[str, Any]:
        info: dict[str, Any] = self.get_json(f"/object_info/{node_id}" if node_id else "/object_info")
        return info

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        entry: dict[str, Any] | None = self.get_json(f"/history/{prompt_id}").get(prompt_id)
        return entry

    def interrupt(self) -> None:
        self.request("/interrupt", {})

    def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        self.request("/free", {"unload_models": unload_models, "free_memory": free_memory})

    def upload(self, picture: Path, *, name: str | None = None) -> str:
        """Put a picture into the server's input folder; answers the name a LoadImage node takes."""
        stored = (name or picture.name).replace('"', "_")
        edge = uuid.uuid4().hex
        kind = mimetypes.guess_type(stored)[0] or "application/octet-stream"
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{stored}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        tail = (
            f'\r\n--{edge}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n--{edge}--\r\n'
        )
        reply = self.request(
            "/upload/image",
            data=head.encode() + picture.read_bytes() + tail.encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={edge}"},
        )
        if reply.status != 200:
            raise ComfyClientError(
                f"The server did not take {picture}: it answered {reply.status} {reply.body[:300]!r}"
            )
        taken = reply.json
        return f"{taken['subfolder']}/{taken['name']}" if taken["subfolder"] else str(taken["name"])

    def view(self, image: dict[str, str]) -> bytes:
        """The bytes of one entry of an `images` output."""
        reply = self.request("/view?" + urllib.parse.urlencode(image))
        if reply.status != 200:
            raise ComfyClientError(f"GET /view of {image} answered {reply.status}.")
        return reply.body

    def post_prompt(self, prompt: Prompt, *, with_client_id: bool = True, **more: Any) -> Reply:
        """Queue a prompt and do not wait. `more` goes into the body (extra_data, front, prompt_id...)."""
        body = {"prompt": prompt, **more}
        if with_client_id:
            body["client_id"] = self.client_id
        return self.request("/prompt", body)

    def run(
        self,
        prompt: Prompt,
        timeout: float = HANGS,
        *,
        with_client_id: bool = True,
        on_event: Event | None = None,
    ) -> RunResult:
        """Queue a prompt and wait for its end: over the websocket, or by asking /history without a client id.

        `on_event(name, data)` sees every websocket message of this client as it comes.
        """
        begun = time.monotonic()
        if with_client_id:
            result = self._follow(prompt, timeout, on_event)
        else:
            result = self._queued(self.post_prompt(prompt, with_client_id=False))
            if result.prompt_id is not None:
                self.wait(result, timeout)
        result.seconds = time.monotonic() - begun
        return result

    def wait(self, result: RunResult, timeout: float) -> RunResult:
        """Fill in a queued result from /history once the prompt has ended."""
        deadline = time.monotonic() + timeout
        while True:
            entry = self.history(str(result.prompt_id))
            if entry is not None:
                break
            if time.monotonic() > deadline:
                raise ComfyClientError(
                    f"The prompt {result.prompt_id} was not finished after {timeout:.0f} s."
                )
            time.sleep(0.05)
        result.outputs = {node: _flat(shown) for node, shown in entry["outputs"].items()}
        result.messages = entry["status"]["messages"]
        ended = dict(result.messages)
        if "execution_interrupted" in ended:
            result.status = "interrupted"
        else:
            result.status = entry["status"]["status_str"]
            result.error = ended.get("execution_error", {})
        return result

    def _queued(self, reply: Reply) -> RunResult:
        answer = reply.json
        if not isinstance(answer, dict):
            raise ComfyClientError(f"POST /prompt answered {reply.status}: {reply.body[:500]!r}")
        errors = answer.get("node_errors") or {}
        if reply.status != 200:
            error = answer.get("error") or {}
            return RunResult(
                None,
                "refused",
                node_errors=errors if isinstance(errors, dict) else {},
                error=error if isinstance(error, dict) else {"message": str(error)},
            )
        return RunResult(answer["prompt_id"], "queued", node_errors=errors)

    def _follow(self, prompt: Prompt, timeout: float, on_event: Event | None) -> RunResult:
        # in a thread of its own, so that it works where this thread already runs an event loop
        done: list[RunResult | BaseException] = []

        def work() -> None:
            try:
                done.append(asyncio.run(self._listen(prompt, timeout, on_event)))
            except BaseException as problem:
                done.append(problem)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(0.1)
        if isinstance(done[0], BaseException):
            raise done[0]
        return done[0]

    async def _listen(self, prompt: Prompt, timeout: float, on_event: Event | None) -> RunResult:
        import aiohttp

        events: list[tuple[str, dict[str, Any]]] = []
        address = f"{self.url}/ws?clientId={self.client_id}"
        deadline = time.monotonic() + timeout
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            result = self._queued(await asyncio.to_thread(self.post_prompt, prompt))
            if result.prompt_id is None:
                return result
            while True:
                try:
                    message = await socket.receive(timeout=max(0.1, deadline - time.monotonic()))
                except asyncio.TimeoutError:
                    raise ComfyClientError(
                        f"The prompt {result.prompt_id} was not finished after {timeout:.0f} s."
                    ) from None
                if message.type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                ):
                    raise ComfyClientError("The server closed the connection in the middle of the run.")
                if message.type != aiohttp.WSMsgType.TEXT:
                    continue
                event = message.json()
                name, data = event["type"], event.get("data") or {}
                events.append((name, data))
                if on_event is not None:
                    await asyncio.to_thread(on_event, name, data)
                if (
                    name == "executing"
                    and data.get("node") is None
                    and data.get("prompt_id") == result.prompt_id
                ):
                    break
        result.events = events
        return await asyncio.to_thread(self.wait, result, HANGS)
