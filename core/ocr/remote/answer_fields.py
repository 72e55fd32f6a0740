"""What one JSON value of an answer says: text, thinking, how it ended, tokens, an error.

OpenAI's form, and what servers that follow it nearly write instead (docs/decisions.md names them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LENGTH, STOP, FILTERED, BROKEN = "length", "stop", "filtered", "broken"
_ENDINGS = {
    LENGTH: "length max_tokens max_length max_new_tokens max_output_tokens model_length token_limit",
    FILTERED: "content_filter content_filtered safety recitation prohibited_content blocklist spii sensitive "
    "image_safety refusal guardrail_intervened",
    BROKEN: "error abort aborted cancelled canceled network_error insufficient_system_resource timeout "
    "internal_error malformed_response",
    "": "none null false 0",
}
_ENDING = {word: kind for kind, words in _ENDINGS.items() for word in words.split()}
_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
_COUNTS = ("completion_tokens", "output_tokens", "generated_tokens", "completionTokens")
MOST_TOKENS = 10**9


@dataclass(frozen=True)
class AnswerFields:
    """``message``: the text is that of the whole answer so far, not the next piece. ``usage_only``: nothing
    but a count, which servers send last. ``ended`` is empty while the answer goes on.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    ended: str = ""
    tokens: int | None = None
    error: Any = None
    message: bool = False
    usage_only: bool = False


def fields_of(event: Any) -> AnswerFields:
    """Raises ValueError for what is no answer in any form that is known."""
    if isinstance(event, list) and len(event) == 1:  # Gemini wraps its errors so
        event = event[0]
    if not isinstance(event, Mapping):
        raise ValueError("no object")
    error = _error(event)
    if error is not None:
        return AnswerFields(error=error)
    tokens = _tokens(event)
    choices = event.get("choices")
    if isinstance(event.get("message"), Mapping) and not choices:  # Ollama's own form
        choices = [{"message": event["message"], "finish_reason": event.get("done_reason")}]
        text = _of_choice(choices[0])
        ended = text.ended or (STOP if event.get("done") is True else "")
        return AnswerFields(text.text, text.reasoning, ended=ended, tokens=tokens)
    if choices is None or choices == []:
        counted = tokens is not None and tokens > 0
        return AnswerFields(tokens=tokens, usage_only=counted)
    if not isinstance(choices, list):
        raise ValueError("choices is no list")
    first = next((c for c in choices if isinstance(c, Mapping) and c.get("index") in (0, None)), None)
    if first is None:
        if any(not isinstance(choice, Mapping) for choice in choices):
            raise ValueError("a choice is no object")
        return AnswerFields(tokens=tokens)  # of a second answer, which nobody asked for
    found = _of_choice(first)
    return AnswerFields(
        found.text, found.reasoning, found.refusal, found.ended, tokens, message=found.message
    )


def _of_choice(choice: Mapping[str, Any]) -> AnswerFields:
    said = choice.get("delta")
    message = not isinstance(said, Mapping) or not _says_something(said)
    if message and choice.get("message") is not None:
        said = choice["message"]
    message = message and isinstance(choice.get("message"), Mapping)
    if said is None or said == []:
        said = {}
    if isinstance(said, str):
        said = {"content": said}
    if not isinstance(said, Mapping):
        raise ValueError("neither delta nor message is an object")
    text, thought = _content(said.get("content"))
    if not text and isinstance(choice.get("text"), str):  # of the older completions
        text = choice["text"]
    marked = next((said[name] for name in _REASONING if said.get(name)), None)
    if marked is None:
        thought = thought or _content(said.get("reasoning_details"))[1]
    else:  # several fields of one chunk repeat each other
        thought = "".join(_content(marked)) or thought
    refusal = said.get("refusal")
    return AnswerFields(
        text,
        thought,
        refusal if isinstance(refusal, str) else "",
        ending(choice.get("finish_reason")),
        message=message,
    )


def _says_something(delta: Mapping[str, Any]) -> bool:
    return any(delta.get(name) for name in ("content", *_REASONING, "reasoning_details"))


def _content(value: Any, depth: int = 0) -> tuple[str, str]:
    """(text, thinking) of a content field: a text, or a list of parts of which some may be thinking."""
    if value is None or depth > 4:
        return "", ""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, list):
        parts = [_content(part, depth + 1) for part in value]
        return "".join(text for text, _ in parts), "".join(thought for _, thought in parts)
    if isinstance(value, Mapping):
        kind = str(value.get("type", ""))
        if "thinking" in kind or "reasoning" in kind:
            names = ("thinking", "text", "reasoning", "summary", "content")
            inner = next((value[name] for name in names if value.get(name)), None)
            return "", "".join(_content(inner, depth + 1))
        said = next((value[name] for name in ("text", "value", "content") if value.get(name)), None)
        return _content(said, depth + 1)
    raise ValueError("the content is no text")


def ending(reason: Any) -> str:
    """A finish reason as one of LENGTH, STOP, FILTERED and BROKEN, "" where it says nothing.

    Servers write eos, eos_token, STOP, FinishReason.MAX_TOKENS, {"type": "stop"}; any other word is an end.
    """
    if isinstance(reason, Mapping):
        reason = reason.get("type")
    if not isinstance(reason, str) or not reason.strip():
        return ""
    word = reason.rsplit(".", 1)[-1].strip().lower().replace(" ", "_").replace("-", "_")
    return _ENDING.get(word, STOP)


def _error(event: Mapping[str, Any]) -> Any:
    """What an event that is an error says, else None."""
    if event.get("error"):
        return event["error"]
    if event.get("object") == "error" or event.get("type") == "error":
        return event
    answer = event.get("base_resp")  # MiniMax
    if isinstance(answer, Mapping) and answer.get("status_code"):
        return answer.get("status_msg") or answer
    if event.get("error_code"):  # FastChat
        return event.get("text") or event
    if "choices" not in event:
        return next((event[n] for n in ("detail", "message", "msg") if isinstance(event.get(n), str)), None)
    return None


def _tokens(event: Mapping[str, Any]) -> int | None:
    usage = event.get("usage")
    if isinstance(usage, Mapping):
        for name in _COUNTS:
            found = whole_number(usage.get(name))
            if found is not None:
                return found
    timings = event.get("timings")  # llama.cpp
    if isinstance(timings, Mapping):
        return whole_number(timings.get("predicted_n"))
    return whole_number(event.get("eval_count"))  # Ollama's own form


def whole_number(value: Any) -> int | None:
    """A count of tokens as servers write it: 5, "5" or 5.0; None for all else."""
    if isinstance(value, str) and len(value) < 12 and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    return None
