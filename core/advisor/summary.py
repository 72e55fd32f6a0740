"""The answer in five lines: the best of each task in a sentence, what is missing, what the next size brings.

The report begins with it, the command line prints it alone, and the panel shows it over its rows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalog.precisions import AS_SAVED
from ..catalog.words import sized, words
from ..units import gib, seconds_text
from .candidate import RESIDENT, Candidate, spoken_name
from .tasks import ALL, AUDIO, IMAGE, IMAGE_EDIT, MODEL_TASKS, OCR, SHAPES, UPSCALING, VIDEO, WHICH_GPU
from .unlocks import Unlock

if TYPE_CHECKING:
    from .advise import Advice

BADGES = ("fits", "tight", "streams", "no")
_BADGE = {"fits": "fits", "tight": "tight", "reduced": "tight", "streams": "streams"}
# Tasks that share a line; what is asked about least is told by its best pick alone.
_LINES = ((OCR,), (IMAGE, IMAGE_EDIT), (VIDEO,), (UPSCALING, AUDIO, SHAPES))
_BRIEFLY = (UPSCALING, AUDIO, SHAPES)
# Names of a line; the others are counted.
_MOST_NAMES = 3
_STEPS = 100  # seconds a step below a hundredth are told as none


@dataclass(frozen=True)
class TaskLine:
    """What runs for a task: ``best`` by the order of the advice, ``second`` the best that stays in memory
    where ``best`` streams; ``nearest`` is what comes closest where nothing runs. None where there is none.
    """

    task: str
    best: Candidate | None
    second: Candidate | None = None
    nearest: Candidate | None = None

    def text(self, lang: str = "en", known: Container[str] = ()) -> str:
        """One sentence behind the name of the task, without a reason that is ``known`` already."""
        say = words(lang)
        return _sentence(say[f"advise_task_{self.task}"], self.answer(lang, known), say)

    def answer(self, lang: str = "en", known: Container[str] = ()) -> str:
        """The sentence alone, with its full stop."""
        say = words(lang)
        if self.best is not None:
            parts = [brief(row, lang) for row in (self.best, self.second) if row is not None]
            return say["summary_stop"].format(text=say["summary_between"].join(parts))
        if self.nearest is None:
            return say["summary_none"]
        nearest = say["summary_nothing"].format(text=_named(self.nearest, say))
        (reason,) = self.reasons(lang)
        return nearest if reason in known else f"{nearest}{say['summary_gap']}{reason}"

    def reasons(self, lang: str) -> set[str]:
        """Why nothing runs, as ``answer`` says it; empty where something does."""
        return {self.nearest.reason(lang)} if self.best is None and self.nearest is not None else set()


@dataclass(frozen=True)
class Summary:
    """``missing`` are models that people ask for by name and that do not run here, each at the precision that
    comes nearest; ``packages`` the rows that wait for an installation; ``unlocks`` what the next usual size
    keeps in memory, first what this card does not keep at any precision; ``rows`` the best precision of each
    model, with the count of its others.
    """

    gpu: str
    lines: tuple[TaskLine, ...]
    missing: tuple[Candidate, ...]
    packages: tuple[Candidate, ...]
    unlocks: tuple[Unlock, ...]
    rows: tuple[tuple[Candidate, int], ...]
    tier_gib: float | None = None

    def text(self, lang: str = "en") -> tuple[str, ...]:
        """Five lines of sentences at most; fewer where one task was asked about."""
        return tuple(line for line in (*self._tasks(lang), self._rest(lang)) if line)

    def _tasks(self, lang: str) -> Iterator[str]:
        say, known = words(lang), set[str]()
        for tasks in _LINES:
            asked = [line for line in self.lines if line.task in tasks]
            if len(asked) > 1 and tasks == _BRIEFLY:
                asked = [TaskLine(line.task, line.best) for line in asked if line.best is not None]
            told: dict[str, list[str]] = {}  # of two tasks with one answer it is said once
            before = frozenset(known)
            for line in asked:
                answer = line.answer(lang, before)
                answer = answer if answer in told else line.answer(lang, known)
                told.setdefault(answer, []).append(say[f"advise_task_{line.task}"])
                known |= line.reasons(lang)
            yield say["summary_gap"].join(
                _sentence(say["summary_comma"].join(names), answer, say) for answer, names in told.items()
            )

    def _lines(self, lang: str) -> Iterator[dict[str, str]]:
        """A sentence a task; why nothing runs is told once where it is the same for several."""
        known: set[str] = set()
        for line in self.lines:
            yield {"task": line.task, "text": line.text(lang, known)}
            known |= line.reasons(lang)

    def _rest(self, lang: str) -> str:
        said = (self.missing_text(lang), self.packages_text(lang), self.next_text(lang))
        return words(lang)["summary_gap"].join(filter(None, said))

    def missing_text(self, lang: str = "en") -> str:
        """Which of the models that people ask for do not run, with what they need."""
        say = words(lang)
        if not self.missing:
            return say["summary_missing_none"]
        return say["summary_missing"].format(names=_listed(self.missing, lambda row: _lacks(row, say), say))

    def packages_text(self, lang: str = "en") -> str:
        """What has to be installed for more; empty where nothing has."""
        reasons: dict[str, dict[str, None]] = {}
        for row in self.packages:
            reasons.setdefault(row.reason(lang), {})[row.precision] = None
        say = words(lang)
        return say["summary_gap"].join(f"{', '.join(its)}: {reason}" for reason, its in reasons.items())

    def next_text(self, lang: str = "en") -> str:
        """What the next usual size keeps in memory; empty above the largest."""
        say = words(lang)
        if self.tier_gib is None:
            return ""
        tier = sized(f"{self.tier_gib:g} GB", say)
        names = _listed(self.unlocks, lambda unlock: _named(unlock.candidate, say), say)
        return say["summary_next"].format(tier=tier, names=names)

    def to_dict(self, lang: str = "en") -> dict[str, Any]:
        """Plain JSON values: ``text`` the five lines; ``lines`` a sentence a task; ``rows`` a model each,
        best first within its task, with a badge (one of BADGES) and a line of reason."""
        return {
            "text": list(self.text(lang)),
            "lines": list(self._lines(lang)),
            "missing": self.missing_text(lang),
            "packages": self.packages_text(lang),
            "next": self.next_text(lang),
            "rows": [
                {
                    "task": row.task,
                    "model": row.model,
                    "name": row.name,
                    "precision": row.precision,
                    "badge": badge(row),
                    "reason": row.reason(lang),
                    "others": others,
                }
                for row, others in self.rows
            ],
        }


def summary(advice: Advice) -> Summary:
    """The summary of one place's advice; without a line for the task "which GPU"."""
    tasks = MODEL_TASKS if advice.task == ALL else () if advice.task == WHICH_GPU else (advice.task,)
    # of each model the best row that runs, else the one that comes nearest
    rows = [row for task in tasks for row in best_rows(advice.candidates, task)]
    unlocks = sorted(advice.unlocks, key=lambda one: (bool(one.was), not one.candidate.asked_for))
    counts = Counter((row.task, row.model) for row in advice.candidates)
    tier = next((one.vram_gib for one in unlocks), None)
    return Summary(
        advice.gpu,
        tuple(_line(task, rows) for task in tasks),
        tuple(row for row in rows if not row.usable and row.asked_for and row.why != "not_installed"),
        tuple(row for row in advice.candidates if row.why == "not_installed"),
        _a_task_each(unlocks),
        tuple((row, counts[row.task, row.model] - 1) for row in rows),
        tier,
    )


