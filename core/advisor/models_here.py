"""The catalog's models as they are here: the running ComfyUI counts its own way, templates that are newer
than this version name newer files, and files on disk tell their exact bytes.

Outside of ComfyUI only the files in the models folders of config.yaml count.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog.diffusion import DiffusionModel, diffusion_model, diffusion_models
from ..catalog.formats import formats
from ..catalog.model_files.listed import DiffusionWeights
from ..catalog.model_files.names import named_file
from ..errors import VramwiseError
from ..host import HostModels, host_models
from ..settings import load_settings

if TYPE_CHECKING:
    from ..catalog.templates import Template
    from ..weights.model_headers import ModelFile

# Sizes in notes are rounded to two digits; files of two precisions differ by far more.
SAME_FILE = 0.03
# A fine-tune has as many weights as its model; another model of the same architecture has not.
_SAME_MODEL = 0.15
# A cut or grown variant keeps its model's name to about this share; LTX-Video 13B is no LTX-Video 2B.
_CUT = 0.6
# More headers are not read: a folder of thousands of checkpoints must not hold advice up.
_MOST_FILES = 400
_current: ContextVar[tuple[DiffusionModel, ...] | None] = ContextVar("models_here", default=None)


def current_models() -> tuple[DiffusionModel, ...]:
    """The models inside of ``asking``, else those that are shipped."""
    return _current.get() or diffusion_models()


def current_model(name: str) -> DiffusionModel:
    """As catalog.diffusion_model, of ``current_models``."""
    shipped = diffusion_model(name)
    return next((model for model in current_models() if model.id == shipped.id), shipped)


@contextlib.contextmanager
def asking(templates: Sequence[Template] = ()) -> Iterator[None]:
    """Within, ``current_models`` are those of this host, with the files of ``templates`` and of the disk."""
    token = _current.set(models_here(host_models(), templates))
    try:
        yield
    finally:
        _current.reset(token)


def models_here(host: HostModels | None, templates: Sequence[Template] = ()) -> tuple[DiffusionModel, ...]:
    """The catalog as ``host`` counts, with rows for files that templates or the disk have and it has not."""
    named = _files_of_templates(templates)
    found = tuple(_files_on_disk(host))
    return _overlaid(diffusion_models(), host, named, found)


# One state of the folders and the packages: the models of equal questions are the same objects, so what was
# computed from them is found again.
@functools.lru_cache(maxsize=2)
def _overlaid(
    shipped: tuple[DiffusionModel, ...],
    host: HostModels | None,
    named: tuple[tuple[str, str, int, str], ...],
    found: tuple[ModelFile, ...],
) -> tuple[DiffusionModel, ...]:
    by_model: dict[str, list[ModelFile]] = {}
    for file in found:
        model = model_of_file(file)
        if model is not None:
            by_model.setdefault(model.id, []).append(file)
    models = []
    for model in shipped:
        counted = _as_counted(model, host)
        weights = counted.weights
        for name, file_name, size, template in named:
            if name == model.id:
                weights = _with_named(weights, file_name, size, template)
        for file in by_model.get(model.id, ()):
            weights = with_file(weights, file)
        models.append(counted if weights == counted.weights else replace(counted, weights=weights))
    return tuple(models)


def model_of_file(file: ModelFile) -> DiffusionModel | None:
    """By its name where neither architecture nor number of weights of its header speak against it, else by
    these two; None where neither tells."""
    named = named_file(file.path.name)
    by_name = diffusion_model(named.model) if named is not None and named.model else None
    if not file.comfy_class or (named is not None and not named.model):
        return by_name
    if by_name is not None and _kind(by_name.comfy_class) == _kind(file.comfy_class):
        share = file.parameters / by_name.parameters
        if _CUT <= share <= 1 / _CUT:
            return by_name
    alike = [model for model in diffusion_models() if _kind(model.comfy_class) == _kind(file.comfy_class)]
    closest = min(alike, key=lambda model: abs(model.parameters - file.parameters), default=None)
    if closest is None or abs(closest.parameters - file.parameters) > _SAME_MODEL * closest.parameters:
        return None
    return closest


def _kind(comfy_class: str) -> str:
    """Classes that a header does not tell apart: FLUX with and without guidance, the kinds of Wan."""
    for kind in ("WAN", "Flux2", "Flux", "Hunyuan3D", "Chroma"):
        if comfy_class.startswith(kind):
            return kind
    return comfy_class


def with_file(weights: tuple[DiffusionWeights, ...], file: ModelFile) -> tuple[DiffusionWeights, ...]:
    """``weights`` with the exact bytes of ``file``: in place of the listed or estimated row that it is, else
    as a row of its own."""
    for place, row in enumerate(weights):
        same = abs(row.held_bytes - file.held_bytes) <= SAME_FILE * file.held_bytes
        # two experts are two files of one row; an AIO is no bare file
        if row.format == file.format and (same or row.estimated) and _aio(row) == (file.rest_bytes > 0):
            return (*weights[:place], _exact(row, file), *weights[place + 1 :])
    if not weights or file.format not in {row.format for row in formats()}:
        return weights
    name = _label(file.format, file.path.stem, weights)
    if not name:
        return weights
    return (*weights, _exact(replace(weights[0], precision=name, format=file.format), file))


def _label(kind: str, stem: str, weights: Iterable[DiffusionWeights]) -> str:
    """A precision's name for one more file: its format where no row has that, else with the file's name;
    empty where that is there too."""
    taken = {row.precision.lower() for row in weights}
    if kind.lower() not in taken and kind not in {row.format for row in weights}:
        return kind
    longer = f"{kind} {stem}"
    return "" if longer.lower() in taken else longer


def _exact(row: DiffusionWeights, file: ModelFile) -> DiffusionWeights:
    return replace(
        row,
        file_bytes=file.file_bytes,
        held_bytes=file.held_bytes,
        rest_bytes=file.rest_bytes,
        with_text_encoder=file.rest_bytes > 0,
        with_vae=file.rest_bytes > 0,
        note=f"{file.path.name} on this machine",
        source=f"header of {file.path.name}",
        estimated=False,
        on_disk=True,
    )


def _aio(row: DiffusionWeights) -> bool:
    return row.with_text_encoder or row.with_vae


def _as_counted(model: DiffusionModel, host: HostModels | None) -> DiffusionModel:
    """``model`` with the running host's factor and latent, where it knows the class."""
    if host is None:
        return model
    told = host.architecture(model.comfy_class, dict(model.config))
    if told is None:
        return model
    spatial, temporal = told.spatial or model.spatial, told.temporal or model.temporal
    if (told.factor, spatial, temporal) == (model.factor, model.spatial, model.temporal):
        return model
    source = f"{host.name} on this machine; this version lists {model.factor:g}"
    return replace(model, factor=told.factor, factor_source=source, spatial=spatial, temporal=float(temporal))


