"""What goes to a server for one page, as the OpenAI chat protocol has it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...families.family import Sampling
from ..vlm.chat_history import Turn, picture_name

MOST_REMOTE_SEED = 2**31  # some servers keep a seed in 32 bits with a sign


@dataclass(frozen=True)
class ChatRequest:
    """One page as it is sent. ``picture`` is a data: URL, encoded once; ``tags``: special tokens are part of
    the answer. ``others`` are further pictures of the same question, ``turns`` the conversation before it,
    ``schema`` what the answer must match. All else is the recipe's: see Family.
    """

    model: str
    prompt: str
    picture: str
    max_new_tokens: int
    tags: bool = False
    words_first: bool = False
    sampling: Sampling | None = None
    template_options: Mapping[str, bool] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    schema: Mapping[str, Any] | None = None
    repetition_penalty: float = 1.0

    def messages(self) -> list[dict[str, Any]]:
        """The conversation; the first question of all has the pictures, of several each with its number."""
        said = [*((turn.role, turn.text) for turn in self.turns), ("user", self.prompt)]
        first = next(at for at, (role, _) in enumerate(said) if role == "user")
        return [
            {"role": role, "content": self._with_pictures(text) if at == first else text}
            for at, (role, text) in enumerate(said)
        ]

    def _with_pictures(self, text: str) -> list[dict[str, Any]]:
        words = [{"type": "text", "text": text}] if text else []
        shown: list[dict[str, Any]] = []
        for at, picture in enumerate((self.picture, *self.others)):
            if self.others:
                shown.append({"type": "text", "text": picture_name(at)})
            shown.append({"type": "image_url", "image_url": {"url": picture}})
        return [*words, *shown] if self.words_first else [*shown, *words]

    def body(self) -> dict[str, Any]:
        """The request: greedy unless words are drawn, with no penalty of repetition but the recipe's, token
        by token, no thinking where that is a choice.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": self.messages(),
            "temperature": 0.0,
            "frequency_penalty": 0.0,
            "max_tokens": self.max_new_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "chat_template_kwargs": {"enable_thinking": False, **self.template_options},
        }
        if self.repetition_penalty != 1:
            body["repetition_penalty"] = self.repetition_penalty
        if self.sampling is not None:
            drawn = self.sampling
            seed = drawn.seed % MOST_REMOTE_SEED
            body |= {"temperature": drawn.temperature, "top_p": drawn.top_p, "seed": seed}
        if self.schema is not None:
            answer = {"name": "answer", "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": answer}
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