def summary_lines(summaries: Sequence[Summary], lang: str = "en") -> tuple[str, ...]:
    """The five lines of a card; of one that is sold with several memory sizes each line says where they
    differ, and once where they do not."""
    if len(summaries) == 1:
        return summaries[0].text(lang)
    say, joined = words(lang), []
    for told in itertools.zip_longest(*(its.text(lang) for its in summaries), fillvalue=""):
        if len(set(told)) == 1:
            joined.append(told[0])
            continue
        sizes = [sized(_size(its.gpu), say) for its in summaries]
        parts = [
            say["summary_of_size"].format(size=size, text=text)
            for size, text in zip(sizes, told, strict=True)
            if text
        ]
        joined.append(say["summary_gap"].join(parts))
    return tuple(joined)


def _size(label: str) -> str:
    """ "8 GB" of "GeForce RTX 4060 Ti 8 GB"."""
    return " ".join(label.split(" ")[-2:])


def best_rows(found: Iterable[Candidate], task: str) -> list[Candidate]:
    """Of each model of ``task`` its best precision that runs, in the order of the advice; then of those that
    do not run the one that comes nearest."""
    runs: dict[str, Candidate] = {}
    nearest: dict[str, Candidate] = {}
    of_task = [row for row in found if row.task == task]
    for row in of_task:
        if row.usable:
            runs.setdefault(row.model, row)
    for row in of_task:
        if row.model not in runs:
            before = nearest.setdefault(row.model, row)
            if _lacking(row) < _lacking(before):
                nearest[row.model] = row
    return [*runs.values(), *nearest.values()]


