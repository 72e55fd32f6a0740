"""One server, spoken to with the official ``openai`` client: a picture and a prompt in, the text out.

The client is told as little as possible: it follows no redirect, retries nothing (the pool does), and sends
no header beyond what the protocol needs, whatever the environment says about other accounts. Its exceptions
are never chained to ours: they hold what the server said word for word, which may repeat the key, and a
traceback would carry that into logs and histories.
"""

from __future__ import annotations

import asyncio
import importlib
import platform
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...errors import VramwiseError
from ...network.addresses import AddressRefused, check_name, check_peer, check_url, host_of
from ...network.certificates import tls_context
from ...network.failures import asks_for_password, failure, printable
from ...network.log_redaction import HiddenInLogs
from ...network.proxies import proxy_for, require_socks
from ...network.web_pages import is_web_page
from ...shell import pip_line
from ...units import MIB
from ..vlm.answers.reasoning import taken_apart
from .answer_reader import AnswerReader
from .chat_request import ChatRequest, Completion
from .endpoints import Endpoint, place
from .errors import (
    LONGEST_MESSAGE,
    Kind,
    RequestError,
    WebPage,
    message_of,
    of_message,
    of_status,
)
from .model_list import models_of_list
from .optional_fields import REMEMBERED, points_at_fields
from .wire_events import Damaged

SHORTEST_KEY = 8  # letters of a key that is looked for in what was read
AFTER_END_SECONDS, AFTER_DONE_SECONDS = 3.0, 0.25  # that a usage count, and the end of a stream, may take
MAX_ANSWER_BYTES = 32 * MIB  # of one answer with its envelope; 32,000 tokens take about 8 MiB
CONNECT_SECONDS = 10.0
_HEADERS = (b"accept", b"connection", b"content-length", b"content-type", b"host", b"transfer-encoding")
_NO_KEY = "none"


StreamCallback = Callable[[int, str], None]  # pieces so far, text so far


def require_openai() -> Any:
    """The ``openai`` package; VramwiseError with the command where it is missing."""
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise VramwiseError(
            f"Reading by a server needs the package openai, which is not installed. Run: {pip_line('openai')}"
        ) from error


