"""The advisor's answers: what runs on a card, which card a goal needs, and why published tables differ."""

from .advise import Advice, advise, advise_each
from .candidates import TASKS
from .report import report

__all__ = ["TASKS", "Advice", "advise", "advise_each", "report"]
