"""What one of ComfyUI's own templates needs, by its list of files: docs/sources.md#templates-of-comfyui."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..catalog.diffusion import DiffusionModel, DiffusionWeights, diffusion_models
from ..catalog.gpus import GPU
from ..catalog.model_files.names import named_file
from ..catalog.templates import MODEL_FOLDERS, Template, TemplateFile
from ..units import MIB
from .diffusion_memory import DiffusionNeed, diffusion_need, reserve_bytes
from .models_here import SAME_FILE, current_model, format_of_name, header_of, model_of_file

_TEXT_ENCODERS = ("text_encoders", "clip")
# What sits in VRAM beside the model while it samples.
_BESIDE = ("loras", "model_patches", "controlnet", "style_models", "gligen", "hypernetworks")
# The median of the 71 LoRA, ControlNet and patch files of template_files.csv.
_USUAL_BESIDE = 810 * MIB
# Where no model of the catalog tells: what most templates sample.
_USUAL_STEPS = 20


def model_of_template(template: Template) -> DiffusionModel | None:
    """The catalog's model that the template is listed under, else the one that its largest model file is, by
    its header where it is on disk, by its name where not; None where nothing tells."""
    listed = _by_template().get(template.id)
    if listed is not None:
        return current_model(listed.id)
    for file in sorted(template.needed, key=_size, reverse=True):
        name = _model_of(file) if file.directory in MODEL_FOLDERS else ""
        if name:
            return current_model(name)
    return None


def _model_of(file: TemplateFile) -> str:
    """The id of the model that a file is; empty where neither header nor name tell."""
    here = header_of(file.path) if file.path is not None else None
    model = model_of_file(here) if here is not None else None
    if model is not None:
        return model.id
    row = named_file(file.name)
    return row.model if row is not None else ""


def unmapped(template: Template) -> str:
    """Why no model of the catalog stands for the template, in words; empty where one does."""
    if model_of_template(template) is not None:
        return ""
    files = [file for file in template.needed if file.directory in MODEL_FOLDERS]
    if not files:
        return "loads no diffusion model"
    rows = {file.name: named_file(file.name) for file in files}
    strange = [name for name, row in rows.items() if row is None]
    if strange:
        return f"no model of the catalog is known by the name of {', '.join(strange)}"
    return "; ".join(dict.fromkeys(f"{name} {row.what}" for name, row in rows.items() if row is not None))


def template_need(
    template: Template, *, system: str = "linux", total_bytes: int | None = None, gpu: GPU | None = None
) -> DiffusionNeed | None:
    """The need of a template as it comes, None where it loads no model or nothing tells a size.

    A size that nobody states is the catalog's for that model and format, and the confidence "estimated".
    Activations, steps and decode are those of the catalog's model at its usual size; a template of no model
    in the catalog gets the 0.8 GiB that ComfyUI keeps at the least, and a note that says why. ``model`` is
    the template's id, ``precision`` the name of its largest model file. Switched-off nodes are not counted.
    """
    model = model_of_template(template)
    stated = {(file.directory, file.name): file for file in template.needed}.values()
    files = [file if file.bytes is not None else _estimated(file, model) for file in stated]
    models = [file for file in files if file.directory in MODEL_FOLDERS]
    if not models or None in [file.bytes for file in files]:
        return None
    total = total_bytes or (gpu.vram_bytes if gpu is not None else None)
    largest = max(models, key=_size)
    whole = sum(_size(file) for file in files)
    guessed = [file.name for file in files if file.size_from == "estimated"]
    weights = _weights(model, largest)
    model_bytes = weights.held_bytes if weights is not None else _size(largest)
    beside = sum(_size(file) for file in files if file.directory in _BESIDE)
    notes = [] if all(file.size_from == "disk" for file in files) else ["sizes as published, rounded"]
    notes += [f"size estimated, nobody states it: {', '.join(guessed)}"] if guessed else []
    need = DiffusionNeed(
        model=template.id,
        precision=largest.name,
        weights_bytes=model_bytes * (weights.at_once if weights is not None else 1) + beside,
        text_encoder_bytes=max(_together(files, _TEXT_ENCODERS).values(), default=0),
        activation_bytes=0,
        decode_bytes=0,
        reserve_bytes=reserve_bytes(system, total),
        loaded_bytes=whole,
        file_bytes=whole,
        steps=model.steps if model is not None else _USUAL_STEPS,
        weights_source="files that the template names",
        activation_source="0.8 GiB, the least that ComfyUI keeps",
        confidence="estimated" if guessed else "computed",
        vae_bytes=sum(_size(file) for file in files if file.directory == "vae"),
    )
    if model is None:
        notes.append(
            f"no model of the catalog: {unmapped(template)}; ComfyUI's least for activations, "
            f"{_USUAL_STEPS} steps for streaming"
        )
        return replace(need, notes=tuple(notes))
    precision = weights.precision if weights is not None else model.precisions[0]
    usual = diffusion_need(model, precision, system=system, total_bytes=total, gpu=gpu)
    return replace(
        need,
        activation_bytes=usual.activation_bytes,
        decode_bytes=usual.decode_bytes,
        activation_source=usual.activation_source,
        area=usual.area,
        notes=(*notes, *(note for note in usual.notes if "ComfyUI" in note)),
    )


def _estimated(file: TemplateFile, model: DiffusionModel | None) -> TemplateFile:
    """``file`` with the size that the catalog has for its kind; unchanged where it has none."""
    size = None
    if model is not None and file.directory in MODEL_FOLDERS:
        kind = format_of_name(file.name)
        size = next((row.file_bytes for row in model.weights if row.format == kind), None)
    elif model is not None and file.directory in _TEXT_ENCODERS:
        encoder = model.text_encoder()
        size = None if encoder is None else encoder.bytes
    elif model is not None and file.directory == "vae":
        size = model.vae_bytes or None
    elif file.directory in _BESIDE:
        size = _USUAL_BESIDE
    return file if size is None else replace(file, bytes=size, size_from="estimated")


def _together(files: Iterable[TemplateFile], directories: tuple[str, ...]) -> Mapping[int, int]:
    """Bytes that each loader node brings in at once."""
    sums: dict[int, int] = {}
    for file in files:
        if file.directory in directories:
            sums[file.loader] = sums.get(file.loader, 0) + _size(file)
    return sums


def _weights(model: DiffusionModel | None, file: TemplateFile) -> DiffusionWeights | None:
    """The catalog's row of this very file, known by its size."""
    if model is None:
        return None
    nearest = min(
        model.weights, key=lambda weights: (weights.estimated, abs(weights.file_bytes - _size(file)))
    )
    same = abs(nearest.file_bytes - _size(file)) <= SAME_FILE * nearest.file_bytes
    return nearest if same else None


@functools.cache
def _by_template() -> Mapping[str, DiffusionModel]:
    return {name: model for model in diffusion_models() for name in model.templates}


def _size(file: TemplateFile) -> int:
    return file.bytes or 0
