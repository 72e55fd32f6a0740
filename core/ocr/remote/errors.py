"""What goes wrong with a server, sorted by what helps: wait, ask another server, another page, or stop."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...errors import VramwiseError
from ...network.failures import printable
from ...network.waiting import retry_after

LONGEST_MESSAGE = 240  # characters of a server's own message that are repeated


class EndpointError(VramwiseError):
    """No server of the endpoint can read anything now: further pages would fail the same way."""


class Kind(Enum):
    UNREACHABLE = "no connection, or it broke off before an answer"
    BUSY = "asked to come back later"
    FAILED = "an error or nonsense; another try may help"
    REFUSED = "this server will never answer as it is asked"
    PAGE = "this page will never be read as it is asked"


class RequestError(Exception):
    """One failed request. ``wait`` is what the server asked for, in seconds; ``advised``: the message says
    what to do.
    """

    def __init__(self, kind: Kind, message: str, wait: float | None = None, advised: bool = False) -> None:
        super().__init__(message)
        self.kind, self.message, self.wait, self.advised = kind, message, wait, advised


class WebPage(RequestError):
    """A web page where an answer was asked for: of a network's sign-in, of a proxy, or of the server's own
    site at another address.
    """

    def __init__(self, kind: Kind, where: str, answered: str) -> None:
        super().__init__(
            kind,
            f"{where} answered with {answered}, which is not the OpenAI chat protocol but a web page: a "
            "network's sign-in, or a site of the server beside its API. Sign in, or check the address in "
            "config.yaml; its path is mostly /v1.",
            advised=True,
        )


@dataclass(frozen=True)
class _Pattern:
    """Words by which a server's message is known, and the sentence for it."""

    words: re.Pattern[str]
    kind: Kind
    sentence: str


def _pattern(words: str, kind: Kind, sentence: str) -> _Pattern:
    return _Pattern(re.compile(words, re.IGNORECASE | re.DOTALL), kind, sentence)


# In this order: a message about a picture that a model cannot take also names the model.
_PATTERNS = (
    _pattern(
        r"out of memory|OutOfMemory|failed to allocate|not enough memory|requires more system memory",
        Kind.FAILED,
        "ran out of memory. Ask for fewer pages at once (concurrency), for smaller ones (megapixels), or "
        "give the server more room.",
    ),
    _pattern(  # vLLM, Xinference, Ollama's runner, transformers' Mllama
        r"at most [1-9]\d{0,3} image|limit-mm-per-prompt|passed \d{1,4} image items"
        r"|supports? (only )?(a single|one|1) (image|picture)|only (a single|one|1) (image|picture)",
        Kind.PAGE,
        "takes fewer pictures in one question than these. Ask about fewer, switch together off, or have the "
        "server take more (vLLM: --limit-mm-per-prompt).",
    ),
    _pattern(
        r"not a (multi-?modal|vision)|mmproj|at most 0 image|unknown variant .{0,12}image_url"
        r"|image_url.{0,40}(only supported|not supported|not allowed|unexpected)|TextContentPart"
        r"|Input should be 'text'|content.{0,200}(must|should) be a (valid )?string"
        r"|(does not|doesn't|not) support(ed|s)?\b.{0,40}(image|vision|multi-?modal)"
        r"|(image|vision|multi-?modal).{0,60}(not supported|unsupported|not support)",
        Kind.REFUSED,
        "serves {model}, which is not a vision model there. Serve one that takes pictures, or name another "
        "under model.",
    ),
    _pattern(
        r"context (length|window|size)|maximum context|max_model_len|max(imum)? (model )?length"
        r"|too many tokens|longer than the (model|maximum)|prompt is too long"
        r"|exceed.{0,40}(token|context|length)",
        Kind.PAGE,
        "has not enough context for this page. Give fewer megapixels or max_new_tokens, or start the server "
        "with a longer context.",
    ),
    _pattern(
        r"model.{0,200}(does not exist|not found|not exist|unknown|is not available|try pulling)|pinned to"
        r"|no such model|model_not_found|is not a valid model identifier",
        Kind.REFUSED,
        "has no model {model}.",
    ),
)


