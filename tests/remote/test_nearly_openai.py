"""Servers that are nearly OpenAI's: an answer whose text arrived whole is a result, whatever its wrapping."""

# ruff: noqa: E501 - rows are easier to read as what comes over the line

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import resolve
from vramwise.ocr.remote.answer_fields import ending
from vramwise.ocr.remote.answer_reader import AnswerReader
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import load_settings

from devtools.fakes.chat_server import MODEL, ChatServer, chunk
from devtools.fakes.raw_server import RawServer, saying

TEXT = "Invoice 17\nTotal 12.50"
DONE = b"data: [DONE]\n\n"
QUICK = RetryPolicy(timeout=120.0, tries=2, first_tries=2, first_wait=0.01, longest_wait=0.02)


def event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def choice(**said: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, **said}]}


def whole(message: Any, reason: Any = "stop", **more: Any) -> dict[str, Any]:
    said = {"index": 0, "message": message, "finish_reason": reason}
    return {"object": "chat.completion", "choices": [said], **more}


SAID = chunk({"content": TEXT})
STOPPED = chunk({}, "stop")
USAGE = event({"choices": [], "usage": {"completion_tokens": 5}})
PRETTY = json.dumps(whole({"content": TEXT}, usage={"completion_tokens": 5}), indent=2).encode()
LINES = b"\n".join(
    json.dumps(choice(delta={"content": word})).encode() for word in ("Invoice 17\n", "Total 12.50")
)

