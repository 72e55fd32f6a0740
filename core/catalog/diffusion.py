"""Image and video models: the weight of their files, how ComfyUI counts activations, published needs.

diffusion.csv has a row a model, diffusion_weights.csv a row a precision, text_encoders.csv a row a text
encoder, diffusion_published.csv what others said it needs, licences.csv what may be done with it.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ..errors import UnknownName, nearest
from ..units import GIB
from .csv_rows import Row, number, table
from .model_files.gguf_ladder import measured_bits, with_ladder
from .model_files.listed import DiffusionWeights as DiffusionWeights
from .own.rows import OwnRows, Unfit, amounts, needed, one_of, own_rows
from .ranks import meant_first

# Undistilled models of the catalog sample 15 steps or more.
_FEW_STEPS = 10
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder that a model can be given. ``optional`` ones rewrite the prompt and can be left out."""

    name: str
    bytes: int
    optional: bool
    source: str
    date: str


@dataclass(frozen=True)
class PublishedNeed:
    """What ``who`` ("official" or "community") said: ``level`` is "minimum" or "optimum", in the GB of the
    source; None where only the other bound was given."""

    who: str
    level: str
    gb_low: float | None
    gb_high: float | None
    note: str
    source: str
    date: str


@dataclass(frozen=True)
class Licence:
    """``commercial`` is "yes", "no", "conditions" (``note`` says which) or "unknown" (not read)."""

    licence: str
    commercial: str
    note: str
    source: str
    date: str


# A row is itself: comparing by its hundred values would cost more than what is computed from them.
@dataclass(frozen=True, eq=False)
class DiffusionModel:
    """A row of diffusion.csv.

    ``factor`` is ComfyUI's memory_usage_factor; the latent is ``width`` and ``height`` divided by
    ``spatial`` and (``frames`` - 1) // ``temporal`` + 1 long, times ``area_channels`` where ComfyUI counts
    channels, times 1 + ``references`` for pictures or layers that go in beside the latent. ``fp16`` is False
    where ComfyUI computes it in bf16 or fp32 only. ``decoder`` is the kind of
    VAE in core.advisor.diffusion_memory, empty where ComfyUI's estimate is not usable. ``steps`` is the
    sampling of its template without a step-saving LoRA. ``tasks`` are "image", "edit", "video", "upscale",
    "audio" and "3d"; of sound ``width`` is the length of the latent, of shapes the number of tokens
    (``spatial`` 1). "sound" beside "video" is a clip with sound. ``config`` is what ComfyUI's class needs to
    count its factor ("dim").
    """

    id: str
    name: str
    family: str
    tasks: tuple[str, ...]
    release: str
    parameters: int
    text_encoder_parameters: int
    vae_parameters: int
    vae_bytes: int
    decoder: str
    comfy_class: str
    factor: float
    factor_source: str
    fp16: bool
    width: int
    height: int
    frames: int
    spatial: int
    temporal: float
    area_channels: int
    references: int
    steps: int
    steps_source: str
    licence: Licence
    templates: tuple[str, ...]
    weights: tuple[DiffusionWeights, ...]
    text_encoders: tuple[TextEncoder, ...]
    published: tuple[PublishedNeed, ...]
    source: str
    date: str
    config: tuple[tuple[str, int], ...] = ()
    yours: bool = False

    @property
    def precisions(self) -> tuple[str, ...]:
        return tuple(weights.precision for weights in self.weights)

    @property
    def distilled(self) -> bool:
        """True where it is made for few steps (Turbo, schnell, klein): quicker, with no fewer bytes."""
        return self.steps <= _FEW_STEPS

    @property
    def factor_estimated(self) -> bool:
        """True where ComfyUI's own factor of this model was not read."""
        return self.factor_source.startswith("estimated")

    def of(self, precision: str) -> DiffusionWeights:
        """The weights at ``precision``, or at the first that begins with its words ("fp8", "Q4": of a GGUF's
        sizes the medium one). Raises UnknownName with the nearest.
        """
        wanted = precision.strip().lower()
        for weights in self.weights:
            if weights.precision.lower() == wanted:
                return weights
        bare = re.sub("[^a-z0-9]", "", wanted)  # "q4km", "fp8 scaled"
        alike = [row for row in self.weights if re.sub("[^a-z0-9]", "", row.precision.lower()) == bare]
        if alike and bare:
            return alike[0]
        begins = [row for row in self.weights if re.match(rf"{re.escape(wanted)}[_ ]", row.precision.lower())]
        if begins:
            return next((row for row in begins if row.precision.endswith("_M")), begins[0])
        raise UnknownName(
            f'{self.name} is not listed at "{precision}".{nearest(precision, self.precisions)} '
            f"Use one of: {', '.join(self.precisions)}."
        )

    def text_encoder(self, name: str | None = None) -> TextEncoder | None:
        """The text encoder called ``name``, or the smallest that is not optional; None where the file of the
        model brings it. Raises UnknownName with the nearest.
        """
        if name is None:
            needed = [encoder for encoder in self.text_encoders if not encoder.optional]
            return min(needed, key=lambda encoder: encoder.bytes, default=None)
        for encoder in self.text_encoders:
            if encoder.name == name:
                return encoder
        known = [encoder.name for encoder in self.text_encoders]
        raise UnknownName(
            f'{self.name} has no text encoder "{name}".{nearest(name, known)} '
            f"Use one of: {', '.join(known) or 'none, it is part of the model file'}."
        )


