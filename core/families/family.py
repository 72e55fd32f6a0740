"""A model family: what all checkpoints of one architecture share, and how they are asked.

A family is one file of data here, ``<name>.json``, and where its sizes can be computed one of formulas,
``<name>.py``. Whoever needs a family asks for it by id or by the model_type of a config.json; nobody else
knows one by name. Checkpoints of one architecture that want to be asked differently are rows of
``recipes/recipes.json``: a family with another recipe, found by ``recipes``.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import VramwiseError, nearest

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """How a family does one task: the prompt, and how its answer is read. Pictures with both sides below
    ``doubled_below`` pixels are shown at twice their size.
    """

    prompt: str
    parse: str
    doubled_below: int = 0


@dataclass(frozen=True)
class ActivationCosts:
    """Bytes that reading takes, at 16 bits, measured in one range of transformers versions: those below the
    major version ``before_transformers``, or all where that is None.

    ``unit`` is what the vision tower looks at once: "patch", "tile" where tiles are encoded one by one, or
    "views" where the whole picture is and then all its tiles together, each with scores of its own.
    ``first_width_bytes`` and ``width_bytes`` are of one channel of one patch in the first and in the last
    vision layer (fp32 copies count 4), ``head_bytes`` of one channel of its rotary tables, ``score_bytes`` of
    one score of eager attention; ``rotary_bytes`` (a head's cosines and sines), ``hidden_bytes`` and
    ``ffn_bytes`` of one channel of one prompt token. ``prompt_first``: 1 where the prompt is embedded before
    the picture. What the vision tower leaves behind until the prompt is done: ``kept_width_bytes`` a channel
    of each patch, ``kept_copies`` of every feature that it hands to the language model. ``mask_bytes``: of
    each pair of patches read at once, where the tower keeps its pictures apart by a mask. ``linear_bytes``:
    of one channel of the values of one prompt token in a layer of linear attention. ``table_bytes``: of one
    channel of one learned position, where all of them are stretched to the picture at once.
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
    table_bytes: int = 0


@dataclass(frozen=True)
class PublishedConfig:
    """What ``repo`` publishes as config.json, as far as sizes depend on it. In the file, ``like`` in the
    place of ``config`` names a repository of the same shapes, and ``quantised`` beside it is the
    quantization_config of one that was saved so.
    """

    repo: str
    config: Config
    source: str
    date: str


@dataclass(frozen=True)
class FoundBy:
    """What tells a recipe's checkpoints: ``names`` as they stand in repositories, folders and config.json
    (words, however they are joined), class names in ``architectures``, ``tokens`` of the vocabulary (all of
    them).
    """

    names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn where an author forbids the likeliest one; ``seed`` keeps a page the same."""

    temperature: float
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Family:
    """One entry of a family's file, or one of them with a row of recipes.json.

    Of the architecture: ``model_types`` of the classes here or in transformers, none where only a server can
    run it; ``attention`` best first; ``vision_modules`` and ``keep_16bit`` are module names that
    quantisation skips, ``names_in_files`` what published files call such a vision module where the class says
    otherwise. ``dtype_note`` is a warning sentence for fp16, or empty; ``fp16_overflows``: its activations
    leave fp16's range, so that bf16 is computed where a card has none, too. ``architectures`` are class
    names in config.json that tell the family where its model_type is another's; ``unused_weights`` are parts
    of the names of tensors that files hold and the class leaves out. ``adapter`` is a module of
    ocr/vlm/families.
    ``chat`` is False where the processor writes the prompt itself, which no chat server does.
    ``weights`` and ``picture`` name functions of this folder ("module.function"; see weights.py and
    pictures.py), ``defaults`` what the class assumes ("text", "vision") where config.json is silent.

    Of its recipe, which stands apart in the file because two checkpoints of one architecture may want to be
    asked differently: ``tasks``; ``coordinates`` is "thousandths", "resized_pixels" or "none"; image
    sides are multiples of ``factor`` (0: the processor decides); ``chat_template`` (Jinja;
    docs/sources.md#chat-templates-of-the-families) is how it is asked
    where a folder has none; ``template_options`` are variables for whatever template is used;
    ``end_tokens`` end an answer, whatever a folder says; ``sampling`` is None for greedy decoding;
    ``repetition_penalty`` divides the scores of tokens that prompt or answer have already (1: leaves them);
    ``positions`` are the most tokens of prompt and answer together, 0 where only config.json says so;
    ``longest_side`` is the most pixels of a picture's longer side, 0 for no limit but ``max_pixels``;
    ``words_first``: the prompt comes before the picture; ``begins_answer``: its chat template writes
    something where the answer shall begin.

    Of a row of recipes.json: ``of`` is the family that it changes, "" for that itself, ``found_by`` what
    tells its checkpoints, ``licence`` a name of licences.csv. ``note`` is a sentence for the person about how
    a checkpoint's recipe was found, set by ``recipes``.
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
    fp16_overflows: bool = False
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
    template_options: Mapping[str, bool] = field(default_factory=dict)
    sampling: Sampling | None = None
    repetition_penalty: float = 1.0
    positions: int = 0
    longest_side: int = 0
    words_first: bool = False
    begins_answer: bool = True
    of: str = ""
    found_by: FoundBy = FoundBy()
    licence: str = ""
    note: str = ""

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
    here = Path(__file__).parent
    files = [
        file for folder in (here, here / "served") for file in folder.iterdir() if file.name.endswith(".json")
    ]
    held = [
        json.loads(file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)
    ]
    held.sort(key=lambda file: file.get("place", len(held) + 1))
    return tuple(_family(row) for file in held for row in file["families"])


@functools.cache
def recipes() -> tuple[Family, ...]:
    """Every row of recipes.json as its family with that recipe, in the order of the file."""
    path = Path(__file__).with_name("recipes") / "recipes.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    general = {row.id: row for row in families()}
    return tuple(_recipe(row, general[row["of"]]) for row in held["recipes"])


def _recipe(row: Mapping[str, Any], its: Family) -> Family:
    facts = _facts({**row, "found_by": FoundBy(**{k: tuple(v) for k, v in row["found_by"].items()})})
    return replace(its, **facts)


def _family(row: Mapping[str, Any]) -> Family:
    return Family(**_facts(row))


def _with_shapes(entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """``entries`` with the config of another in the place of its name."""
    shapes = {entry["repo"]: entry["config"] for entry in entries if "config" in entry}
    for entry in entries:
        rest = {key: value for key, value in entry.items() if key not in ("like", "quantised")}
        if "like" in entry:
            saved = {"quantization_config": entry["quantised"]} if "quantised" in entry else {}
            rest["config"] = {**shapes[entry["like"]], **saved}
        yield rest


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**row, **row["recipe"]}
    del facts["recipe"]
    read: Mapping[str, Callable[..., Any]] = {"activations": ActivationCosts, "published": PublishedConfig}
    if "published" in facts:
        facts["published"] = list(_with_shapes(facts["published"]))
    for name, value in facts.items():
        if isinstance(value, list):
            made = read.get(name)
            facts[name] = tuple(value if made is None else (made(**entry) for entry in value))
    if "tasks" in facts:
        facts["tasks"] = {name: Task(**task) for name, task in facts["tasks"].items()}
    if facts.get("sampling") is not None:
        facts["sampling"] = Sampling(**facts["sampling"])
    return facts


def family(family_id: str) -> Family:
    """The family or recipe of ``family_id``; an unknown id raises VramwiseError that names the nearest."""
    for row in (*families(), *recipes()):
        if row.id == family_id:
            return row
    known = [row.id for row in (*families(), *recipes())]
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
