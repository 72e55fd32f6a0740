"""The advisor's answers: what runs on a card, which card a goal needs, and why published tables differ."""

from .advise import TASKS, Advice, advise, advise_each

__all__ = ["TASKS", "Advice", "advise", "advise_each"]