@functools.cache
def diffusion_models() -> tuple[DiffusionModel, ...]:
    """Every model, in the order of the file, with a GGUF ladder beside the files that are listed. A person's
    own rows stand in the place of those of their id, the others behind; their own files beside ours.
    """
    shipped = _shipped()
    bits = measured_bits((model.parameters, row) for model in shipped for row in model.weights)
    own = {model.id.casefold(): model for model in own_diffusion_models().rows}
    models = [*(own.pop(model.id.casefold(), model) for model in shipped), *own.values()]
    files = own_diffusion_files().rows
    models = [_with_files(model, [row for name, row in files if name == model.id]) for model in models]
    families = defaultdict[str, list[DiffusionModel]](list)
    for model in models:
        families[_family(model)].append(model)
    return tuple(
        replace(
            model, weights=with_ladder(model.parameters, model.weights, bits, _relatives(model, families))
        )
        for model in models
    )


def _shipped() -> tuple[DiffusionModel, ...]:
    weights = listed_weights()
    encoders = _grouped("diffusion/text_encoders.csv", _text_encoder)
    published = _grouped("diffusion/diffusion_published.csv", _published)
    return table(
        "diffusion/diffusion.csv",
        lambda row: _model(
            row, tuple(weights[row["id"]]), tuple(encoders[row["id"]]), tuple(published[row["id"]])
        ),
        lambda row: [row["id"], row["name"]],
    )


_shipped_once = functools.cache(_shipped)


def _with_files(model: DiffusionModel, files: list[DiffusionWeights]) -> DiffusionModel:
    """``model`` with a person's ``files``, each in the place of one of its precision."""
    if not files:
        return model
    named = {row.precision.casefold() for row in files}
    others = [row for row in model.weights if row.precision.casefold() not in named]
    return replace(model, weights=(*others, *files))


# --- a person's own rows -----------------------------------------------------------------------------------

# What most models of the catalog have; ComfyUI's class for what it does not know has the factor 2.
_USUAL = {
    **{"text_encoder_parameters": "0", "vae_parameters": "0", "vae_gib": "0", "fp16": "yes", "factor": "2"},
    **{"factor_source": "estimated: none given, the default of ComfyUI's BASE", "licence": "not read"},
    **{"width": "1024", "height": "1024", "frames": "1", "spatial": "8", "temporal": "1"},
    **{"area_channels": "1", "references": "0", "steps": "20", "steps_source": "assumed"},
}
_COUNTS = ("text_encoder_parameters", "vae_parameters", "references")
_POSITIVE = ("width", "height", "frames", "spatial", "area_channels", "steps")
_MOST_PIXELS, _MOST_GIB = 1_000_000, 65_536


