"""The advisor's answers: what runs on a card, which card a goal needs, and why published tables differ."""

from .advise import Advice, advise, advise_each
from .report import report
from .tasks import TASKS

__all__ = ["TASKS", "Advice", "advise", "advise_each", "report"]
