"""One server, spoken to with the official ``openai`` client: a picture and a prompt in, the text out.

The client is told as little as possible: it follows no redirect, retries nothing (the pool does), and sends
no header beyond what the protocol needs, whatever the environment says about other accounts. Its exceptions
are never chained to ours: they hold what the server said word for word, which may repeat the key, and a
traceback would carry that into logs and histories.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import platform
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import VramwiseError
from ...units import MIB
from .endpoints import Endpoint, is_loopback, place
from .errors import LONGEST_MESSAGE, Kind, RequestError, of_message, of_status
from .stream_text import StreamText

MAX_ANSWER_BYTES = 32 * MIB  # of one answer with its envelope; 32,000 tokens take about 8 MiB
CONNECT_SECONDS = 10.0
_HEADERS = (b"accept", b"connection", b"content-length", b"content-type", b"host", b"transfer-encoding")
_NO_KEY = "none"


@dataclass(frozen=True)
class ChatRequest:
    """One page as it is sent. ``picture`` is a data: URL, encoded once; ``tags``: special tokens are part of
    the answer.
    """

    model: str
    prompt: str
    picture: str
    max_new_tokens: int
    tags: bool = False

    def body(self) -> dict[str, Any]:
        """The request: greedy, no repetition penalty, token by token."""
        content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": self.picture}}]
        if self.prompt:
            content.append({"type": "text", "text": self.prompt})
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0.0,
            "frequency_penalty": 0.0,
            "max_tokens": self.max_new_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return {**body, "skip_special_tokens": False} if self.tags else body


@dataclass(frozen=True)
class Completion:
    """What came back. ``tokens`` as the server counted them, or the pieces that arrived where it does not;
    ``reasoning`` is what the server sent as the model's thinking, apart from the text.
    """

    text: str
    tokens: int
    finish_reason: str
    notes: tuple[str, ...] = ()
    reasoning: str = ""


StreamCallback = Callable[[int, str], None]  # pieces so far, text so far


def require_openai() -> Any:
    """The ``openai`` package; VramwiseError with the command where it is missing."""
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise VramwiseError(
            "Reading by a server needs the package openai, which is not installed. Run: "
            "python -m pip install openai"
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
        transport = openai.DefaultAsyncHttpxClient(
            # Without TLS nothing is vouched for by anybody, and reading the system's list takes a while.
            verify=True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            follow_redirects=False,
            trust_env=not is_loopback(url),
            timeout=self._http.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            event_hooks={"request": [self._only_ours], "response": [self._bounded]},
        )
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY, base_url=url, max_retries=0, http_client=transport
        )

    async def ready(self) -> None:
        """Do what comes before the first packet, so that a time limit on the server does not count it.

        The openai client imports more of itself, and asks the system for the processor's name, which starts a
        program: on a busy machine these have taken more than two seconds. Python keeps the name.
        """
        self._client.models  # noqa: B018  imported when it is first looked at
        await asyncio.to_thread(platform.platform)
        await importlib.import_module("anyio").sleep(0)

    async def close(self) -> None:
        await self._client.close()

    async def models(self) -> dict[str, int | None]:
        """Names that the server lists, with the context in tokens where it says so. Raises RequestError."""
        try:
            page = await self._client.models.list()
        except Exception as error:
            raise self._request_error(error, "") from None
        listed = page.data if isinstance(getattr(page, "data", None), list) else None
        if listed is None or not all(isinstance(getattr(model, "id", None), str) for model in listed):
            raise RequestError(Kind.FAILED, f"{self.place} did not answer with a list of models.")
        return {model.id: _whole_number(getattr(model, "max_model_len", None)) for model in listed}

    async def ask(self, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        """The whole answer; ``on_stream`` is told while it comes. Raises RequestError."""
        try:
            # The client's way for any path, with plain data back: its typed objects take longer to make than
            # all the rest of a request, and each token comes in one.
            stream = await self._client.post(
                "/chat/completions",
                body=request.body(),
                cast_to=object,
                stream=True,
                stream_cls=self._openai.AsyncStream[object],
            )
        except Exception as error:
            raise self._request_error(error, request.model) from None
        try:
            kind = stream.response.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind == "application/json":
                return self._whole(await stream.response.aread(), request)
            if kind != "text/event-stream":
                raise RequestError(
                    Kind.FAILED, f"{self.place} answered with {kind or 'nothing known'}, {_NOT}"
                )
            return await self._streamed(stream, request, on_stream)
        except RequestError:
            raise
        except Exception as error:
            raise self._request_error(error, request.model) from None
        finally:
            await stream.close()

    async def _streamed(self, stream: Any, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        text = StreamText(request.max_new_tokens)
        async for chunk in stream:
            try:
                used = _whole_number((chunk.get("usage") or {}).get("completion_tokens"))
                text.tokens = used if used is not None else text.tokens
                choice = chunk["choices"][0] if chunk["choices"] else {}
                delta, ended = choice.get("delta") or {}, choice.get("finish_reason")
                piece = delta.get("content")
                thought = delta.get("reasoning_content") or delta.get("reasoning")
            except (KeyError, TypeError, AttributeError) as error:
                raise RequestError(Kind.FAILED, f"{self.place} answered in another form, {_NOT}") from error
            if isinstance(thought, str):
                text.add_reasoning(thought)
            if isinstance(piece, str) and piece:
                text.add(piece)
                on_stream(text.pieces, text.so_far)
            if isinstance(ended, str) and ended:
                text.finish_reason = "length" if ended == "length" else "stop"
            if text.runaway:
                break
        if not text.finish_reason:
            raise RequestError(Kind.FAILED, f"The answer of {self.place} broke off in the middle.")
        return _completion(text)

    def _whole(self, body: bytes, request: ChatRequest) -> Completion:
        """The answer of a server that does not stream."""
        try:
            data = json.loads(body)
            if "error" in data:
                raise self._of_error(data["error"], request.model)
            choice = data["choices"][0]
            content, ended = choice["message"]["content"], choice.get("finish_reason")
            used = _whole_number((data.get("usage") or {}).get("completion_tokens"))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise RequestError(
                Kind.FAILED, f"{self.place} answered with JSON that is damaged or in another form, {_NOT}"
            ) from error
        if not isinstance(content, str):
            raise RequestError(Kind.FAILED, f"{self.place} answered without a text, {_NOT}")
        text = StreamText(request.max_new_tokens)
        text.add(content)
        text.tokens = used
        text.finish_reason = text.finish_reason or ("length" if ended == "length" else "stop")
        return _completion(text)

    def _request_error(self, error: Exception, model: str) -> RequestError:
        """``error`` of the client as ours, its words without the key."""
        openai, http = self._openai, self._http
        if isinstance(error, RequestError):
            return error
        if isinstance(error, openai.APITimeoutError | http.TimeoutException):
            return RequestError(Kind.UNREACHABLE, f"{self.place} did not answer in time.")
        if isinstance(error, openai.APIStatusError):
            message = self._without_key(_message(error.body))
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            key_env = self._endpoint.key_env
            return of_status(error.status_code, message, headers, self.place, model, key_env)
        if isinstance(error, openai.APIConnectionError | http.HTTPError):
            return self._unreachable(error)
        if isinstance(error, openai.APIResponseValidationError):
            return RequestError(Kind.FAILED, f"{self.place} answered in another form, {_NOT}")
        if isinstance(error, openai.APIError):
            return self._of_error(error.body if error.body is not None else str(error), model)
        if isinstance(error, ValueError | TypeError | AttributeError | KeyError):  # of its parser
            return RequestError(Kind.FAILED, f"{self.place} answered with damaged data, {_NOT}")
        raise error

    def _of_error(self, body: Any, model: str) -> RequestError:
        """An error that came inside an answer of status 200."""
        message = self._without_key(_message(body))
        known = of_message(message, self.place, model)
        return known or RequestError(
            Kind.FAILED, f'{self.place} broke off with an error. It says: "{message[:LONGEST_MESSAGE]}"'
        )

    def _unreachable(self, error: Exception) -> RequestError:
        cause: BaseException | None = error
        words = []
        while cause is not None:
            words.append(str(cause))
            cause = cause.__cause__ or cause.__context__
        if any("CERTIFICATE" in word.upper() for word in words):
            return RequestError(
                Kind.REFUSED,
                f"The certificate of {self.place} cannot be checked. For a certificate of your own, name its "
                "authority's file in the environment variable SSL_CERT_FILE.",
            )
        last = next((word for word in reversed(words) if word), type(error).__name__)
        return RequestError(
            Kind.UNREACHABLE, f"{self.place} cannot be reached ({self._without_key(last)[:120]})."
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    async def _only_ours(self, request: Any) -> None:
        """Drop every header that the protocol does not need: the client adds those of OPENAI_CUSTOM_HEADERS,
        of an organisation and of this computer, which are nobody's business here.
        """
        kept = [(name, value) for name, value in request.headers.raw if name.lower() in _HEADERS]
        kept.append((b"Accept-Encoding", b"identity"))  # a compressed answer could be of any size
        if self._key:
            kept.append((b"Authorization", b"Bearer " + self._key.encode("ascii")))
        request.headers = self._http.Headers(kept)  # at once: deleting one after another takes far longer

    async def _bounded(self, response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(
                Kind.FAILED, f"{self.place} answered in a compressed form that was not asked for."
            )
        response.stream = self._limited_stream(response.stream, self.place)


_NOT = "which is not the OpenAI chat protocol. Check the address and what runs there."


def _completion(text: StreamText) -> Completion:
    return Completion(text.text(), text.count(), text.finish_reason, tuple(text.notes), text.reasoning())


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


def _message(body: Any) -> str:
    """The sentence in an error's body: of OpenAI's, FastAPI's or Ollama's form. Nothing of an HTML page."""
    for _ in range(3):
        if not isinstance(body, Mapping):
            break
        body = next((body[name] for name in ("error", "message", "detail") if body.get(name)), "")
    if isinstance(body, list):
        body = json.dumps(body, ensure_ascii=False)
    text = body if isinstance(body, str) else ""
    return "" if text.lstrip().startswith("<") else text[:2000]


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