@functools.cache
def own_diffusion_models() -> OwnRows[DiffusionModel]:
    """The models of a person's diffusion.csv. Without files of its own (diffusion_weights.csv) a model has
    16-bit ones by its parameters, and the ladder.
    """
    return own_rows(
        "diffusion.csv", "diffusion/diffusion.csv", _USUAL, _own_model, lambda row: [row["id"], row["name"]]
    )


@functools.cache
def own_diffusion_files() -> OwnRows[tuple[str, DiffusionWeights]]:
    """(model, file) of a person's diffusion_weights.csv: of a model of theirs or of ours."""
    usual = {"copies": "1", "at_once": "1", "with_text_encoder": "no", "with_vae": "no", "factor_scale": "1"}
    return own_rows(
        "diffusion_weights.csv",
        "diffusion/diffusion_weights.csv",
        usual,
        _own_file,
        lambda row: [f"{row['model']}@{row['precision']}"],
    )


def _own_model(row: Row) -> DiffusionModel:
    needed(row, "id", "name", "tasks", "parameters")
    if not re.fullmatch(r"[\w.-]{1,80}", row["id"]):
        raise Unfit("no_id", "id", cell=row["id"][:60])
    shipped = _shipped_once()
    if any(other.name.casefold() == row["name"].casefold() and other.id != row["id"] for other in shipped):
        raise Unfit("name_taken", "name", name=row["name"])
    kinds = sorted({task for other in shipped for task in other.tasks})
    tasks = [one_of({**row, "tasks": task.strip()}, "tasks", kinds) for task in row["tasks"].split("|")]
    told = {
        **amounts(row, ["parameters"], whole=True, least=1),
        **amounts(row, _COUNTS, whole=True),
        **amounts(row, _POSITIVE, _MOST_PIXELS, whole=True, least=1),
        **amounts(row, ["factor", "temporal"], 10_000),
        "vae_gib": amounts(row, ["vae_gib"], _MOST_GIB)["vae_gib"] if row["vae_gib"] != "0" else "0",
        "tasks": "|".join(tasks),
        "fp16": one_of(row, "fp16", ("yes", "no")),
        "decoder": one_of(row, "decoder", sorted({"", *(other.decoder for other in shipped)})),
        "family": row["family"] or row["name"],
        "config": "",
        "templates": "",
    }
    known = row["licence"] if row["licence"] in licences() else "not read"
    made = _model({**row, **told, "licence": known}, (), (), ())
    licence = made.licence
    if known != row["licence"]:
        licence = Licence(row["licence"], "unknown", "", made.source, made.date)
    whole = _of_parameters(made)
    encoders = (_of_encoder(made),) if made.text_encoder_parameters else ()
    return replace(made, licence=licence, weights=(whole,), text_encoders=encoders, yours=True)


def _of_parameters(model: DiffusionModel) -> DiffusionWeights:
    size, said = 2 * model.parameters, "size estimated: 2 bytes a parameter"
    source, date = model.source, model.date
    file = DiffusionWeights("bf16", "bf16", size, size, 0, 1, 1, False, False, 1.0, said, source, date)
    return replace(file, estimated=True, yours=True)


def _of_encoder(model: DiffusionModel) -> TextEncoder:
    size = 2 * model.text_encoder_parameters
    return TextEncoder("text encoder, 2 bytes a parameter", size, False, model.source, model.date)


def _own_file(row: Row) -> tuple[str, DiffusionWeights]:
    needed(row, "model", "precision", "format", "file_gib")
    models = (*_shipped_once(), *own_diffusion_models().rows)
    model = one_of(row, "model", [other.id for other in models])
    told = {
        "format": one_of(row, "format", table("formats.csv", lambda other: other["format"])),
        **{column: one_of(row, column, ("yes", "no")) for column in ("with_text_encoder", "with_vae")},
    }
    told |= amounts(row, ("file_gib", "held_gib", "rest_gib"), _MOST_GIB)
    told |= amounts(row, ("copies", "at_once"), 64, whole=True, least=1)
    told |= amounts(row, ["factor_scale"], 1_000)
    return model, replace(_weights({**row, **told}), yours=True)


def _relatives(
    model: DiffusionModel, families: Mapping[str, Iterable[DiffusionModel]]
) -> list[DiffusionWeights]:
    """Files of the other models of its family with as many parameters: base and Turbo, text and edit."""
    return [
        weights
        for other in families[_family(model)]
        if other is not model and abs(other.parameters - model.parameters) <= 0.01 * model.parameters
        for weights in other.weights
    ]


