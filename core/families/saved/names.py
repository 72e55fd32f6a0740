"""Names of weights as wrappers and older tools save them, and what the family's class calls them.

A merge that peft saved without unwrapping begins every name with "base_model.", torch's DDP with "module.",
torch.compile with "_orig_mod."; older tools leave parts out. Nothing of the weights themselves differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from ...errors import VramwiseError
from ..family import Config
from ..weights import weights_of_config

Held = TypeVar("Held")
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_MOST_NAMES = 2_000  # of layers that differ; the largest class has about a hundred
_NO_WEIGHT = ("inv_freq",)  # saved by old versions, computed by all


def renaming(names: Iterable[str], config: Config) -> dict[str, str]:
    """Pattern -> replacement (of ``re.sub``) by which saved ``names`` become those of the class.

    Empty where they are the class's already, where the family's names are not known, and where no change of
    their beginnings gives exactly these.
    """
    saved = {_NUMBER.sub("*", name) for name in names if not name.endswith(_NO_WEIGHT)}
    try:
        wanted = {weight.name for weight in weights_of_config(config)}
    except (VramwiseError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError):
        return {}  # a damaged config.json: who plans with it says so
    odd = saved - wanted
    if not odd or len(odd) > _MOST_NAMES:
        return {}
    votes: dict[str, Counter[str]] = {}
    for name in odd:
        for before, after in _rules(name, wanted):
            votes.setdefault(before, Counter())[after] += 1
    best = {before: counted.most_common(1)[0][0] for before, counted in votes.items()}
    followed: dict[str, set[str]] = {}
    for name in odd:
        for before in sorted(best, key=len, reverse=True):
            rest = name[len(before) :]
            if name.startswith(before) and best[before] + rest in wanted:
                followed.setdefault(before, set()).add(rest.split(".")[0])
                break
    rules = {_pattern(before, followed[before]): best[before] for before in sorted(followed, reverse=True)}
    given = [renamed(name, rules) for name in odd]
    lacking = {name for name in wanted - set(given) - saved if not name.startswith("lm_head.")}
    return rules if len(set(given)) == len(odd) and set(given) <= wanted and not lacking else {}


def renamed(name: str, rules: Mapping[str, str]) -> str:
    """``name`` by the first of ``rules`` that applies."""
    for pattern, replacement in rules.items():
        changed, count = re.subn(pattern, replacement, name)
        if count:
            return changed
    return name


def by_class_names(tensors: Mapping[str, Held], config: Config) -> dict[str, Held]:
    """``tensors`` by the names that the class has for them."""
    rules = renaming(tensors, config)
    return {renamed(name, rules): held for name, held in tensors.items()}


def _rules(name: str, wanted: set[str]) -> set[tuple[str, str]]:
    """(beginning, its replacement) that make of ``name`` one of ``wanted``: those that change the least."""
    parts = name.split(".")
    found: dict[int, set[tuple[str, str]]] = {}
    for other in wanted:
        theirs = other.split(".")
        same = 0
        while same < min(len(parts), len(theirs)) and parts[-1 - same] == theirs[-1 - same]:
            same += 1
        if same > 1 or same == len(theirs):
            before = "".join(f"{part}." for part in parts[: len(parts) - same])
            after = "".join(f"{part}." for part in theirs[: len(theirs) - same])
            found.setdefault(same, set()).add((before, after))
    return found[max(found)] if found else set()


def _pattern(before: str, followed: set[str]) -> str:
    """Only in front of what follows it: a name that one rule gave must not be met by the next."""
    return f"^{re.escape(before)}(?=(?:{'|'.join(map(re.escape, sorted(followed)))})\\.)"
