"""The answer of a server to the question which models it has, in the forms that servers give it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .answer_fields import whole_number

MOST_MODELS = 4096  # of a list that are looked at
LONGEST_NAME = 300  # letters of a model's name; paths are used as names


def models_of_list(body: bytes) -> dict[str, int | None]:
    """Names of the models with their contexts in tokens, None where it is not said: under ``data``, under
    ``models``, or bare. Raises ValueError for what is no list of models.
    """
    try:
        data = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if isinstance(data, Mapping):
        data = next((data[name] for name in ("data", "models") if isinstance(data.get(name), list)), None)
    if not isinstance(data, list):
        raise ValueError("no list")
    found: dict[str, int | None] = {}
    for entry in data[:MOST_MODELS]:
        entry = {"id": entry} if isinstance(entry, str) else entry
        names = ("id", "name", "model")
        name = (
            next((entry[n] for n in names if isinstance(entry.get(n), str)), "")
            if isinstance(entry, Mapping)
            else ""
        )
        if not name:
            raise ValueError("a model without a name")
        lengths = ("max_model_len", "context_length", "max_context_length")
        if not name.isprintable() or len(name) > LONGEST_NAME:
            continue
        found[name] = next((n for key in lengths if (n := whole_number(entry.get(key)))), None)
    return found