def _family(model: DiffusionModel) -> str:
    return model.family.partition("-Edit")[0]


def listed_weights() -> defaultdict[str, list[DiffusionWeights]]:
    """The files of diffusion_weights.csv by model, without the computed ones."""
    return _grouped(
        "diffusion/diffusion_weights.csv", _weights, lambda row: [f"{row['model']}@{row['precision']}"]
    )


def diffusion_model(name: str) -> DiffusionModel:
    """The model with this id or name, whatever the case. Raises UnknownName with the nearest."""
    from .names.models import models_named, models_worded

    models = {model.id: model for model in diffusion_models()}
    names = {model.id: (model.name,) for model in models.values()}
    found = meant_first(models_named(name, names) or models_worded(name, names))
    if not found:
        known = [*models, *(model.name for model in models.values())]
        raise UnknownName(
            f'There is no image or video model "{name}".{nearest(name, known)} `vramwise models` lists them.',
            key="error_model_unknown",
            text=name,
            near=nearest(name, known),
        )
    return models[found[0]]


@functools.cache
def licences() -> Mapping[str, Licence]:
    """The licences by name."""
    return {row.licence: row for row in table("licences.csv", lambda row: Licence(**row))}


def _grouped(
    name: str, make: Callable[[Row], _Made], names: Callable[[Row], list[str]] | None = None
) -> defaultdict[str, list[_Made]]:
    groups: defaultdict[str, list[_Made]] = defaultdict(list)
    for model, made in table(name, lambda row: (row["model"], make(row)), names):
        groups[model].append(made)
    return groups


def _model(
    row: Row,
    weights: tuple[DiffusionWeights, ...],
    text_encoders: tuple[TextEncoder, ...],
    published: tuple[PublishedNeed, ...],
) -> DiffusionModel:
    counts = ("parameters", "text_encoder_parameters", "vae_parameters")
    sizes = ("width", "height", "frames", "spatial", "area_channels", "references", "steps")
    known = {key: value for key, value in row.items() if key not in ("vae_gib", "licence")}
    numbers = {key: int(row[key]) for key in (*counts, *sizes)}
    made = {
        **known,
        **numbers,
        "factor": float(row["factor"]),
        "fp16": row["fp16"] == "yes",
        "temporal": float(row["temporal"]),
        "vae_bytes": _bytes(row["vae_gib"]),
        "tasks": tuple(row["tasks"].split("|")),
        "templates": tuple(filter(None, row["templates"].split("|"))),
        "config": tuple(
            (name, int(value))
            for name, _, value in (part.partition("=") for part in row["config"].split())
            if name
        ),
        "licence": licences()[row["licence"]],
        "weights": weights,
        "text_encoders": text_encoders,
        "published": published,
    }
    return DiffusionModel(**made)  # type: ignore[arg-type]


def _weights(row: Row) -> DiffusionWeights:
    file = _bytes(row["file_gib"])
    held = _bytes(row["held_gib"]) if row["held_gib"] else file
    return DiffusionWeights(
        precision=row["precision"],
        format=row["format"],
        file_bytes=file,
        held_bytes=held,
        rest_bytes=_bytes(row["rest_gib"]) if row["rest_gib"] else max(0, file - held),
        copies=int(row["copies"]),
        at_once=int(row["at_once"]),
        with_text_encoder=row["with_text_encoder"] == "yes",
        with_vae=row["with_vae"] == "yes",
        factor_scale=float(row["factor_scale"]),
        note=row["note"],
        source=row["source"],
        date=row["date"],
    )


def _text_encoder(row: Row) -> TextEncoder:
    return TextEncoder(row["name"], _bytes(row["gib"]), row["optional"] == "yes", row["source"], row["date"])


def _published(row: Row) -> PublishedNeed:
    low, high = number(row["gb_low"]), number(row["gb_high"])
    return PublishedNeed(row["who"], row["level"], low, high, row["note"], row["source"], row["date"])


def _bytes(gib: str) -> int:
    return round(float(gib) * GIB)
