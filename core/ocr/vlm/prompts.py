"""What a model is asked for a task: its family's prompt, or the person's own, and pictures of which size.

The same here and by a server, so nothing of torch is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import VramwiseError
from ...families.family import Family, Task, families

if TYPE_CHECKING:
    from ..engines.protocol import ReadOptions


def task_prompt(family: Family, options: ReadOptions) -> tuple[Task, str]:
    """The family's way of doing ``options.task``, and the prompt: the person's own where one is given."""
    task = family.tasks.get(options.task)
    if task is None:
        able = [row.name for row in families() if options.task in row.tasks]
        others = f" These can: {', '.join(able)}." if able else ""
        raise VramwiseError(
            f"{family.name} cannot do the task {options.task}.{others} It does: {', '.join(family.tasks)}."
        )
    if options.task != "custom":
        return task, task.prompt
    if not options.prompt.strip():
        raise VramwiseError(
            "The task custom needs a prompt: write what the model should do with the picture."
        )
    return task, options.prompt.strip()


def ignored(options: ReadOptions) -> tuple[str, ...]:
    """Notes on what of ``options`` the task, or a model that reads every language, has no use for."""
    notes = []
    if options.prompt.strip() and options.task != "custom":
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
    if options.partial:
        notes.append("partial is ignored: the model reads what it can of every script.")
    return tuple(notes)


def shrunk(family: Family, wished: int | None) -> tuple[str, ...]:
    """A note where more pixels were wished for than the family takes."""
    if not wished or most_pixels(family, wished) == wished:
        return ()
    return (
        f"{family.name} sees {family.max_pixels / 1e6:.1f} megapixels at most, and not {wished / 1e6:.1f}.",
    )


def most_pixels(family: Family, wished: int) -> int:
    """``wished`` within what the family takes."""
    return min(wished, family.max_pixels) if family.max_pixels else wished
