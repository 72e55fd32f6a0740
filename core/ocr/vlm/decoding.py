"""Greedy decoding, looked after: cancel, progress, running text and the loop guard, once a token."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import StoppingCriteriaList

from ..engines.protocol import ProgressCallback
from .adapter import Adapter, Prepared, token_ids
from .answers.reasoning import visible
from .loop_guard import LoopGuard

TEXT_EVERY = 0.1  # seconds between two decodings of the running text


@dataclass
class Row:
    """The tokens of one picture so far, its end token left out. ``ended``: the model said that it is done."""

    guard: LoopGuard
    ended: bool = False

    @property
    def done(self) -> bool:
        return self.ended or self.guard.tripped


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
    """A stopping criterion of ``generate``: sees every new token of every row. ``opened``: the prompt ended
    inside thinking.

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
        self.done = 0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.done += 1
        for row, token in zip(self.rows, input_ids[:, -1].tolist(), strict=True):
            if row.done:
                continue  # padding
            if token in self.ends:
                row.ended = True
            else:
                row.guard.push(token)
        self.progress.check()
        shown = next((number for number, row in enumerate(self.rows) if not row.done), len(self.rows) - 1)
        self.progress.token(self.done, self.limit, self.texts[shown].of(self.rows[shown].guard.ids))
        return torch.tensor([row.done for row in self.rows], device=input_ids.device)


def generate_rows(
    adapter: Adapter, prepared: Prepared, net: Any, new_tokens: int, progress: ProgressCallback
) -> tuple[int | None, list[Row]]:
    """(peak bytes on a CUDA device or None, one Row per picture). ``net`` is used here and kept nowhere."""
    config = net.generation_config
    ends = frozenset((*token_ids(config.eos_token_id), *adapter.stop_ids()))
    rows = [Row(LoopGuard(adapter.decode)) for _ in prepared.seen]
    watch = TokenWatch(rows, ends, new_tokens, progress, adapter, prepared.opened)
    decoding = {
        "do_sample": False,
        "max_new_tokens": new_tokens,
        "eos_token_id": sorted(ends) or None,
        "pad_token_id": config.pad_token_id if config.pad_token_id is not None else min(ends, default=0),
        "stopping_criteria": StoppingCriteriaList([watch]),
    }
    on_cuda = net.device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(net.device)
    adapter.generate(net, prepared, decoding, progress.check)
    return (torch.cuda.max_memory_allocated(net.device) if on_cuda else None), rows
