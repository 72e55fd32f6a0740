"""OpenVINO's compiled models, kept on disk: what was compiled once is loaded from then on.

A file holds a digest, the model's characters and OpenVINO's own export. Its name is made of everything that
the export depends on: OpenVINO's version, the processor, the weights, the way they are compiled. A file that
is damaged or that OpenVINO refuses is deleted and made anew; a folder that cannot be written costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ... import atomic_files
from ...hardware import capabilities
from ...host import current_places
from ...units import MIB

log = logging.getLogger("vramwise.ocr")
FOLDER = "compiled"
SUFFIX = ".openvino"
LARGEST_FOLDER = 256 * MIB  # five times what the built-in weights take
FORGOTTEN_SECONDS = 3600.0  # an unfinished file of this age has lost its writer
_MARK = b"vramwise compiled 1\n"
_DIGEST = 32  # bytes of SHA-256

Edit = Callable[[Any], Any]


def folder() -> Path:
    """Where compiled models are kept: in the person's own folder."""
    return current_places().user_dir / FOLDER


def compiled(weights: Path, edit: Edit, way: str, properties: Mapping[str, Any]) -> tuple[Any, str]:
    """(openvino.CompiledModel for the CPU, characters that the file of the weights names, a line each).

    ``edit`` changes the model that was read before it is compiled, ``way`` names how; another way of editing
    needs another name. Raises what OpenVINO does for weights that it cannot read.
    """
    openvino = capabilities.import_openvino()
    core = openvino.Core()
    kept = folder() / _name(openvino, core, weights, way, properties)
    found = _loaded(core, kept, properties)
    if found is not None:
        return found
    model = core.read_model(weights)
    characters = _characters(model)
    made = core.compile_model(edit(model), "CPU", dict(properties))
    _keep(kept, made, characters)
    return made, characters


@lru_cache(maxsize=1)
def value_bytes() -> int:
    """How many a value between two layers has on this processor: 2 where OpenVINO computes in bfloat16 or
    float16 unless told otherwise, else 4.
    """
    core = capabilities.import_openvino().Core()
    return int(core.get_property("CPU", "INFERENCE_PRECISION_HINT").size)


def read(weights: Path, edit: Edit) -> Any:
    """The openvino.Model of the weights, edited and not compiled yet."""
    return edit(capabilities.import_openvino().Core().read_model(weights))


def sized(model: Any, shape: Sequence[int], properties: Mapping[str, Any] | None = None) -> Any:
    """openvino.CompiledModel for the CPU of a model whose only input has this shape. Not kept on disk: there
    are as many as there are sizes.
    """
    fixed = model.clone()
    fixed.reshape(list(shape))
    return capabilities.import_openvino().Core().compile_model(fixed, "CPU", dict(properties or {}))


def _name(openvino: Any, core: Any, weights: Path, way: str, properties: Mapping[str, Any]) -> str:
    found = weights.stat()
    digest = _file_digest(weights, found.st_mtime_ns, found.st_size)
    told = (
        openvino.get_version(),
        core.get_property("CPU", "FULL_DEVICE_NAME"),
        core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
        digest,
        way,
        sorted(properties.items()),
    )
    return f"{weights.stem}-{hashlib.sha256(repr(told).encode()).hexdigest()[:32]}{SUFFIX}"


@lru_cache(maxsize=8)
def _file_digest(weights: Path, _written: int, _size: int) -> str:
    """Models are had anew where memory is short, and their weights hardly ever change."""
    digest = hashlib.sha256()
    with weights.open("rb") as file:
        for part in iter(lambda: file.read(MIB), b""):
            digest.update(part)
    return digest.hexdigest()


def _loaded(core: Any, kept: Path, properties: Mapping[str, Any]) -> tuple[Any, str] | None:
    try:
        data = kept.read_bytes()
    except OSError:
        return None
    try:
        head = len(_MARK) + _DIGEST
        digest = hashlib.sha256(memoryview(data)[head:]).digest()
        if data[: len(_MARK)] != _MARK or digest != data[len(_MARK) : head]:
            raise ValueError("its digest is not that of its content")
        start = head + 8
        end = start + int.from_bytes(data[head:start], "little")
        made = core.import_model(data[end:], "CPU", dict(properties))
        characters = data[start:end].decode("utf-8")
    except Exception as error:  # OpenVINO has no one class for what it refuses
        log.info("The compiled model %s is made anew: %s", kept, str(error).strip().splitlines()[:1])
        with contextlib.suppress(OSError):
            kept.unlink()
        return None
    with contextlib.suppress(OSError):  # the least recently used go first
        kept.touch()
    return made, characters


def _keep(kept: Path, made: Any, characters: str) -> None:
    try:
        export = made.export_model()
        blob = export.getvalue() if hasattr(export, "getvalue") else bytes(export)
        text = characters.encode("utf-8")
        body = b"".join((len(text).to_bytes(8, "little"), text, blob))
        if len(body) > LARGEST_FOLDER:
            return
        atomic_files.write_whole(kept, b"".join((_MARK, hashlib.sha256(body).digest(), body)))
        _bound(kept.parent)
    except Exception as error:  # short of memory it fails in many words, and only time is lost
        log.debug("A compiled model was not kept: %s", error)


def _bound(where: Path) -> None:
    """Delete the least recently used until the folder is within its bound, and what a kill left behind."""
    now, total = time.time(), 0
    for path in where.glob(f"*{atomic_files.SUFFIX}"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > FORGOTTEN_SECONDS:
                path.unlink()
    files = []
    for path in where.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > LARGEST_FOLDER:
            with contextlib.suppress(OSError):
                path.unlink()


def _characters(model: Any) -> str:
    """What the weights' own file says its classes are, a line each; "" where it says nothing."""
    told = model.get_rt_info()
    if "framework" not in told:
        return ""
    framework = told["framework"]
    return str(framework["character"].value) if "character" in framework else ""
