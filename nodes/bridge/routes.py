"""What the browser asks of this pack, under /vramwise/: GET looks, POST (ComfyUI checks its origin) does.

No answer depends on a path or an address that the request names, and nothing slow runs in the server's own
thread.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...core.catalog.words import LANGUAGES
from ...core.errors import VramwiseError
from ...core.option_values import check_choice

if TYPE_CHECKING:
    from ...core.weights.background_downloads import Downloads

log = logging.getLogger("vramwise")
FRESH_SECONDS = 1.0
MOST_KEPT = 64
LONGEST_WORD = 200
CPU_ENGINES = "cpu"
_WAIT_SECONDS = 0.2

Handler = Callable[[web.Request], Awaitable[Any]]


class Fresh:
    """Answers to slow questions. Each is asked in a thread, once for all who ask meanwhile, and kept for
    FRESH_SECONDS.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[asyncio.Task[Any], list[float]]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """What ``ask()`` says, or said a moment ago. Its error goes to all who wait, and is not kept."""
        task, ended = self._kept.get(key, (None, []))
        if task is None or (ended and time.monotonic() - ended[0] > FRESH_SECONDS):
            task, ended = asyncio.ensure_future(asyncio.to_thread(ask)), []
            task.add_done_callback(lambda _: ended.append(time.monotonic()))
            self._kept[key] = task, ended
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except VramwiseError:
            self._kept.pop(key, None)
            raise

    def forget(self) -> None:
        """After something has changed."""
        self._kept.clear()


class Answers:
    """The handlers, each a coroutine that takes a request and returns JSON values."""

    def __init__(self, queue: Any = None) -> None:
        self.fresh, self._queue = Fresh(), queue

    @functools.cached_property
    def downloads(self) -> Downloads:
        """Made at the first question, so that ComfyUI's start does not wait for the import. Only the server's
        own thread may ask for it.
        """
        from ...core.weights.background_downloads import Downloads

        return Downloads()

    async def machine(self, request: web.Request) -> Any:
        """Memory of every device, who holds it, and what is wrong. ``lang`` is that of the findings."""
        lang = _word(request.query, "lang", "en")
        check_choice("lang", lang, LANGUAGES)
        return await self.fresh.get(("machine", lang), lambda: _machine(lang))

    async def plan(self, request: web.Request) -> Any:
        """A verdict for every precision of one model, as the loader is set."""
        from ...core.panel_data import loader_request, plan_answer

        given = request.query
        asked = loader_request(
            _word(given, "model", "rapid"),
            _word(given, "precision", "auto"),
            _word(given, "attention", "auto"),
            _word(given, "device", "auto"),
            _word(given, "quantise_vision", "false") == "true",
            _number(given, "megapixels"),
        )
        downloads = self.downloads
        answer = await self.fresh.get(asked, lambda: plan_answer(asked, downloads))
        return {**answer, "download": downloads.state(asked.model)}

    async def advise(self, request: web.Request) -> Any:
        """Every model at every precision for ``gpu`` (a card or a size; empty: this machine) and ``task``."""
        gpu, task = _word(request.query, "gpu"), _word(request.query, "task", "all")
        return await self.fresh.get(("advise", gpu, task), lambda: _advice(gpu, task))

    async def cards(self, request: web.Request) -> Any:
        """Names of graphics cards that can be asked about."""
        from ...core.panel_data import card_names

        return await self.fresh.get("cards", card_names)

    async def residents(self, request: web.Request) -> Any:
        """What of ours is in memory now."""
        return await self.fresh.get("residents", residents)

    async def downloading(self, request: web.Request) -> Any:
        """What a person has asked for in the browser, running and ended."""
        return self.downloads.answer()

    async def endpoint(self, request: web.Request) -> Any:
        """``{"endpoint": name, "model": ..., "family": ...}``: which of its servers answer now and what they
        serve. It sends something elsewhere, so it is an order; a name that is not this machine's is refused.
        """
        given = await _body(request)
        names = [_word(given, name) for name in ("endpoint", "model", "family")]
        return {"lines": await asyncio.to_thread(_endpoint_plan, *names)}

    async def evict(self, request: web.Request) -> Any:
        """``{"id": ...}`` of a resident, or ``{"all": true}``. While a prompt runs it waits for its end."""
        given = await _body(request)
        wanted = None if given.get("all") is True else _word(given, "id")
        if wanted == "":
            raise VramwiseError('Say what to evict: {"id": ...} of /vramwise/residents, or {"all": true}.')
        waited = self._busy()
        while not await asyncio.to_thread(self._evict_when_idle, wanted):
            await asyncio.sleep(_WAIT_SECONDS)
        self.fresh.forget()
        return {"evicted": wanted or "all", "waited": waited, "residents": await self.residents(request)}

    async def download(self, request: web.Request) -> Any:
        """``{"model": id, "source": "huggingface" | "modelscope" | ""}``; with ``"cancel": true`` stop it."""
        given = await _body(request)
        model = _word(given, "model")
        if given.get("cancel") is True:
            return self.downloads.cancel(model)
        answer = await asyncio.to_thread(self.downloads.start, model, _word(given, "source"))
        self.fresh.forget()
        return answer

    def _busy(self) -> bool:
        return self._queue is not None and bool(self._queue.currently_running)

    def _evict_when_idle(self, wanted: str | None) -> bool:
        """Models belong to the thread that runs prompts: with the queue locked and nothing running, that
        thread waits, and nobody uses them. False while something runs.
        """
        if self._queue is None:
            _evict(wanted)
            return True
        with self._queue.mutex:
            if self._queue.currently_running:
                return False
            _evict(wanted)
            return True

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/vramwise/machine", self.machine),
            ("GET", "/vramwise/plan", self.plan),
            ("GET", "/vramwise/advise", self.advise),
            ("GET", "/vramwise/cards", self.cards),
            ("GET", "/vramwise/residents", self.residents),
            ("GET", "/vramwise/downloads", self.downloading),
            ("POST", "/vramwise/endpoint", self.endpoint),
            ("POST", "/vramwise/evict", self.evict),
            ("POST", "/vramwise/download", self.download),
        ]

    def add_to(self, table: web.RouteTableDef) -> None:
        for method, path, handler in self.routes():
            table.route(method, path)(_as_json(handler))


