"""Decoding, greedy unless a recipe or the person draws, looked after: cancel and progress once a token,
running text and the loop guard once in several.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteriaList,
)

from ...families.family import Sampling
from ..engines.protocol import ProgressCallback
from . import fast_decoding
from .adapter import Adapter, Prepared, token_ids
from .answers.reasoning import visible
from .fast_decoding import FastDecoding
from .loop_guard import CHECK_EVERY, LoopGuard

TEXT_EVERY = 0.1  # seconds between two decodings of the running text
# Tokens between two looks at what a device has written: each waits until it is done. The loop guard looks as
# often, so that an answer ends where it would if each token were looked at.
LOOK_EVERY = CHECK_EVERY
DRAWN_AHEAD = 64  # numbers of a row that are put on the device at once
MOST_CANDIDATES = 1024  # tokens that one is drawn from; the nucleus of a sharpened distribution is smaller


@dataclass
class Row:
    """The tokens of one picture so far, its end token left out, at most ``limit``. ``ended``: the model said
    that it is done.
    """

    guard: LoopGuard
    limit: int
    ended: bool = False

    @property
    def done(self) -> bool:
        return self.ended or self.guard.tripped or len(self.guard.ids) >= self.limit


@dataclass
class RunningText:
    """The text of a growing token list, decoded a line at a time so that long answers stay cheap. ``shown``
    makes of it what a person is shown.
    """

    decode: Callable[[Sequence[int]], str]
    shown: Callable[[str], str]
    text: str = ""
    _all: str = ""
    _settled: str = ""
    _from: int = 0
    _next: float = field(default=0.0)

    def of(self, ids: Sequence[int]) -> str:
        """At most ten decodings a second; between them the last text is repeated."""
        now = time.monotonic()
        if now < self._next:
            return self.text
        self._next = now + TEXT_EVERY
        fresh = self.decode(ids[self._from :])
        self._all = self._settled + fresh
        self.text = self.shown(self._all)
        if fresh.endswith("\n") or (len(ids) - self._from > 256 and not fresh.endswith("\ufffd")):
            self._settled, self._from = self._all, len(ids)
        return self.text


class TokenWatch:
    """A stopping criterion of ``generate``: is asked at every token, where it says how far it is and may be
    cancelled, and looks at the tokens themselves once in LOOK_EVERY or TEXT_EVERY seconds, whichever is
    sooner: they lie on the device, which works ahead of us meanwhile. Rows that end by a token are seen to by
    ``generate`` itself. ``opened``: the prompt ended inside thinking.

    Raises what ``progress`` raises; stops the rows that run in circles.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        ends: frozenset[int],
        limit: int,
        progress: ProgressCallback,
        adapter: Adapter,
        opened: bool,
    ) -> None:
        self.rows, self.ends, self.limit, self.progress = rows, ends, limit, progress
        shown = functools.partial(visible, opened=opened)
        self.texts = [RunningText(adapter.decode, shown) for _ in rows]
        self.done, self.text = 0, ""
        self._unseen: torch.Tensor | None = None
        self._seen, self._next = 0, 0.0
        self._stopped: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.done += 1
        self._unseen = input_ids
        if self.done % LOOK_EVERY == 0 or self.done == self.limit or time.monotonic() >= self._next:
            self._look()
        self.progress.check()
        self.progress.token(min(self.done, self.limit), self.limit, self.text)
        if self._stopped is None:
            self._stopped = torch.tensor([row.done for row in self.rows], device=input_ids.device)
        return self._stopped

    def _look(self) -> None:
        """Fetch the tokens since the last look, and judge the rows by them."""
        fresh, ids = self.done - self._seen, self._unseen
        self._unseen, self._seen = None, self.done
        if ids is None or not fresh:
            return
        running = [row.done for row in self.rows]
        for row, tokens in zip(self.rows, ids[:, -fresh:].tolist(), strict=True):
            for token in tokens:
                if row.done:
                    break  # padding, or behind the end
                if token in self.ends:
                    row.ended = True
                else:
                    row.guard.push(token)
        if running != [row.done for row in self.rows]:
            self._stopped = None
        shown = next((number for number, row in enumerate(self.rows) if not row.done), len(self.rows) - 1)
        self.text = self.texts[shown].of(self.rows[shown].guard.ids)
        self._next = time.monotonic() + TEXT_EVERY

    def finish(self) -> None:
        """What was written since the last look."""
        self._look()

    def forget(self) -> None:
        """Keep nothing of the device: whoever looks at an exception would keep it, too."""
        self._unseen = self._stopped = None


