"""What the browser asks of this pack, under /vramwise/: GET looks, POST does.

Only this machine's own pages and programs are answered (origin.py). No answer depends on a path or an
address that the request names, nothing slow runs in the server's own thread, and what runs elsewhere has a
few threads of its own, so that a flood of questions keeps nothing of ComfyUI's waiting.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...core.catalog.words import LANGUAGES, in_language
from ...core.errors import VramwiseError
from ...core.option_values import check_choice
from .json_http import Handler, RefusedError, as_json, json_object
from .last_run import last_shown
from .reader_language import language_of

if TYPE_CHECKING:
    from ...core.weights.background_downloads import Downloads

log = logging.getLogger("vramwise")
FRESH_SECONDS = 1.0
MOST_KEPT = 64
LONGEST_WORD = 200
CPU_ENGINES = "cpu"
THREADS = 2  # for questions, and as many for orders, which may wait for a server elsewhere
MOST_WAITING = 256
_WAIT_SECONDS = 0.2


class Fresh:
    """Answers to slow questions. Each is asked in a thread, once for all who ask meanwhile, and kept for
    FRESH_SECONDS.
    """

    def __init__(self, name: str = "questions") -> None:
        self._kept: OrderedDict[Hashable, tuple[asyncio.Task[Any], list[float]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"vramwise-{name}")
        self._waiting = 0

    async def get(self, key: Hashable, ask: Callable[[], Any], seconds: float = FRESH_SECONDS) -> Any:
        """What ``ask()`` says, or said at most ``seconds`` ago. Its error goes to all who wait, and is not
        kept.
        """
        task, ended = self._kept.get(key, (None, []))
        if task is None or (ended and time.monotonic() - ended[0] >= seconds):
            task, ended = asyncio.ensure_future(self.run(ask)), []
            task.add_done_callback(lambda _: ended.append(time.monotonic()))
            self._kept[key] = task, ended
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._kept.pop(key, None)
            raise

    async def run(self, work: Callable[[], Any]) -> Any:
        """``work()`` in one of the few threads. Raises RefusedError where too many wait for one."""
        if self._waiting >= MOST_WAITING:
            raise RefusedError(503, f"{MOST_WAITING} requests wait already. Ask again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def forget(self) -> None:
        """After something has changed."""
        self._kept.clear()


class Answers:
    """The handlers, each a coroutine that takes a request and returns JSON values."""

    def __init__(self, queue: Any = None) -> None:
        self.fresh, self.orders, self._queue = Fresh(), Fresh("orders"), queue
        self._evicting = asyncio.Lock()

    @functools.cached_property
    def downloads(self) -> Downloads:
        """Made at the first question, so that ComfyUI's start does not wait for the import. Only the server's
        own thread may ask for it.
        """
        from ...core.weights.background_downloads import Downloads

        return Downloads()

    async def machine(self, request: web.Request) -> Any:
        """Memory of every device, who holds it, and what is wrong. ``lang`` is that of the findings."""
        lang = _lang(request)
        return await self.fresh.get(("machine", lang), lambda: _machine(lang))

    async def recognisers(self, request: web.Request) -> Any:
        """What the refusal of a page may ask for: languages of the built-in engine and, last, the net that
        finds blocks. ``lang`` is that of a failed download.
        """
        from ...core.panel_data import layout_answer, recognisers_answer

        lang, downloads = _lang(request), self.downloads
        return await self.orders.run(
            lambda: [*recognisers_answer(downloads, lang), layout_answer(downloads, lang)]
        )

    async def plan(self, request: web.Request) -> Any:
        """A verdict for every precision of one model, as the loader is set; ``lang`` is that of what it needs
        and of a failed download.
        """
        from ...core.panel_data import loader_request, plan_answer

        given = request.query
        asked = loader_request(
            _word(given, "model", "rapid"),
            _word(given, "precision", "auto"),
            _word(given, "attention", "auto"),
            _word(given, "device", "auto"),
            _word(given, "quantise_vision", "false") == "true",
            _number(given, "megapixels"),
            _word(given, "fast_decode", "false") == "true",
        )
        lang, downloads = _lang(request), self.downloads
        answer = await self.fresh.get((asked, lang), lambda: plan_answer(asked, downloads, lang))
        return {**answer, "download": downloads.state(asked.model, lang)}

    async def advise(self, request: web.Request) -> Any:
        """Every model at every precision for ``gpu`` (a card or a size; empty: this machine) and ``task``,
        with a summary in ``lang``."""
        gpu, task = _word(request.query, "gpu"), _word(request.query, "task", "all")
        lang = _word(request.query, "lang", "en")
        check_choice("lang", lang, LANGUAGES)
        return await self.fresh.get(("advise", gpu, task, lang), lambda: _advice(gpu, task, lang))

    async def cards(self, request: web.Request) -> Any:
        """Names of graphics cards that can be asked about."""
        from ...core.panel_data import card_names

        return await self.fresh.get("cards", card_names)

    async def residents(self, request: web.Request) -> Any:
        """What of ours is in memory now, in the language of whoever asks."""
        lang = language_of(request)
        return await self.fresh.get(("residents", lang), lambda: residents(lang))

    async def shown(self, request: web.Request) -> Any:
        """What nodes of ours showed when the workflow of this id last ran, by the nodes' ids: a page that is
        loaded again has lost it.
        """
        workflow = _word(request.query, "workflow")
        return await self.fresh.run(lambda: last_shown(self._queue, workflow))

    async def downloading(self, request: web.Request) -> Any:
        """What a person has asked for in the browser, running and ended."""
        return self.downloads.answer(_lang(request))

    async def endpoint(self, request: web.Request) -> Any:
        """``{"endpoint": name, "model": ..., "family": ...}``: which of its servers answer now and what they
        serve, in ``lang``. It sends something elsewhere, so it is an order; a name that is not this machine's
        is refused.
        """
        given = await json_object(request)
        names = [_word(given, name) for name in ("endpoint", "model", "family")]
        asked = ("endpoint", lang := _lang(request), *names)
        return {"lines": await self.orders.get(asked, lambda: _endpoint_plan(lang, *names), seconds=0)}

    async def evict(self, request: web.Request) -> Any:
        """``{"id": ...}`` of a resident, or ``{"all": true}``. While a prompt runs it waits for its end."""
        given = await json_object(request)
        wanted = None if given.get("all") is True else _word(given, "id")
        if wanted == "":
            raise VramwiseError('Say what to evict: {"id": ...} of /vramwise/residents, or {"all": true}.')
        waited = self._busy()
        async with self._evicting:  # one after the other: a second finds nothing left to do
            while self._busy() or not await self.orders.run(lambda: self._evict_when_idle(wanted)):
                await asyncio.sleep(_WAIT_SECONDS)
        self.fresh.forget()
        return {"evicted": wanted or "all", "waited": waited, "residents": await self.residents(request)}

    async def download(self, request: web.Request) -> Any:
        """``{"model": id of a model, layout net or recogniser, "source": "huggingface" | "modelscope" |
        ""}``; with ``"cancel": true`` stop it.
        """
        given = await json_object(request)
        model, source = _word(given, "model"), _word(given, "source")
        downloads = self.downloads
        if given.get("cancel") is True:
            return downloads.cancel(model)
        answer = await self.orders.run(lambda: downloads.start(model, source))
        self.fresh.forget()
        return answer

    def _busy(self) -> bool:
        return self._queue is not None and bool(self._queue.currently_running)

    def _evict_when_idle(self, wanted: str | None) -> bool:
        """Models belong to the thread that runs prompts: with the queue locked and nothing running, that
        thread waits, and nobody uses them. False while something runs.

        The server's own thread needs that lock too. So under it only references change hands; the memory
        is given back after it.
        """
        if self._queue is None:
            let_go = _evict(wanted)
        else:
            with self._queue.mutex:
                if self._queue.currently_running:
                    return False
                let_go = _evict(wanted)
        if let_go:
            _give_back(let_go)
        if wanted in (None, CPU_ENGINES):
            _release_cpu_engines()
        return True

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/vramwise/machine", self.machine),
            ("GET", "/vramwise/plan", self.plan),
            ("GET", "/vramwise/recognisers", self.recognisers),
            ("GET", "/vramwise/advise", self.advise),
            ("GET", "/vramwise/cards", self.cards),
            ("GET", "/vramwise/residents", self.residents),
            ("GET", "/vramwise/shown", self.shown),
            ("GET", "/vramwise/downloads", self.downloading),
            ("POST", "/vramwise/endpoint", self.endpoint),
            ("POST", "/vramwise/evict", self.evict),
            ("POST", "/vramwise/download", self.download),
        ]

    def add_to(self, table: web.RouteTableDef) -> None:
        for method, path, handler in self.routes():
            table.route(method, path)(as_json(handler))


def serve() -> None:
    """Add the routes to ComfyUI's server. Without one (unit tests) nothing happens."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        Answers(getattr(server, "prompt_queue", None)).add_to(server.routes)


