"""A model at a precision in one place: its verdict, its three numbers, and the sentence that says why."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..catalog.diffusion import licences
from ..catalog.precisions import precisions
from ..catalog.words import amount, in_language, sized, words

USABLE = ("fits", "tight", "reduced", "streams")
RESIDENT = ("fits", "tight")
# What a step may wait for streamed weights before a model counts as one tier lower, and as two. Our choice: a
# step itself takes about a second for a picture and several for a clip.
WAITS_SECONDS = (1.0, 4.0)
# Below four bits a weight a picture visibly suffers: such a file is offered after every better one.
_ROUGH_BITS = 4.0


@dataclass(frozen=True)
class ResultSize:
    """What an image or video model is to make: pixels, frames and how many at once; None is its usual one."""

    width: int | None = None
    height: int | None = None
    frames: int | None = None
    batch: int = 1


USUAL_SIZE = ResultSize()


@dataclass(frozen=True)
class Candidate:
    """One model at one precision.

    ``verdict`` is fits, tight, reduced (smaller pictures only), streams (weights come over the bus at each
    step), no, unavailable or unknown (its size is nowhere published). ``optimal_bytes``: the working stage
    resident; ``resident_bytes``: everything resident, nothing is swapped; ``floor_bytes``: from there on
    ComfyUI streams. OCR models are never streamed: there optimal and resident are one picture of the usual
    size, the floor is the smallest readable one. ``ram_bytes`` is what it takes of RAM in this place, whether
    that is there or not; None where RAM is not asked (OCR models, unified memory). ``slow`` marks a model
    that the processor computes, for minutes where a GPU takes seconds. ``why`` is a key of the words,
    ``facts`` fill it; a function where most go untold. ``tier`` is that of quality, 1 the best, ``asked_for``
    marks what people ask about by name, ``yours`` a row of the person's own. ``much_ram``: more of it than
    most machines have, and nobody said how much there is.
    """

    task: str
    model: str
    name: str
    precision: str
    verdict: str
    optimal_bytes: int | None
    resident_bytes: int | None
    floor_bytes: int | None
    licence: str
    commercial: str
    confidence: str
    why: str
    facts: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    rank: float = 0
    bits: float = 16.0
    fast: bool = True
    slow: bool = False
    ram_bytes: int | None = None
    weights_bytes: int = 0
    seconds: float | None = None
    installed: bool = False
    notes: tuple[str, ...] = ()
    tier: int = 1
    seconds_per_step: float | None = None
    asked_for: bool = False
    yours: bool = False
    much_ram: bool = False

    @property
    def key(self) -> tuple[float, ...]:
        """Sort key within a task, best first: what is usable by ``grade``, then by what a step waits for the
        bus (in tenths of a second, begun ones count), then the better model ("quantised big before full
        small"), then the finer precision. More GPU memory or RAM never makes it larger.
        """
        better = self.preference
        if self.verdict in RESIDENT or self.verdict == "streams":
            streams = 0.0 if self.verdict in RESIDENT else 1.0
            waits = float(math.ceil(10 * (self.seconds_per_step or 0.0)))
            return (1.0 if self.slow or self.rough else 0.0, float(self.grade), waits, *better, streams)
        return (2.0 if self.verdict == "reduced" else 4.0, *better)

    @property
    def preference(self) -> tuple[float, ...]:
        """What of ``key`` is the same wherever it runs: the better model, then the finer precision."""
        return (self.rank, *self._precision_key)

    @property
    def grade(self) -> int:
        """The tier of quality, and one more for each thing that spoils it: a step that waits over a second
        for the bus, over four seconds; much RAM that nobody spoke of.
        """
        waits = sum((self.seconds_per_step or 0.0) > limit for limit in WAITS_SECONDS)
        return self.tier + waits + int(self.much_ram)

    @property
    def _precision_key(self) -> tuple[float, ...]:
        """Whole bits first; of the same ones a file that is listed, what the card computes fast, then what
        keeps more.
        """
        bits = min(self.bits, 16.0)
        guessed = 1.0 if self.confidence == "estimated" else 0.0
        return (-math.floor(bits), guessed, 0.0 if self.fast else 1.0, -bits, float(_place(self.precision)))

    @property
    def rough(self) -> bool:
        """Too few bits a weight to be offered before anything else that runs."""
        return self.bits < _ROUGH_BITS

    @property
    def usable(self) -> bool:
        return self.verdict in USABLE

    def reason(self, lang: str = "en") -> str:
        """One sentence."""
        facts = self.facts() if callable(self.facts) else self.facts
        return sentence(f"advise_reason_{self.why}", facts, lang)

    def for_panel(self, lang: str) -> dict[str, Any]:
        """``to_dict`` in the words of whoever looks at a panel; the precision is what a loader takes."""
        name = spoken_name(self.name, words(lang))
        notes = [in_language(note, lang) for note in self.notes]
        told = {"licence": in_language(self.licence, lang), "reason": self.reason(lang), "notes": notes}
        return {**self.to_dict(), "name": name, **told}

    def to_dict(self) -> dict[str, Any]:
        """One row of the JSON. ``peak_bytes`` is what a monitor shows here, null where that is not known."""
        facts = self.facts() if callable(self.facts) else self.facts
        return {
            "task": self.task,
            "model": self.model,
            "name": self.name,
            "precision": self.precision,
            "verdict": self.verdict,
            "optimal_bytes": self.optimal_bytes,
            "resident_bytes": self.resident_bytes,
            "floor_bytes": self.floor_bytes,
            "ram_bytes": self.ram_bytes,
            "licence": self.licence,
            "commercial": self.commercial,
            "confidence": self.confidence,
            "installed": self.installed,
            "reason": self.reason(),
            "tier": self.tier,
            "seconds_per_step": self.seconds_per_step,
            "yours": self.yours,
            "peak_bytes": facts.get("peak_bytes"),
            "notes": list(self.notes),
        }


def said_otherwise(rows: Sequence[Candidate], lang: str) -> dict[str, str]:
    """What ``for_panel`` says of ``rows`` in ``lang`` by what it says in English, where that is not the same.

    Rows have much in common: it is a tenth of them, and a panel can keep them in English.
    """
    told: dict[str, str] = {}
    for row in rows if lang != "en" else ():
        reason, name = row.reason(), spoken_name(row.name, words("en"))
        if reason not in told:
            told[reason] = row.reason(lang)
        told[name] = spoken_name(row.name, words(lang))
        for text in (row.licence, *row.notes):
            if text not in told:
                told[str(text)] = in_language(text, lang)
    return {english: other for english, other in told.items() if other != english}


@functools.cache
def _place(precision: str) -> int:
    """Of our own precisions the order in which they are offered: bf16 before fp16. All others behind."""
    return next((row.quality for row in precisions() if row.id == precision), len(precisions()))


def spoken_name(name: str, say: Mapping[str, str]) -> str:
    """The name of a model with what of it is no name, "(built in)", in the words of ``say``."""
    return name.replace(" (built in)", say["summary_built_in"])


def sentence(key: str, facts: Mapping[str, Any], lang: str) -> str:
    """The template ``key`` with ``facts``; ratings ("colour" in the words), balances, verdicts, add-ons and
    units in the words of the language. Mappings are told as "name: value".
    """
    say = words(lang)
    told: dict[str, Any] = {}
    for name, value in facts.items():
        if name in ("colour", "balance"):
            told[name] = say[f"advise_{name}_{value}"]
        elif name == "reached":
            told[name] = say[f"advise_verdict_{value}"]
        elif name == "colours":
            ratings = {card: say[f"advise_colour_{rating}"] for card, rating in value.items()}
            told["cards"] = ", ".join(f"{card}: {rating}" for card, rating in ratings.items())
        elif name == "case":
            told[name] = say.get(f"advise_addon_name_{value}", value)
        elif isinstance(value, Mapping):
            told[name] = ", ".join(f"{part}: {sized(size, say)}" for part, size in value.items())
        else:
            told_as = sized if name == "found" else amount  # a compute capability keeps its point
            known = in_language(value, lang) if isinstance(value, str) else value
            told[name] = told_as(known, say) if isinstance(value, str) and known == value else known
    return say[key].format(**told)


def commercial_use(licence: str) -> str:
    """ "yes", "no", "conditions" or "unknown" by the catalog's licences."""
    known = licences().get(licence)
    return known.commercial if known is not None else "unknown"