class RowPenalty(RepetitionPenaltyLogitsProcessor):  # type: ignore[misc]
    """transformers' own, for rows that were filled up on the left: what fills them is often the token that
    ends an answer, and to hold it against a row would read a page otherwise in a batch than alone.
    ``attended`` (rows, prompt tokens) is 1 where a row has a token of its own.
    """

    def __init__(self, penalty: float, attended: torch.Tensor) -> None:
        super().__init__(penalty)
        self.filling = attended == 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        filling = self.filling.to(input_ids.device)
        prompt, rest = input_ids.tensor_split([filling.shape[1]], dim=1)
        own = torch.where(filling, prompt[:, -1:], prompt)
        penalised: torch.Tensor = super().__call__(torch.cat([own, rest], dim=1), scores)
        return penalised


class SeededDraw(LogitsProcessor):  # type: ignore[misc]
    """Leaves of each row's scores the one token that is drawn: by temperature and nucleus, with a number of
    that row's own. A page is read the same alone, in a batch, and on every device.
    """

    def __init__(self, sampling: Sampling, rows: int) -> None:
        self.sampling = sampling
        self.numbers = [random.Random(sampling.seed) for _ in range(rows)]  # noqa: S311  no secret
        self._ahead: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chances = torch.softmax(scores.float() / max(self.sampling.temperature, 1e-4), dim=-1)
        best, tokens = chances.topk(min(MOST_CANDIDATES, chances.shape[-1]))
        before = best.cumsum(-1) - best
        nucleus = best.masked_fill(before >= self.sampling.top_p, 0.0)
        if not self._ahead:
            wanted = [[number.random() for number in self.numbers] for _ in range(DRAWN_AHEAD)]
            self._ahead = list(torch.tensor(wanted, device=best.device).flip(0))
        bar = self._ahead.pop()[:, None] * nucleus.sum(-1, keepdim=True)
        last = (nucleus > 0).sum(-1, keepdim=True) - 1
        drawn = torch.minimum((nucleus.cumsum(-1) <= bar).sum(-1, keepdim=True), last)
        alone = torch.full_like(scores, float("-inf"))
        return alone.scatter_(-1, tokens.gather(-1, drawn), 0.0)


def generate_rows(
    adapter: Adapter,
    prepared: Prepared,
    net: Any,
    new_tokens: int,
    progress: ProgressCallback,
    sampling: Sampling | None = None,
    fast: FastDecoding | None = None,
) -> tuple[int | None, list[Row]]:
    """(peak bytes on a CUDA device or None, one Row per row of the prompt). ``net`` is used here and kept
    nowhere. ``sampling`` None takes the likeliest token each time; ``fast`` has a static cache, where it can
    be had.
    """
    on_cuda = net.device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(net.device)
    rows = None
    if fast is not None and fast.usable(net):
        try:
            with fast_decoding.tidied(net):
                rows = _generated(adapter, prepared, net, new_tokens, progress, sampling, static=True)
        except Exception as error:
            if not fast.gave_up(error):
                raise
    if rows is None:
        rows = _generated(adapter, prepared, net, new_tokens, progress, sampling)
    return (torch.cuda.max_memory_allocated(net.device) if on_cuda else None), rows


def _generated(
    adapter: Adapter,
    prepared: Prepared,
    net: Any,
    new_tokens: int,
    progress: ProgressCallback,
    sampling: Sampling | None,
    static: bool = False,
) -> list[Row]:
    config = net.generation_config
    ends = frozenset((*token_ids(config.eos_token_id), *adapter.stop_ids()))
    count, prompt_tokens = prepared.tensors["input_ids"].shape
    rows = [Row(LoopGuard(adapter.decode), new_tokens) for _ in range(count)]
    watch = TokenWatch(rows, ends, new_tokens, progress, adapter, prepared.opened)
    decoding = {
        "do_sample": False,
        "max_new_tokens": new_tokens,
        "eos_token_id": sorted(ends) or None,
        "pad_token_id": config.pad_token_id if config.pad_token_id is not None else min(ends, default=0),
        "stopping_criteria": StoppingCriteriaList([watch]),
    }
    if static:
        decoding |= fast_decoding.options(prompt_tokens, new_tokens)
    processors = LogitsProcessorList()
    penalty = adapter.family.repetition_penalty
    if penalty != 1:
        processors.append(RowPenalty(penalty, prepared.tensors["attention_mask"]))
    drawing = sampling or adapter.sampling
    if drawing is not None:
        processors.append(SeededDraw(drawing, count))
    if processors:
        decoding["logits_processor"] = processors
    try:
        adapter.generate(net, prepared, decoding, progress.check)
        watch.finish()
    finally:
        watch.forget()
    return rows