class Client:
    """Talks to one address. Made and closed inside one event loop."""

    def __init__(self, url: str, endpoint: Endpoint, key: str, timeout: float) -> None:
        openai = require_openai()
        self.url, self.place, self._endpoint, self._key = url, place(url), endpoint, key
        self._openai = openai
        # openai is built on httpx, from its third version on httpx2: the one that it uses.
        self._http = importlib.import_module(
            openai.DefaultAsyncHttpxClient.__mro__[1].__module__.split(".")[0]
        )
        self._limited_stream = _limited_stream(self._http.AsyncByteStream)
        self._proxy = proxy_for(url)
        # Without TLS nothing is vouched for by anybody, and reading the system's list takes a while.
        tls = url.startswith("https:") or (self._proxy is not None and self._proxy.url.startswith("https:"))
        context = tls_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        through = self._through(context)
        self._hidden = HiddenInLogs((key, *(self._proxy.secrets() if self._proxy else ())))
        transport = openai.DefaultAsyncHttpxClient(
            verify=context,
            follow_redirects=False,
            trust_env=False,  # proxies and certificates are core/network's, as for the hub
            transport=through,
            timeout=self._http.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            event_hooks={"request": [self._only_ours], "response": [self._bounded]},
        )
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY, base_url=url, max_retries=0, http_client=transport
        )

    def _through(self, context: ssl.SSLContext) -> Any:
        """The way through the proxy, None for a direct one."""
        if self._proxy is None:
            return None
        require_socks(self._proxy, "socksio", "socksio")
        check_url(self.url)
        http = self._http
        try:
            secure = {"ssl_context": context} if self._proxy.url.startswith("https:") else {}
            proxy = http.Proxy(self._proxy.url, **secure)
            limits = http.Limits(max_connections=1000, max_keepalive_connections=100)  # as openai has them
            return http.AsyncHTTPTransport(verify=context, proxy=proxy, limits=limits, trust_env=False)
        except ValueError:
            raise VramwiseError(
                f"The proxy {self._proxy.place} of {self._proxy.variable or 'the system'} is of a kind that "
                "cannot be used for an endpoint. Write http://HOST:PORT or socks5://HOST:PORT."
            ) from None

    async def ready(self) -> None:
        """Do what comes before the first packet, so that a time limit on the server does not count it.

        The openai client imports more of itself, and asks the system for the processor's name, which starts a
        program: on a busy machine these have taken more than two seconds. Python keeps the name.
        """
        self._client.models  # noqa: B018  imported when it is first looked at
        await asyncio.to_thread(platform.platform)
        await importlib.import_module("anyio").sleep(0)

    async def close(self) -> None:
        try:
            await self._client.close()
        finally:
            self._hidden.end()

    async def _judged(self, event: str, info: Mapping[str, Any]) -> None:
        """Look where a new connection leads before anything is sent: names may resolve to anything."""
        if self._proxy is not None:
            return
        host = host_of(self.url)
        try:
            if event == "connection.connect_tcp.started":
                await asyncio.to_thread(check_name, host, info.get("port"))
            elif event == "connection.connect_tcp.complete":
                peer = info["return_value"].get_extra_info("server_addr")
                if peer is not None:
                    check_peer(host, str(peer[0]))
        except AddressRefused as error:
            if event.endswith("complete"):
                await info["return_value"].aclose()
            raise RequestError(Kind.REFUSED, str(error)) from None

    async def models(self) -> dict[str, int | None]:
        """Names that the server lists, with the context in tokens where it says so. Raises RequestError."""
        try:
            answer = await self._client.get("/models", cast_to=self._http.Response)
            kind = answer.headers.get("content-type", "")
            if is_web_page(kind, answer.content[:100].decode("utf-8", "replace")):
                raise WebPage(Kind.REFUSED, self.place, "text/html")
            listed = models_of_list(answer.content)
            return {name: n for name, n in listed.items() if not self._key or self._key not in name}
        except ValueError as error:
            message = f"{self.place} did not answer with a list of models."
            raise RequestError(Kind.FAILED, message) from error
        except Exception as error:
            raise self._request_error(error, "") from None

    async def ask(self, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        """The whole answer; ``on_stream`` is told while it comes. Raises RequestError.

        Fields that the server does not know are left out, once each, and from then on.
        """
        known = dialect = REMEMBERED.of(self.url, request.model)
        while True:
            body = dialect.spoken(request.body())
            try:
                completion = await self._ask(body, request, on_stream)
            except _Refused as refused:
                other = dialect.without(refused.answer, body)
                if other is None:
                    raise
                dialect = other
                continue
            said = taken_apart(completion.text, cut=completion.finish_reason != "stop")
            if (completion.reasoning or said.reasoning) and not dialect.thinks:
                dialect = replace(dialect, thinks=True)
                if not said.text.strip():  # thoughts alone: once more without
                    continue
            if dialect is not known:
                REMEMBERED.keep(self.url, request.model, dialect)
            if "temperature" in dialect.refused and request.sampling is None:
                completion = replace(completion, notes=(*completion.notes, _NOT_GREEDY))
            return completion

    async def _ask(self, body: dict[str, Any], request: ChatRequest, on_stream: StreamCallback) -> Completion:
        try:
            # The client's way for any path, and the bytes read here: its typed objects take longer to make
            # than all the rest of a request, and what is nearly the protocol it takes for damaged.
            stream = await self._client.post(
                "/chat/completions",
                body=body,
                cast_to=object,
                stream=True,
                stream_cls=self._openai.AsyncStream[object],
            )
        except Exception as error:
            raise self._request_error(error, request.model) from None
        try:
            return await self._read(stream.response, request, on_stream)
        except RequestError:
            raise
        except Exception as error:
            raise self._request_error(error, request.model) from None
        finally:
            await stream.close()

    async def _read(self, response: Any, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        kind = self._without_key(response.headers.get("content-type", "").split(";")[0].strip())[:80].lower()
        answer = AnswerReader(request.max_new_tokens)
        try:
            try:
                async for data in _until_ended(response.aiter_bytes(), answer):
                    if answer.take(data):
                        on_stream(answer.text.pieces, self._without_key(answer.text.so_far))
            except self._http.HTTPError:
                if not answer.ended:
                    raise
            answer.finish()
        except Damaged as error:
            what = "JSON that is damaged" if kind == "application/json" else "damaged data"
            raise RequestError(Kind.FAILED, f"{self.place} answered with {what}, {_NOT}") from error
        except ValueError as error:
            raise RequestError(Kind.FAILED, f"{self.place} answered in another form, {_NOT}") from error
        if answer.error is not None:
            raise self._of_error(answer.error, request.model, refusable=not answer.text.pieces)
        if answer.foreign and is_web_page(kind, answer.foreign):
            raise WebPage(Kind.FAILED, self.place, kind or "nothing known")
        if answer.foreign:
            raise RequestError(Kind.FAILED, f"{self.place} answered with {kind or 'nothing known'}, {_NOT}")
        if answer.unknown:
            raise RequestError(Kind.FAILED, f"{self.place} answered in another form, {_NOT}")
        if not answer.ended:
            raise RequestError(Kind.FAILED, f"The answer of {self.place} broke off in the middle.")
        if answer.refusal:
            said = self._without_key(printable(answer.refusal))[:LONGEST_MESSAGE]
            message = f'{self.place} declines to read this page. It says: "{said}"'
            raise RequestError(Kind.PAGE, message)
        text, reasoning = answer.text.text(), answer.text.reasoning()
        if answer.filtered and not text:
            message = f"A content filter of {self.place} let nothing of this page's answer through."
            raise RequestError(Kind.PAGE, message)
        if not text and not reasoning and answer.textless:
            raise RequestError(Kind.FAILED, f"{self.place} answered without a text, {_NOT}")
        notes = (*answer.text.notes, *((_FILTERED,) if answer.filtered else ()))
        if not text.strip() and not reasoning:
            notes = (*notes, f"{self.place} {_EMPTY}")
        return Completion(
            self._without_long_key(text),
            answer.text.count(),
            answer.text.finish_reason,
            notes,
            self._without_long_key(reasoning),
        )

    def _request_error(self, error: Exception, model: str) -> RequestError:
        """``error`` of the client as ours, its words without the key."""
        openai, http = self._openai, self._http
        if isinstance(error, RequestError):
            return error
        if isinstance(error, openai.APITimeoutError | http.TimeoutException):
            return RequestError(Kind.UNREACHABLE, f"{self.place} did not answer in time.")
        if isinstance(error, openai.APIStatusError):
            if error.status_code == 407:
                return RequestError(Kind.REFUSED, asks_for_password(self.place, self._proxy))
            message = self._without_key(message_of(error.body))
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            key_env = self._endpoint.key_env
            found = of_status(error.status_code, message, headers, self.place, model, key_env)
            known = of_message(message, self.place, model)
            unknown_field = known is None and _UNKNOWN_FIELD.search(message) and error.status_code != 429
            if error.status_code in (400, 422) or (found.kind is not Kind.REFUSED and unknown_field):
                return _refused(found, error.body, known)
            return found
        if isinstance(error, openai.APIConnectionError | http.HTTPError):
            return self._unreachable(error)
        if isinstance(error, openai.APIResponseValidationError):
            return RequestError(Kind.FAILED, f"{self.place} answered in another form, {_NOT}")
        if isinstance(error, openai.APIError):
            return self._of_error(error.body if error.body is not None else str(error), model, False)
        if isinstance(error, ValueError | TypeError | AttributeError | KeyError):  # of its parser
            return RequestError(Kind.FAILED, f"{self.place} answered with damaged data, {_NOT}")
        raise error

    def _of_error(self, body: Any, model: str, refusable: bool) -> RequestError:
        """An error that came inside an answer of status 200; ``refusable``: before any text did."""
        message = self._without_key(message_of(body))
        known = of_message(message, self.place, model)
        found = known or RequestError(
            Kind.FAILED, f'{self.place} broke off with an error. It says: "{message[:LONGEST_MESSAGE]}"'
        )
        return _refused(found, body, known) if refusable and _UNKNOWN_FIELD.search(message) else found

    def _unreachable(self, error: Exception) -> RequestError:
        found = failure(error, self.url, self._proxy, (self._key,) if self._key else ())
        kind = Kind.REFUSED if found.lasting else Kind.UNREACHABLE
        return RequestError(kind, found.sentence, advised=found.advised)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def _without_long_key(self, text: str) -> str:
        """For what was read: a key of a few letters may well stand on a page."""
        return self._without_key(text) if len(self._key) >= SHORTEST_KEY else text

    async def _only_ours(self, request: Any) -> None:
        """Drop every header that the protocol does not need: the client adds those of OPENAI_CUSTOM_HEADERS,
        of an organisation and of this computer, which are nobody's business here.
        """
        kept = [(name, value) for name, value in request.headers.raw if name.lower() in _HEADERS]
        kept.append((b"Accept-Encoding", b"identity"))  # a compressed answer could be of any size
        if self._key:
            kept.append((b"Authorization", b"Bearer " + self._key.encode("ascii")))
        request.headers = self._http.Headers(kept)  # at once: deleting one after another takes far longer
        request.extensions = {**request.extensions, "trace": self._judged}

    async def _bounded(self, response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(
                Kind.FAILED, f"{self.place} answered in a compressed form that was not asked for."
            )
        response.stream = self._limited_stream(response.stream, self.place)


_UNKNOWN_FIELD = re.compile(
    r"un(supported|recogni[sz]ed|known|expected)|extra|not (permitted|allowed|support)|invalid|instead",
    re.I,
)
# LM Studio's answer to a picture that is longer than its context (lmstudio-bug-tracker #2339), among others.
_EMPTY = (
    "ended its answer without a word. If the page is not blank, the picture may be longer than the server's "
    "context: start it with a longer one, or give fewer megapixels."
)
_FILTERED = "The server's content filter ended the answer early: something of the page is missing."
_NOT_GREEDY = "The server takes no temperature of 0: it chooses among words, and another reading may differ."
_NOT = "which is not the OpenAI chat protocol. Check the address and what runs there."


class _Refused(RequestError):
    """A request that may be taken without a field that ``answer``, the server's words, names."""

    def __init__(self, found: RequestError, answer: Any) -> None:
        super().__init__(found.kind, found.message, found.wait)
        self.answer = answer


def _refused(found: RequestError, answer: Any, known: RequestError | None) -> RequestError:
    """``found`` as _Refused, but for what is known to be about something else."""
    if known is not None and (known.kind is Kind.PAGE or not points_at_fields(answer)):
        return found
    return _Refused(found, answer)


async def _until_ended(parts: Any, answer: AnswerReader) -> Any:
    """The parts of a body; after the end of the answer only what comes at once, for the connection's sake."""
    until: float | None = None
    while not answer.runaway and answer.error is None:
        try:
            if until is None:
                part = await parts.__anext__()
            else:
                part = await asyncio.wait_for(parts.__anext__(), max(0.0, until - time.monotonic()))
        except (StopAsyncIteration, asyncio.TimeoutError):
            return
        yield part
        if answer.ended and until is None:
            until = time.monotonic() + AFTER_END_SECONDS
        if answer.done and until is not None:
            until = min(until, time.monotonic() + AFTER_DONE_SECONDS)


def _limited_stream(base: Any) -> Any:
    """A stream that raises RequestError after MAX_ANSWER_BYTES; ``base`` is the HTTP library's class."""

    class Limited(base):  # type: ignore[misc]
        def __init__(self, stream: Any, where: str) -> None:
            self._stream, self._where = stream, where

        async def __aiter__(self) -> Any:
            received = 0
            async for part in self._stream:
                received += len(part)
                if received > MAX_ANSWER_BYTES:
                    raise RequestError(
                        Kind.FAILED,
                        f"The answer of {self._where} has no end: {MAX_ANSWER_BYTES // MIB} MiB for one "
                        "page.",
                    )
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Limited