# what comes over the line: (text, reasoning, finish reason, tokens as counted)
ANSWERS: dict[str, tuple[bytes, str, str, str, int]] = {
    "no finish reason, [DONE]": (SAID + DONE, TEXT, "", "stop", 1),
    "finish reason but no [DONE] (many proxies)": (SAID + STOPPED, TEXT, "", "stop", 1),
    "neither, but a count of tokens alone": (SAID + USAGE, TEXT, "", "stop", 5),
    "finish reason empty in each chunk (SGLang #3912)": (
        event(choice(delta={"role": None, "content": TEXT}, finish_reason="")) + DONE, TEXT, "", "stop", 1),
    'finish reason "null" (KoboldCpp)': (
        event(choice(delta={"content": "Invoice 17\n"}, finish_reason="null"))
        + event(choice(delta={"content": "Total 12.50"}, finish_reason="STOP")), TEXT, "", "stop", 2),
    "choices null, missing, and empty with a filter's result (Azure)": (
        event({"choices": None}) + event({"type": "ping"})
        + event({"choices": [], "prompt_filter_results": [{}]}) + SAID + STOPPED + DONE, TEXT, "", "stop", 1),
    "delta null beside the finish reason": (
        SAID + event(choice(delta=None, finish_reason="stop")) + DONE, TEXT, "", "stop", 1),
    "no delta at all in the last chunk": (SAID + event(choice(finish_reason="eos")) + DONE, TEXT, "", "stop", 1),
    "content as a list of parts": (
        event(choice(delta={"content": [{"type": "text", "text": "Invoice 17\n"}, {"text": "Total 12.50"}]}))
        + STOPPED, TEXT, "", "stop", 1),
    "thinking as a part (Mistral)": (
        event(choice(delta={"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": TEXT},
        ]})) + STOPPED, TEXT, "hm", "stop", 2),
    "reasoning under both names (vLLM) counts once": (
        event(choice(delta={"reasoning": "hm", "reasoning_content": "hm"})) + SAID + STOPPED,
        TEXT, "hm", "stop", 2),
    "reasoning alone, cut by the limit": (
        event(choice(delta={"reasoning_content": "hm", "content": None})) + chunk({}, "length", 64),
        "", "hm", "length", 64),
    "reasoning_details (OpenRouter) and its signs of life": (
        b": OPENROUTER PROCESSING\n\n"
        + event(choice(delta={"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}))
        + b": OPENROUTER PROCESSING\n\n" + SAID + STOPPED + DONE, TEXT, "hm", "stop", 2),
    "carriage returns, a byte order mark, no space, retry and id": (
        b"\xef\xbb\xbfretry: 3000\r\nid: 1\r\nevent: message\r\n"
        + SAID.replace(b"data: ", b"data:").replace(b"\n", b"\r\n") + b"data:[DONE]\r\n\r\n", TEXT, "", "stop", 1),
    "old Mac's line ends": ((SAID + STOPPED + DONE).replace(b"\n", b"\r"), TEXT, "", "stop", 1),
    "one newline between events": ((SAID + STOPPED + DONE).replace(b"\n\n", b"\n"), TEXT, "", "stop", 1),
    "no newline at the end": ((SAID + STOPPED).rstrip(b"\n"), TEXT, "", "stop", 1),
    "one event over many data lines": (
        b"data: " + PRETTY.replace(b"\n", b"\ndata: ") + b"\n\n", TEXT, "", "stop", 5),
    "JSON lines": (LINES + b"\n" + json.dumps(choice(delta={}, finish_reason="stop")).encode(), TEXT, "", "stop", 2),
    "JSON objects without anything between": (LINES.replace(b"\n{", b"{") + STOPPED[6:], TEXT, "", "stop", 2),
    "whole JSON over many lines": (PRETTY, TEXT, "", "stop", 5),
    "whole JSON as one event": (b"data: " + json.dumps(whole({"content": TEXT})).encode(), TEXT, "", "stop", 1),
    "whole JSON without a finish reason": (json.dumps(whole({"content": TEXT}, None)).encode(), TEXT, "", "stop", 1),
    "whole JSON with parts and null reasoning": (
        json.dumps(whole({"content": [{"type": "text", "text": TEXT}], "reasoning": None})).encode(),
        TEXT, "", "stop", 1),
    "whole JSON, content null, reasoning full": (
        json.dumps(whole({"content": None, "reasoning_content": "hm"}, "length")).encode(), "", "hm", "length", 1),
    "an array of chunks": (b"[" + LINES.replace(b"\n{", b",{") + b"]", TEXT, "", "stop", 2),
    "message in the chunks, the whole so far each time": (
        event(choice(message={"content": "Invoice 17\n"})) + event(choice(message={"content": TEXT}))
        + STOPPED, TEXT, "", "stop", 2),
    "message after the deltas (Perplexity)": (
        SAID + event(choice(delta={}, message={"content": TEXT}, finish_reason="stop")), TEXT, "", "stop", 1),
    "text in place of delta (completions)": (event(choice(text=TEXT, finish_reason=None)) + DONE, TEXT, "", "stop", 1),
    "Ollama's own lines": (
        json.dumps({"model": "m", "message": {"role": "assistant", "content": TEXT}, "done": False}).encode()
        + b"\n" + json.dumps(
            {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 5}
        ).encode() + b"\n", TEXT, "", "stop", 5),
    "counts as texts and as fractions": (
        SAID + event({"choices": [], "usage": {"completion_tokens": "5"}}) + DONE, TEXT, "", "stop", 5),
    "counts that are none": (
        SAID + event({"choices": [], "usage": {"completion_tokens": -1}}) + STOPPED, TEXT, "", "stop", 1),
    "a count of zero in each chunk (LocalAI)": (
        event({**choice(delta={"content": "Invoice 17\n"}), "usage": {"completion_tokens": 0}})
        + chunk({"content": "Total 12.50"}, "stop", 5), TEXT, "", "stop", 5),
    "halves of a letter in two chunks": (
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\ndata: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n'
        + DONE, "\U0001f600", "", "stop", 2),
    "a newline that was not escaped": (
        b'{"choices":[{"message":{"content":"a\tb"},"finish_reason":"stop"}]}', "a\tb", "", "stop", 1),
    "another choice beside ours": (
        SAID + event({"choices": [{"index": 1, "delta": {"content": "no"}}]}) + STOPPED, TEXT, "", "stop", 1),
    "an error after the end": (SAID + STOPPED + event({"error": "usage"}) + DONE, TEXT, "", "stop", 1),
    "damaged after the end": (SAID + STOPPED + b'data: {"usa\n\n' + DONE, TEXT, "", "stop", 1),
    "[DONE] as JSON, then more": (SAID + b'data: "[DONE]"\n\n' + SAID, TEXT, "", "stop", 1),
}  # fmt: skip


@pytest.mark.parametrize("step", [1, 7, 10**9])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_whose_text_arrived_whole_is_a_result(name: str, step: int) -> None:
    sent, *expected = ANSWERS[name]
    reader = AnswerReader(4096)
    for at in range(0, len(sent), step):
        reader.take(sent[at : at + step])
    reader.finish()
    text = reader.text
    assert reader.error is None and reader.ended and not reader.foreign and not reader.unknown
    assert [text.text(), text.reasoning(), text.finish_reason, text.count()] == expected


@pytest.mark.parametrize(
    "left",
    [b"", b"Content-Length: 99999\r\n", b"Transfer-Encoding: chunked\r\n"],
    ids=["close", "length", "chunks"],
)
def test_a_line_that_breaks_after_the_end_takes_nothing_away(
    left: bytes, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    body = SAID + STOPPED
    sent = b"%x\r\n%b\r\n" % (len(body), body) if b"chunked" in left else body
    with saying(lambda *_: [b"HTTP/1.1 200 OK\r\n" + left + b"\r\n" + sent]) as server:
        (result,) = read(server, endpoints, pictures(1))
    assert result.text == TEXT and result.finish_reason == "stop"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (SAID, "broke off in the middle"),
        (SAID[:-9], "damaged data"),
        (SAID + event({"error": {"message": "EngineCore died", "code": 500}}), "EngineCore died"),
        (b'event: error\ndata: {"message": "Overloaded", "type": "overloaded_error"}\n\n', "Overloaded"),
        (event({"object": "error", "message": "KV cache is full", "code": 500}), "KV cache is full"),
        (json.dumps([{"error": {"message": "Quota exceeded", "code": 429}}]).encode(), "Quota exceeded"),
        (json.dumps({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})
         .encode(), "insufficient balance"),
        (event({"text": "**NETWORK ERROR**", "error_code": 50001}), "NETWORK ERROR"),
        (event({"id": "1", "error": {"message": "Provider disconnected"}, **choice(finish_reason="error")}),
         "Provider disconnected"),
        (SAID + event(choice(delta={}, finish_reason="abort")), "ended the answer with an error"),
        (SAID + event(choice(delta={}, finish_reason={"type": "abort", "message": "x"})), "with an error"),
        (event(choice(delta={"refusal": "I can't help with that."}, finish_reason="stop")),
         r'declines to read this page\. It says: "I can\'t'),
        (event(choice(delta={}, finish_reason="content_filter")) + DONE, "content filter .* let nothing"),
        (json.dumps(whole({"content": None})).encode(), "without a text"),
        (b"<html><title>Sign in</title></html>", "not the OpenAI chat protocol"),
        (b'{"result": "ok"}', "in another form"),
        (b"[" * 200_000, "JSON that is damaged|damaged data"),
        (b"data: " + b'{"a":' * 100_000 + b"\n\n", "damaged data"),
        (event({"choices": [{"delta": {"content": 7}}]}), "in another form"),
        (b"data: \xff\xfe{}\n\n", "damaged data"),
        (b"", "broke off in the middle"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_sentence_and_no_text(
    sent: bytes, says: str, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    with Saying(lambda body: (200, sent)) as server:
        with pytest.raises(VramwiseError, match=says) as caught:
            read(server, endpoints, pictures(1))
        assert f"127.0.0.1:{server.port}" in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("stop", "stop"), ("STOP", "stop"), ("eos", "stop"), ("eos_token", "stop"), ("stop_sequence", "stop"),
        ("FinishReason.STOP", "stop"), ({"type": "stop", "matched": 2}, "stop"), ("tool_calls", "stop"),
        ("end_turn", "stop"), ("length", "length"), ("max_tokens", "length"), ("MAX_TOKENS", "length"),
        ("FinishReason.MAX_TOKENS", "length"), ({"type": "length", "length": 64}, "length"),
        ("model_length", "length"), ("content_filter", "filtered"), ("SAFETY", "filtered"),
        ("RECITATION", "filtered"), ("error", "broken"), ("abort", "broken"), ("network_error", "broken"),
        ("insufficient_system_resource", "broken"), ("", ""), (None, ""), ("null", ""), (False, ""), (7, ""),
    ],
)  # fmt: skip
def test_finish_reasons_as_servers_write_them(reason: Any, kind: str) -> None:
    assert ending(reason) == kind


class Saying(ChatServer):
    """Answers with what ``how`` makes of a request's body: (status, bytes)."""

    def __init__(self, how: Callable[[dict[str, Any]], tuple[int, bytes]]) -> None:
        super().__init__()
        self.how = how
        self.bodies: list[dict[str, Any]] = []

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()))
        status, sent = self.how(self.bodies[-1])
        return web.Response(status=status, body=sent, content_type="text/event-stream")


def read(server: ChatServer | RawServer, endpoints: Callable[..., None], pages: list[Any]) -> list[Any]:
    endpoints(studio={"urls": [server.url]})
    engine = RemoteEngine(resolve("studio", load_settings()), "", MODEL, "auto", 1, QUICK)
    return list(engine.read(pages, ReadOptions(), NoProgress()))


def openai(name: str) -> dict[str, Any]:
    return {"error": {"message": f"Unrecognized request argument supplied: {name}", "param": None}}


def pydantic(name: str) -> list[dict[str, Any]]:
    return [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]


# Refusals as servers write them: (field, status, body)
REFUSALS: dict[str, tuple[str, int, Any]] = {
    "OpenAI's words": ("stream_options", 400, openai("stream_options")),
    "OpenAI's param": (
        "temperature", 400,
        {"error": {"message": "Unsupported value: 'temperature' does not support 0 with this model. Only the "
                   "default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}}),
    "OpenAI's other name": (
        "max_tokens", 400,
        {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                   "'max_completion_tokens' instead.", "param": "max_tokens"}}),
    "FastAPI": ("frequency_penalty", 422, {"detail": pydantic("frequency_penalty")}),
    "FastAPI that repeats the request": (
        "frequency_penalty", 422,
        {"detail": [{**pydantic("frequency_penalty")[0], "input": {"temperature": 0, "max_tokens": 9}}]}),
    "Mistral, JSON in a text": (
        "stream_options", 422,
        {"object": "error", "message": json.dumps({"detail": pydantic("stream_options")}), "param": None}),
    "Mistral, detail in message": (
        "frequency_penalty", 422, {"object": "error", "message": {"detail": pydantic("frequency_penalty")}}),
    "Gemini's list": (
        "frequency_penalty", 400,
        [{"error": {"code": 400, "message": 'Unknown name "frequency_penalty": Cannot find field.'}}]),
    "NIM": (
        "frequency_penalty", 422,
        {"title": "Unprocessable Entity", "detail": "body -> frequency_penalty\n  Extra inputs are not permitted"}),
    "Fireworks": (
        "stream_options", 400,
        {"error": {"message": "Extra inputs are not permitted, field: 'stream_options'"}}),
    "a plain text": ("stream", 400, "streaming is not supported"),
    "transformers serve": ("frequency_penalty", 422, {"detail": "Unexpected fields: {'frequency_penalty'}"}),
    "TGI": ("temperature", 422, {"error": "Input validation error: `temperature` must be strictly positive"}),
    "vLLM's template": (
        "chat_template_kwargs", 400,
        {"error": {"message": "Kwargs ['enable_thinking'] are not supported by `apply_chat_template`."}}),
    "vLLM 0.6, a list of Python's": (
        "stream_options", 400,
        {"message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs'}]"}),
    "words with a space": ("frequency_penalty", 400, {"error": "frequency penalty not supported"}),
    "camel case": ("stream_options", 422, {"detail": [{"loc": ["body", "streamOptions"], "msg": "extra"}]}),
    "status 500": ("stream_options", 500, {"error": {"message": "unsupported parameter stream_options"}}),
    "status 501": ("stream", 501, "stream is not supported"),
    "in an answer of status 200": ("stream_options", 200, openai("stream_options")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_field_that_a_server_refuses_is_left_out_once_and_for_all(
    name: str, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    field, status, said = REFUSALS[name]
    answer = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    with Saying(lambda body: (status, answer) if field in body else (200, SAID + STOPPED)) as server:
        first = read(server, endpoints, pictures(2))
        again = read(server, endpoints, pictures(1))
    assert [result.text for result in (*first, *again)] == [TEXT] * 3
    sent = [set(body) for body in server.bodies]
    replaced = {"max_completion_tokens"} if field == "max_tokens" else set()
    assert sent[1] == sent[0] - {field} | replaced and sent[1:] == [sent[1]] * 3, "asked again once in all"
    assert all(bool(result.notes) == (field == "temperature") for result in first), "what is lost is said"


def test_a_server_that_refuses_field_after_field_is_asked_once_for_each(
    endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    def picky(body: dict[str, Any]) -> tuple[int, bytes]:
        left = [name for name in body if name not in ("model", "messages")]
        return (400, json.dumps(openai(left[0])).encode()) if left else (200, SAID + DONE)

    with Saying(picky) as server:
        (result,) = read(server, endpoints, pictures(1))
    assert result.text == TEXT and len(server.bodies) == len(server.bodies[0]) - 2 + 2


def test_a_server_that_always_refuses_gets_no_endless_questions(
    endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    said = json.dumps(openai("stream_options, temperature, max_tokens and frequency_penalty")).encode()
    with Saying(lambda body: (400, said)) as server:
        with pytest.raises(VramwiseError, match=r"HTTP 400\)\. It says: \"Unrecognized"):
            read(server, endpoints, pictures(1))
        asked = len(server.bodies)
        assert asked <= 3
        with pytest.raises(VramwiseError):
            read(server, endpoints, pictures(1))
    assert set(server.bodies[asked]) == set(server.bodies[0]), "what did not help is not remembered"


@pytest.mark.parametrize("words", ["at most 2048 completion tokens", "less than or equal to `2048`"])
def test_a_limit_of_tokens_that_a_server_names_is_kept_to(
    words: str, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    said = {"error": {"message": f"max_tokens is too large: 4096. This model supports {words}"}}

    def limited(body: dict[str, Any]) -> tuple[int, bytes]:
        return (400, json.dumps(said).encode()) if body["max_tokens"] > 2048 else (200, SAID + STOPPED)

    with Saying(limited) as server:
        assert [result.text for result in read(server, endpoints, pictures(2))] == [TEXT] * 2
    assert [body["max_tokens"] for body in server.bodies][1:] == [2048, 2048]


def test_a_page_beyond_the_context_is_told_and_not_asked_again(
    endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    said = {
        "error": {
            "message": "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum "
            "context length is 2048 tokens and your request has 1000 input tokens",
            "param": "max_tokens",
        }
    }
    with (
        Saying(lambda body: (400, json.dumps(said).encode())) as server,
        pytest.raises(VramwiseError, match="not enough context"),
    ):
        read(server, endpoints, pictures(1))
    assert len(server.bodies) == 1


def test_an_answer_without_a_word_says_what_it_may_mean(
    endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    with Saying(lambda body: (200, chunk({"role": "assistant"}) + chunk({}, "stop", 0) + DONE)) as server:
        (result,) = read(server, endpoints, pictures(1))
    assert result.text == "" and "ended its answer without a word" in result.notes[0]


@pytest.mark.parametrize(
    "words",
    [
        "messages[0]: unknown variant `image_url`, expected `text`",
        "Invalid content type. image_url is only supported by certain models.",
        "this model does not support image input",
        [
            {
                "loc": "body -> messages -> 0 -> content -> list[TextContentPart] -> 0",
                "msg": "Input should be 'text'",
            }
        ],
        [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}],
        "messages.0.content must be a string",
        "image input is not supported - hint: you may need to provide the mmproj",
    ],
)
def test_a_model_that_takes_no_pictures_is_said_to(
    words: Any, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    said = json.dumps({"detail": words}).encode()
    with Saying(lambda body: (400, said)) as server, pytest.raises(VramwiseError, match="not a vision model"):
        read(server, endpoints, pictures(1))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "listing",
    [
        {"object": "list", "data": [{"id": MODEL, "max_model_len": 4096}]},
        {"models": [{"name": MODEL, "context_length": "4096"}], "data": None},
        [{"id": MODEL, "max_context_length": 4096.0}],
        {"data": [MODEL]},
    ],
)
def test_models_are_listed_in_several_forms(
    listing: Any, endpoints: Callable[..., None], pictures: Callable[..., list[Any]]
) -> None:
    class Listing(ChatServer):
        async def _models(self, request: web.Request) -> web.Response:
            return web.Response(text=json.dumps(listing), content_type="text/plain")

    with Listing() as server:
        endpoints(studio={"urls": [server.url]})
        engine = RemoteEngine(resolve("studio", load_settings()), "", "", "auto", 1, QUICK)
        (result,) = engine.read(pictures(1), ReadOptions(), NoProgress())
    assert result.model == MODEL
