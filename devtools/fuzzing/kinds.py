"""What is attacked: kinds of files and answers, each with samples, a way to spoil them, and what is done with
them then.

A kind's `attempt` is given the spoiled bytes and a `Place`: it returns where it ends in a result and raises
VramwiseError where it ends in a sentence. All else is a fault, and so is a change outside of `place.own`.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Spoil = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Place:
    """Folders of a run: `given` holds the case's input, `own` what the pack may write, `foreign` what it may
    not. `kept` is what a kind remembers from one case to the next.
    """

    root: Path
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> Path:
        return self.root / "given"

    @property
    def own(self) -> Path:
        return self.root / "own"

    @property
    def foreign(self) -> Path:
        return self.root / "foreign"


@dataclass(frozen=True)
class Kind:
    """`samples` by name; `prepare` sets the place up once in a process, and may put samples that need it into
    `place.kept`; `finish` undoes what outlives the process.
    """

    samples: Callable[[], dict[str, bytes]]
    spoil: Spoil
    attempt: Callable[[bytes, str, Place], None]
    prepare: Callable[[Place], None] = lambda _: None
    finish: Callable[[Place], None] = lambda _: None


# Where each kind is; a kind's module is imported only in the process that tries it.
MODULES = {
    **dict.fromkeys(("png", "jpeg", "webp", "gif", "tiff", "pdf"), "pages"),
    **dict.fromkeys(("safetensors", "config", "index", "tokenizer", "quantised_cache"), "checkpoints"),
    **dict.fromkeys(("settings", "manifest", "measured"), "records"),
    **dict.fromkeys(("regions", "answer"), "answers"),
    "polygons": "polygons",
    "written": "written",
}


def names() -> tuple[str, ...]:
    return tuple(MODULES)


def kind(name: str) -> Kind:
    found: dict[str, Kind] = importlib.import_module(f"devtools.fuzzing.kinds_{MODULES[name]}").KINDS
    return found[name]


def case(name: str, number: int, samples: dict[str, bytes], spoil: Spoil) -> tuple[str, bytes]:
    """The sample's name and its spoiled bytes of case `number`; the same on every machine."""
    rng = random.Random(f"{name} {number}")
    chosen = rng.choice(sorted(samples))
    return chosen, spoil(samples[chosen], rng)


def with_others(samples: Callable[[], dict[str, bytes]]) -> Spoil:
    """Bytes spoiled, sometimes with the tail of another sample of the kind."""
    from devtools.fuzzing.mutator import mutated_bytes

    def spoil(sample: bytes, rng: random.Random) -> bytes:
        others: Sequence[bytes] = list(samples().values())
        return mutated_bytes(sample, rng, others)

    return spoil