def badge(row: Candidate) -> str:
    """One of BADGES."""
    return _BADGE.get(row.verdict, "no")


def brief(row: Candidate, lang: str = "en") -> str:
    """ "Wan 2.2 A14B at Q4_K_S streams (0.52 s more a step)", without a full stop."""
    say, facts = words(lang), row.facts() if callable(row.facts) else row.facts
    if row.why == "processor":
        return say["summary_processor"].format(model=_named(row, say))
    kind = "slow" if row.slow else row.verdict
    waits = row.seconds_per_step or 0.0
    if kind == "streams" and waits * _STEPS < 1:
        kind = "streams_once"
    values = {
        "model": _named(row, say),
        "step": seconds_text(waits),
        "megapixels": facts.get("megapixels", ""),
    }
    return say[f"summary_{kind}"].format(**values)


def _sentence(task: str, answer: str, say: Mapping[str, str]) -> str:
    return say["summary_line"].format(task=task[:1].upper() + task[1:], text=answer)


def _line(task: str, rows: Sequence[Candidate]) -> TaskLine:
    own = [row for row in rows if row.task == task]
    best = next((row for row in own if row.usable), None)
    if best is None:
        return TaskLine(task, None, nearest=min(own, key=_lacking, default=None))
    stays = None
    if best.verdict not in RESIDENT:
        stays = next((row for row in own if row.verdict in RESIDENT and not row.slow and not row.rough), None)
    return TaskLine(task, best, stays)


def _lacking(row: Candidate) -> tuple[bool, int]:
    """What has to be there of what is too little: RAM, else GPU memory; nobody knows comes last."""
    needed = row.ram_bytes if row.why in ("no_ram", "ram_kills") else row.optimal_bytes
    return row.why == "not_installed" or row.verdict == "unknown", needed or 0


def _a_task_each(unlocks: Sequence[Unlock]) -> tuple[Unlock, ...]:
    """In turn the first of each task, then the second: so that the first few name more than one task."""
    seen: dict[str, int] = {}
    turns = []
    for unlock in unlocks:
        task = unlock.candidate.task
        turns.append(seen.setdefault(task, 0))
        seen[task] += 1
    order = sorted(range(len(unlocks)), key=lambda place: (turns[place], place))
    return tuple(unlocks[place] for place in order)


def _named(row: Candidate, say: Mapping[str, str]) -> str:
    """ "Wan 2.2 A14B at Q4_K_S"; without the precision where there is no choice of it."""
    own = f"{row.name} ({say['advise_yours']})" if row.yours else row.name
    name = spoken_name(own, say)
    if row.precision in ("", "auto"):
        return name
    label = row.precision.removesuffix(AS_SAVED)
    precision = say["summary_as_saved"].format(label=label) if label != row.precision else label
    return say["summary_named"].format(model=name, precision=precision)


def _lacks(row: Candidate, say: Mapping[str, str]) -> str:
    """ "Qwen3-VL 8B at int4 (8.6 GiB)"; of RAM it says so."""
    ram = row.why in ("no_ram", "ram_kills")
    needed = row.ram_bytes if ram else row.floor_bytes if row.why == "below_floor" else row.optimal_bytes
    key = "summary_lacks_ram" if ram else "summary_lacks" if needed else "summary_lacks_unknown"
    return say[key].format(model=_named(row, say), need=gib(needed))


def _listed(found: Sequence[Any], said: Callable[[Any], str], say: Mapping[str, str]) -> str:
    """The first few by name, the others counted; each name once."""
    names = list(dict.fromkeys(said(one) for one in found))
    told = say["summary_comma"].join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return told if more <= 0 else say["summary_and_more"].format(names=told, count=more)