def serve() -> None:
    """Add the routes to ComfyUI's server. Without one (unit tests) nothing happens."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        Answers(getattr(server, "prompt_queue", None)).add_to(server.routes)


def residents() -> list[dict[str, Any]]:
    """Each torch model of ours that holds memory, and the engines outside torch as one entry."""
    from ...core.models.handle import resident_engines
    from ...core.ocr.vlm.model_owner import living_owners
    from .managed import managed_owners_report

    held = [
        {
            "id": _id(model.spec),
            "name": model.spec.path.name,
            "precision": model.spec.precision,
            "device": model.device,
            "device_bytes": model.device_bytes,
            "ram_bytes": model.ram_bytes,
        }
        for model in managed_owners_report()
        if model.device_bytes or model.ram_bytes
    ]
    torch_models = {f"{owner.spec.path.name} {owner.spec.precision}" for owner in living_owners()}
    outside = [name for name in resident_engines() if name not in torch_models]
    if outside:
        held.append(
            {
                "id": CPU_ENGINES,
                "name": ", ".join(outside),
                "precision": None,
                "device": "cpu",
                "device_bytes": None,
                "ram_bytes": None,
            }
        )
    return held


def _id(spec: Any) -> str:
    parts = (spec.path.name, spec.precision, spec.attention, spec.device, spec.quantise_vision)
    return "/".join(map(str, parts))


def _evict(wanted: str | None) -> None:
    """``wanted`` None: everything of ours."""
    from ...core.models.handle import release_cpu_engines
    from ...core.ocr.vlm.model_owner import living_owners

    owners = [owner for owner in living_owners() if wanted is None or _id(owner.spec) == wanted]
    if wanted not in (None, CPU_ENGINES) and not owners:
        raise VramwiseError(f'"{wanted}" is not in memory any more.')
    for owner in owners:
        owner.release()
    if wanted in (None, CPU_ENGINES):
        release_cpu_engines()


def _endpoint_plan(name: str, model: str, family: str) -> list[str]:
    from ...core.ocr.remote.handle import open_remote

    return open_remote(name, model, family).plan().splitlines()


def _machine(lang: str) -> dict[str, Any]:
    from ...core.models.request import machine_now
    from ...core.panel_data import machine_answer

    return machine_answer(machine_now(), lang)


def _advice(gpu: str, task: str) -> list[dict[str, Any]]:
    from ...core.models.request import machine_now
    from ...core.panel_data import advice_answer
    from .templates import installed_templates

    machine = None if gpu or task == "which GPU" else machine_now()
    return advice_answer(gpu, task, installed_templates(), machine)


def _word(given: Mapping[str, Any], name: str, default: str = "") -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or len(value) > LONGEST_WORD:
        raise VramwiseError(f"{name} must be a text of at most {LONGEST_WORD} characters.")
    return value.strip() or default


def _number(given: Mapping[str, str], name: str) -> float:
    try:
        return float(given.get(name) or 0)
    except ValueError:
        raise VramwiseError(f"{name} must be a number.") from None


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a POST. Other kinds of body are what a foreign page could send without asking."""
    try:
        given = await request.json() if request.content_type == "application/json" else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise VramwiseError("The request must carry a JSON object, sent as application/json.")
    return given


def _as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The answer as JSON that nobody caches; a VramwiseError as 400 with its sentence."""

    async def answer(request: web.Request) -> web.Response:
        try:
            found, status = await handler(request), 200
        except VramwiseError as error:
            found, status = {"error": str(error)}, 400
        return web.json_response(found, status=status, headers={"Cache-Control": "no-store"})

    return answer
