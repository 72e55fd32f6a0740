"""Which catalog this is: the date of its newest row, how much is in it, and when it is old."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from ..shell import update_line
from .csv_rows import table
from .diffusion import diffusion_models
from .readers import ocr_models

# After so many days cards and models came out that it does not know.
OLD_AFTER_DAYS = 120


@dataclass(frozen=True)
class Edition:
    """``date`` is that of the newest row ("2026-11-28"); ``cards`` counts names, not memory sizes."""

    date: str
    models: int
    cards: int

    def age_days(self, today: datetime.date | None = None) -> int:
        return ((today or datetime.date.today()) - datetime.date.fromisoformat(self.date)).days

    def text(self, say: Mapping[str, str], today: datetime.date | None = None) -> str:
        """One line for the end of a report; how to refresh it where it is old."""
        line = say["edition"].format(date=self.date, models=self.models, cards=self.cards)
        age = self.age_days(today)
        return (
            f"{line} {say['edition_old'].format(days=age, update=update_line())}"
            if age > OLD_AFTER_DAYS
            else line
        )


@functools.cache
def edition() -> Edition:
    """Of the tables that are shipped; a person's own rows make no catalog newer."""
    cards = table("gpus.csv", lambda row: (row["name"], row["date"]))  # whole rows take five times as long
    pictures = [model for model in diffusion_models() if not model.yours]
    dates = [row.date for rows in (ocr_models(), pictures) for row in rows]
    return Edition(
        max(*dates, *(date for _, date in cards)),
        len(ocr_models()) + len(pictures),
        len({name for name, _ in cards}),
    )