def _files_on_disk(host: HostModels | None) -> Iterator[ModelFile]:
    """By header; a file that cannot be read is no model here, and is told by whoever loads it."""
    paths = host.files() if host is not None else _files_of_places()
    kinds = (".safetensors", ".sft", ".gguf")
    for path in [path for path in paths if path.suffix.lower() in kinds][:_MOST_FILES]:
        found = header_of(path)
        if found is not None:
            yield found


def _files_of_places() -> Iterator[Path]:
    """Of a script: what lies in its models folders as in ComfyUI's."""
    from ..catalog.templates import MODEL_FOLDERS

    with contextlib.suppress(OSError, VramwiseError):
        for folder in load_settings().all_models_dirs:
            for kind in MODEL_FOLDERS:
                yield from sorted((folder / kind).glob("**/*.*"))


def header_of(path: Path) -> ModelFile | None:
    """What ``path`` says of itself, None where it is no whole safetensors or GGUF file."""
    with contextlib.suppress(VramwiseError, OSError):
        stat = path.stat()
        return _model_file(path, stat.st_size, stat.st_mtime_ns)
    return None


@functools.lru_cache(maxsize=4 * _MOST_FILES)
def _model_file(path: Path, _size: int, _changed: int) -> ModelFile:
    from ..weights.model_headers import model_file

    return model_file(path)


# --- templates -------------------------------------------------------------------------------------------

_FORMATS = (
    ("fp8mixed", r"fp8_?mixed"),
    ("int8_convrot", r"int8_convrot"),
    ("mxfp8", r"mxfp8"),
    ("nvfp4", r"nvfp4|fp4_mixed"),
    ("w4a8", r"w4a8"),
    ("fp8", r"fp8|e4m3"),
    ("bf16", r"bf16"),
    ("fp16", r"fp16"),
    ("fp32", r"fp32"),
)


def format_of_name(name: str) -> str:
    """The format that a file's name tells ("fp8_scaled", "int8_convrot", "Q4_K_M"), else an empty text."""
    quant = re.search(r"[-_.](Q\d(?:_\d|_K(?:_[SML])?))[-_.]", name)
    if quant:
        return quant.group(1)
    return next((word for word, pattern in _FORMATS if re.search(pattern, name.lower())), "")


def _files_of_templates(templates: Iterable[Template]) -> tuple[tuple[str, str, int, str], ...]:
    """(model, file, bytes, template) of each diffusion model's own file whose size a template knows."""
    from ..catalog.templates import MODEL_FOLDERS

    found: dict[str, tuple[str, str, int, str]] = {}
    for template in templates:
        for file in template.needed:
            row = named_file(file.name)
            bare = file.directory in MODEL_FOLDERS and file.directory != "checkpoints"
            if bare and file.bytes and row is not None and row.model:
                found.setdefault(file.name, (row.model, file.name, file.bytes, template.id))
    return tuple(found.values())


def _with_named(
    weights: tuple[DiffusionWeights, ...], name: str, size: int, template: str
) -> tuple[DiffusionWeights, ...]:
    """``weights`` and a row for a template's file that is none of them."""
    kind = format_of_name(name)
    listed = [row for row in weights if not row.estimated]
    if not kind or not listed or any(abs(row.file_bytes - size) <= SAME_FILE * size for row in listed):
        return weights
    label = _label(kind, Path(name).stem, listed)
    if not label:
        return weights
    made = replace(
        listed[0],
        precision=label,
        format=kind,
        file_bytes=size,
        held_bytes=size,
        rest_bytes=0,
        with_text_encoder=False,
        with_vae=False,
        note=f"{name}, named by the template {template}",
        source=f"installed template {template}",
    )
    rest = tuple(row for row in weights if row.precision.lower() != label.lower())
    return (*rest, made)