# OpenAI's, DeepSeek's and OpenRouter's words for an empty account; Gemini has the first for a minute's limit
# too, with the time after which to come back.
_UNPAID = re.compile(
    r"exceeded your current quota|insufficient[ _](?:quota|balance|credits|funds)|billing hard limit", re.I
)
_RETRY = re.compile(r"retry in|try again in|retry after", re.I)


def of_status(
    status: int, message: str, headers: Mapping[str, str], where: str, model: str, key_env: str
) -> RequestError:
    """What an HTTP answer other than 200 means. ``where`` is host and port; ``message`` is the server's."""
    if status in (401, 403):
        remedy = (
            f"Check the key in the environment variable {key_env}"
            if key_env
            else "Name the environment variable of its key as key_env of the endpoint in config.yaml"
        )
        return RequestError(Kind.REFUSED, f"{where} refuses the key (HTTP {status}). {remedy}.")
    if 300 <= status < 400:
        return RequestError(
            Kind.REFUSED,
            f"{where} redirects to another address (HTTP {status}), and redirects are not followed. Put the "
            "final address into config.yaml.",
        )
    if status in (429, 503) and "retry-after" in headers:
        return RequestError(
            Kind.BUSY, f"{where} asks to come back later (HTTP {status}).", retry_after(headers)
        )
    if status == 402 or (status == 429 and _UNPAID.search(message) and not _RETRY.search(message)):
        return RequestError(
            Kind.REFUSED,
            f"{where} has no credit left for this key (HTTP {status}). Pay in there, or choose another "
            f"endpoint.{_quoted(message)}",
        )
    if status == 511:  # RFC 6585: the network itself wants somebody to sign in
        return WebPage(Kind.REFUSED, where, f"HTTP {status}")
    known = of_message(message, where, model)
    if known is not None:
        return known
    if status in (404, 405):  # a site answers 405 where nothing may be posted
        return RequestError(
            Kind.REFUSED,
            f"{where} knows no chat protocol at this address (HTTP {status}). Its path is mostly /v1: "
            f"check the address in config.yaml.{_quoted(message)}",
        )
    if status == 429:
        return RequestError(Kind.BUSY, f"{where} has too many requests (HTTP 429).")
    if status == 413:
        return RequestError(
            Kind.PAGE, f"The picture is too large for {where} (HTTP 413). Give fewer megapixels."
        )
    kind = Kind.FAILED if status >= 500 or status in (408, 409, 425) else Kind.PAGE
    return RequestError(kind, f"{where} answered with an error (HTTP {status}).{_quoted(message)}")


def of_message(message: str, where: str, model: str) -> RequestError | None:
    """The error by the words of a server's message, None where they say nothing that is known."""
    for pattern in _PATTERNS:
        if pattern.words.search(message):
            sentence = pattern.sentence.format(model=model)
            return RequestError(pattern.kind, f"{where} {sentence}{_quoted(message)}")
    return None


def message_of(body: Any) -> str:
    """The sentence in an error's body: of OpenAI's, FastAPI's or Ollama's form. Nothing of an HTML page."""
    for _ in range(4):
        if isinstance(body, list) and len(body) == 1 and isinstance(body[0], Mapping) and "error" in body[0]:
            body = body[0]  # Gemini wraps its errors so
        if not isinstance(body, Mapping):
            break
        names = ("error", "message", "detail", "msg", "status_msg", "error_message")
        body = next((body[name] for name in names if body.get(name)), "")
    if isinstance(body, list | Mapping):
        body = json.dumps(body, ensure_ascii=False, default=str)
    text = body if isinstance(body, str) else ""
    return "" if text.lstrip().startswith("<") else printable(text[:2000])


def _quoted(message: str) -> str:
    text = " ".join(message.split())
    if not text:
        return ""
    short = text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."
    return f' It says: "{short}"'
