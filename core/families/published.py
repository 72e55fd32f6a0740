"""The published config.json of repositories whose files are not here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from .family import Config, PublishedConfig, families

_Asked = TypeVar("_Asked", bound=Callable[..., Any])


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


def once_a_published(answer: _Asked) -> _Asked:
    """``answer``, kept where its config is one of ``published_config``: those live and stay the same as long
    as the process does. The further arguments are hashable; what is answered is changed by nobody.

    Advice asks the same of each for two memory sizes, and a sweep over sizes for hundreds.
    """

    @functools.lru_cache(maxsize=16_384)
    def kept(config_id: int, *rest: Any) -> Any:
        return answer(_by_identity()[config_id], *rest)

    def asked(config: Config, *rest: Any) -> Any:
        known = id(config) in _by_identity()
        return kept(id(config), *rest) if known else answer(config, *rest)

    return cast(_Asked, asked)


@functools.cache
def _by_identity() -> Mapping[int, Config]:
    return {id(row.config): row.config for row in _published().values()}
