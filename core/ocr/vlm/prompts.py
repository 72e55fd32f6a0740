"""What a model is asked for a task: its family's prompt, or the person's own, and pictures of which size.

The same here and by a server, so nothing of torch is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...catalog.readers import presets
from ...errors import VramwiseError
from ...families.family import Family, Sampling, Task, families, recipes
from ...option_values import ASKING_TASKS, MOST_TOGETHER, TALKING_TASKS
from ...units import megapixels
from .chat_history import Turn, conversation

if TYPE_CHECKING:
    from ..engines.protocol import ReadOptions

TOP_P = 0.95  # of what a person draws from: servers and generation configs differ, and may leave one word
_MOST_NAMED = 12  # families in a sentence


def task_prompt(family: Family, options: ReadOptions) -> tuple[Task, str]:
    """The family's way of doing ``options.task``, and the prompt: its own for reading; the person's for
    custom; for a preset both, and for json what the answer must match.
    """
    task = _task_of(family, options.task)
    if options.task == "text" and options.block:
        task = family.tasks.get(options.block, task)
    if task is None:
        able = [row.name for row in (*families(), *recipes()) if _task_of(row, options.task)][:_MOST_NAMED]
        others = f" These can: {', '.join(able)}." if able else ""
        raise VramwiseError(
            f"{family.name} cannot do the task {options.task}.{others} It does: {', '.join(family.tasks)}."
        )
    if options.task not in ASKING_TASKS:
        return task, task.prompt
    if options.task != "custom":
        return task, asked_in_full(options, task.prompt)
    wish = _wish(options)
    if not wish.strip():
        raise VramwiseError(
            "The task custom needs a prompt: write what the model should do with the picture."
        )
    return (replace(task, parse="answer") if task.parse == "plain" else task), wish.strip()


def _task_of(family: Family, name: str) -> Task | None:
    """The family's own, else a preset where the family takes the person's words at all."""
    preset = presets().get(name)
    if name in family.tasks or preset is None or "custom" not in family.tasks:
        return family.tasks.get(name)
    return Task(preset.prompt, preset.parse)


def asked_in_full(options: ReadOptions, preset: str = "") -> str:
    """The person's words, the preset's, and for json what the answer must match."""
    preset = preset or presets()[options.task].prompt
    schema = options.json_schema.strip() if options.task == "json" else ""
    told = f"It must match this JSON schema:\n{schema}" if schema else ""
    return "\n".join(filter(None, (_wish(options).strip(), preset, told)))


def _wish(options: ReadOptions) -> str:
    """The person's words, with what of the conversation nobody has answered yet."""
    return conversation(options.history, options.prompt)[1] if is_talk(options) else options.prompt


def is_talk(options: ReadOptions) -> bool:
    """Whether the question follows on a conversation."""
    return options.task in TALKING_TASKS and bool(options.history.strip())


def turns_before(options: ReadOptions) -> tuple[Turn, ...]:
    """The turns before the question. Raises VramwiseError for a history that is none."""
    return conversation(options.history, options.prompt)[0] if is_talk(options) else ()


def sampling_of(options: ReadOptions) -> Sampling | None:
    """How ``options`` have words drawn; None for the likeliest each time, or as a family's recipe has it."""
    if options.task != "custom" or not options.temperature:
        return None
    return Sampling(float(options.temperature), TOP_P, options.seed)


def is_together(options: ReadOptions) -> bool:
    """Whether all pictures are one question."""
    return options.together and options.task in ASKING_TASKS


def check_together(count: int) -> None:
    """Raise VramwiseError for more pictures than one question takes."""
    if count > MOST_TOGETHER:
        raise VramwiseError(
            f"{count} pictures are more than one question takes, {MOST_TOGETHER}. Ask about fewer at once, "
            "or switch together off."
        )


def ignored(options: ReadOptions) -> tuple[str, ...]:
    """Notes on what of ``options`` the task, or a model that reads every language, has no use for."""
    notes = []
    if options.prompt.strip() and options.task not in ASKING_TASKS:
        notes.append(
            f"The prompt is ignored: the task {options.task} has its own. "
            "Choose the task custom to use yours."
        )
    if options.language != "auto":
        notes.append(
            f"The language {options.language} is ignored: the model sees by itself what a text is written in."
        )
    if options.reading_direction != "auto" and options.task != "spotting":
        notes.append(
            f"The reading direction {options.reading_direction} is ignored: the model decides in which order "
            "it writes."
        )
    notes += _not_asked(options)
    if options.partial:
        notes.append("partial is ignored: the model reads what it can of every script.")
    return tuple(notes)


def _not_asked(options: ReadOptions) -> Iterator[str]:
    """Notes on options of questions that ``options.task`` has no use for."""
    task = options.task
    if options.together and task not in ASKING_TASKS:
        yield f"together is ignored: the task {task} reads each picture on its own."
    if options.history.strip() and task not in TALKING_TASKS:
        yield f"The history is ignored: the task {task} is no conversation. Choose custom or json."
    if options.json_schema.strip() and task != "json":
        yield f"json_schema is ignored: the task {task} answers in no JSON. Choose the task json."
    if options.temperature and task != "custom":
        yield f"temperature is ignored: the task {task} takes the likeliest word each time. Choose custom."
    if options.seed and (task != "custom" or not options.temperature):
        yield "seed is ignored: without a temperature, and in tasks other than custom, nothing is drawn."


def shrunk(family: Family, wished: int | None) -> tuple[str, ...]:
    """A note where more pixels were wished for than the family takes."""
    if not wished or most_pixels(family, wished) == wished:
        return ()
    most = megapixels(family.max_pixels)
    return (f"{family.name} sees {most} megapixels at most, and not {megapixels(wished)}.",)


def most_pixels(family: Family, wished: int) -> int:
    """``wished`` within what the family takes."""
    return min(wished, family.max_pixels) if family.max_pixels else wished
