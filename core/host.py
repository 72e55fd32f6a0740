"""What the host application (ComfyUI) tells the core once, at set-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hardware.budget import Budget

BudgetSource = Callable[[str], "Budget"]


class _Host:
    budget: BudgetSource | None = None


def set_budget_source(source: BudgetSource) -> None:
    """Let ``source(device)`` say what is free and what could be evicted; its memory manager knows better."""
    _Host.budget = source


def budget_source() -> BudgetSource | None:
    return _Host.budget
