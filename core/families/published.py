"""The published config.json of repositories whose files are not here."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from .family import Config, PublishedConfig, families


@functools.cache
def _published() -> Mapping[str, PublishedConfig]:
    """By repository in lower case; only of families whose weights can be computed."""
    return {row.repo.lower(): row for family in families() if family.weights for row in family.published}


def published_config(repo: str) -> Config | None:
    """The architecture of ``repo``, or None where no family's file has it."""
    row = _published().get(repo.lower())
    return None if row is None else row.config


def read_from(config: Config) -> str:
    """Where ``config`` is from, in a few words: the source of a published one, else the file."""
    sources = (row.source for row in _published().values() if row.config == config)
    return next(sources, "config.json").partition(" (")[0]