def residents(lang: str = "en") -> list[dict[str, Any]]:
    """Each torch model of ours that holds memory, and the engines outside torch as one entry."""
    from ...core.models.handle import cpu_engines
    from .managed import managed_owners_report

    held = []
    for model in managed_owners_report():
        if model.device_bytes or model.ram_bytes:
            try:
                held.append(_resident(model))
            except Exception:
                log.exception("A model in memory cannot be described and is left out of the list.")
    outside = cpu_engines()
    if outside:
        held.append(
            {
                "id": CPU_ENGINES,
                "name": ", ".join(in_language(name, lang) for name in outside),
                "precision": None,
                "device": "cpu",
                "device_bytes": None,
                "ram_bytes": None,
            }
        )
    return held


def _resident(model: Any) -> dict[str, Any]:
    return {
        "id": _id(model.spec),
        "name": model.spec.name,
        "precision": model.spec.precision,
        "device": model.device,
        "device_bytes": model.device_bytes,
        "ram_bytes": model.ram_bytes,
    }


def _id(spec: Any) -> str:
    parts = (spec.name, spec.precision, spec.attention, spec.device, spec.quantise_vision)
    return "/".join(map(str, parts))


def _evict(wanted: str | None) -> list[object]:
    """The weights of what is ``wanted``, for the caller to drop. None: everything of ours."""
    from ...core.ocr.vlm.model_owner import living_owners

    owners = [owner for owner in living_owners() if wanted is None or _id(owner.spec) == wanted]
    if wanted not in (None, CPU_ENGINES) and not owners:
        raise VramwiseError(f'"{wanted}" is not in memory any more.')
    return [weights for weights in (owner.forget() for owner in owners) if weights is not None]


def _give_back(let_go: list[Any]) -> None:
    import comfy.model_management as mm

    from .managed import dismantle

    while let_go:
        dismantle(let_go.pop())
    mm.soft_empty_cache()


def _release_cpu_engines() -> None:
    from ...core.models.handle import release_cpu_engines

    release_cpu_engines()


def _endpoint_plan(lang: str, name: str, model: str, family: str) -> list[str]:
    from ...core.ocr.remote.handle import open_remote

    return open_remote(name, model, family).plan(lang).splitlines()


def _machine(lang: str) -> dict[str, Any]:
    from ...core.models.place import machine_now
    from ...core.panel_data import machine_answer

    return machine_answer(machine_now(), lang)


def _advice(gpu: str, task: str, lang: str) -> list[dict[str, Any]]:
    from ...core.models.place import machine_now
    from ...core.panel_data import advice_answer
    from .templates import installed_templates

    machine = None if gpu or task == "which GPU" else machine_now()
    return advice_answer(gpu, task, installed_templates(), machine, lang)


def _lang(request: web.Request) -> str:
    lang = _word(request.query, "lang", "en")
    check_choice("lang", lang, LANGUAGES)
    return lang


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
