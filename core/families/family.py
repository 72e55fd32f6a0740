"""A model family: what all checkpoints of one architecture share, and how they are asked.

A family is one file of data here, ``<name>.json``, and where its sizes can be computed one of formulas,
``<name>.py``. Whoever needs a family asks for it by id or by the model_type of a config.json; nobody else
knows one by name.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from ..errors import VramwiseError, nearest

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """How a family does one task: the prompt, and how its answer is read."""

    prompt: str
    parse: str


@dataclass(frozen=True)
class ActivationCosts:
    """Bytes that reading takes, at 16 bits, measured in one range of transformers versions: those below the
    major version ``before_transformers``, or all where that is None.

    ``unit`` is what the vision tower looks at once: "patch", or "tile" where tiles are encoded one by one.
    ``first_width_bytes`` and ``width_bytes`` are of one channel of one patch in the first and in the last
    vision layer (fp32 copies count 4), ``head_bytes`` of one channel of its rotary tables, ``score_bytes`` of
    one score of eager attention; ``rotary_bytes`` (a head's cosines and sines), ``hidden_bytes`` and
    ``ffn_bytes`` of one channel of one prompt token. ``prompt_first``: 1 where the prompt is embedded before
    the picture. What the vision tower leaves behind until the prompt is done: ``kept_width_bytes`` a channel
    of each patch, ``kept_copies`` of every feature that it hands to the language model. ``mask_bytes``: of
    each pair of patches read at once, where the tower keeps its pictures apart by a mask. ``linear_bytes``:
    of one channel of the values of one prompt token in a layer of linear attention.
    """

    unit: str
    first_width_bytes: int
    width_bytes: int
    head_bytes: int
    score_bytes: int
    rotary_bytes: int
    hidden_bytes: int
    ffn_bytes: int
    prompt_first: int
    kept_width_bytes: int
    kept_copies: int
    mask_bytes: int
    source: str
    date: str
    before_transformers: int | None = None
    linear_bytes: int = 0


@dataclass(frozen=True)
class PublishedConfig:
    """What ``repo`` publishes as config.json, as far as sizes depend on it."""

    repo: str
    config: Config
    source: str
    date: str


@dataclass(frozen=True)
class Family:
    """One entry of a family's file.

    Of the architecture: ``attention`` best first; ``vision_modules`` and ``keep_16bit`` are module names that
    quantisation skips, ``names_in_files`` what published files call such a vision module where the class says
    otherwise. ``dtype_note`` is a warning sentence for fp16, or empty. ``architectures`` are class names in
    config.json that tell the family where its model_type is another's; ``unused_weights`` are parts of the
    names of tensors that files hold and the class leaves out. ``adapter`` is a module of ocr/vlm/families.
    ``chat`` is False where the processor writes the prompt itself, which no chat server does.
    ``weights`` and ``picture`` name functions of this folder ("module.function"; see weights.py and
    pictures.py), ``defaults`` what the class assumes ("text", "vision") where config.json is silent.

    Of its recipe, which stands apart in the file because two checkpoints of one architecture may want to be
    asked differently: ``tasks``; ``coordinates`` is "thousandths", "resized_pixels" or "none"; image
    sides are multiples of ``factor`` (0: the processor decides); ``chat_template`` (Jinja;
    docs/sources.md#chat-templates-of-the-families) is how it is asked
    where a folder has none; ``end_tokens`` end an answer, whatever a folder says.
    """

    id: str
    name: str
    model_types: tuple[str, ...]
    adapter: str
    min_transformers: str
    attention: tuple[str, ...]
    vision_modules: tuple[str, ...]
    keep_16bit: tuple[str, ...]
    coordinates: str
    factor: int
    min_pixels: int
    max_pixels: int
    default_pixels: int
    max_new_tokens: int
    tasks: Mapping[str, Task]
    source: str
    date: str
    dtype_note: str = ""
    architectures: tuple[str, ...] = ()
    unused_weights: tuple[str, ...] = ()
    names_in_files: tuple[str, ...] = ()
    chat: bool = True
    weights: str = ""
    picture: str = ""
    defaults: Mapping[str, Config] = field(default_factory=dict)
    chat_template: str = ""
    end_tokens: tuple[str, ...] = ()
    activations: tuple[ActivationCosts, ...] = ()
    published: tuple[PublishedConfig, ...] = ()

    def costs(self, transformers_major: int | None) -> ActivationCosts | None:
        """What was measured for this version of transformers (None: the newest); the first that applies."""
        for costs in self.activations:
            before = costs.before_transformers
            if before is None or (transformers_major is not None and transformers_major < before):
                return costs
        return None


@functools.cache
def families() -> tuple[Family, ...]:
    """Every family, by the ``place`` that its file gives it in lists (without one: last), then by name."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".json")]
    held = [
        json.loads(file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)
    ]
    held.sort(key=lambda file: file.get("place", len(held) + 1))
    return tuple(_family(row) for file in held for row in file["families"])


def _family(row: Mapping[str, Any]) -> Family:
    facts = {**row, **row["recipe"]}
    del facts["recipe"]
    read: Mapping[str, Callable[..., Any]] = {"activations": ActivationCosts, "published": PublishedConfig}
    for name, value in facts.items():
        if isinstance(value, list):
            made = read.get(name)
            facts[name] = tuple(value if made is None else (made(**entry) for entry in value))
    facts["tasks"] = {name: Task(**task) for name, task in facts["tasks"].items()}
    return Family(**facts)


def family(family_id: str) -> Family:
    """The family of ``family_id``; an unknown id raises VramwiseError that names the nearest."""
    for row in families():
        if row.id == family_id:
            return row
    known = [row.id for row in families()]
    raise VramwiseError(f'There is no model family "{family_id}".{nearest(family_id, known)}')


def family_of_model_type(model_type: str) -> Family | None:
    """The family whose checkpoints say ``model_type`` in config.json, or None for one that is not known."""
    return _by_model_type().get(model_type)


@functools.cache
def _by_model_type() -> Mapping[str, Family]:
    return {model_type: row for row in reversed(families()) for model_type in row.model_types}


def family_of_config(config: Config) -> Family | None:
    """The family of a config.json, or None for one that is not known."""
    return family_of_model_type(str(config.get("model_type")))


def with_formulas() -> Iterator[str]:
    """The model types whose sizes can be computed from config.json."""
    return (model_type for row in families() if row.weights for model_type in row.model_types)


@functools.cache
def formula(named: str) -> Callable[..., Any]:
    """A function of this folder by its "module.function"."""
    module, _, function = named.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(f".{module}", __package__), function)
    return found
