"""What is in a checkpoint's folder, and whether it is whole: config.json, safetensors headers, records.

Nothing here imports torch or reads a tensor. Files that can run code when opened (.bin, .pt) never are.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import re
from pathlib import Path
from typing import Any

from ..errors import VramwiseError, in_words
from ..families.family import families
from .safetensors_headers import TensorInfo as TensorInfo
from .safetensors_headers import header as header

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_VARIANT = re.compile(r"model\.([\w-]{1,20})\.safetensors")
_SHARD = re.compile(r"[\w.-]+?-(\d{5})-of-(\d{5})\.safetensors")
INCOMPLETE = ".incomplete"
RECORD = ".vramwise.json"
UNSAFE = (".bin", ".pt", ".pth", ".ckpt")
# config.json of the largest published models has 0.2 MB, an index of shards 10.
MOST_BYTES = {INDEX: 64_000_000}
MOST_OTHER_BYTES = 8_000_000
# Files of AutoGPTQ, AutoAWQ and ModelOpt.
_BESIDE_CONFIG = (
    ("quantize_config.json", "gptq"),
    ("quant_config.json", "awq"),
    ("hf_quant_config.json", "modelopt"),
)
_WIDE = frozenset(("F64", "F32", "F16", "BF16", "BOOL", "I64"))  # of matrices, and of counters beside them
MOST_LEVELS = 100  # of nesting; published files have six


def written_config(path: Path) -> dict[str, Any]:
    """config.json of the checkpoint folder ``path`` (or that file itself); parsed once per change of it.

    Raises VramwiseError when it is absent or is not a JSON object.
    """
    file = path if path.name == CONFIG else path / CONFIG
    try:
        changed = file.stat().st_mtime_ns
    except (OSError, ValueError) as error:
        raise VramwiseError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return copy.deepcopy(_parsed(file, changed))


def read_config(path: Path) -> dict[str, Any]:
    """``written_config`` with what else tells what the folder is. Raises as that does.

    The family's ``model_type`` where the file says another's and its architecture tells the family
    (LightOnOCR's says mistral3). ``quantization_config`` as older tools wrote it beside config.json; it is
    left out where the weights are 16-bit after all, and names no method where nothing tells how they were
    quantised.
    """
    config = written_config(path)
    named = config.get("architectures")
    for family in families():
        if isinstance(named, list) and any(name in named for name in family.architectures):
            config["model_type"] = family.model_types[0]
    if path.name != CONFIG:
        _set_quantisation(config, path)
    return config


def _set_quantisation(config: dict[str, Any], path: Path) -> None:
    from ..families.blocks import quantisation_details  # not at ComfyUI's start

    try:
        tensors = tensor_index(path)
    except VramwiseError:
        return  # said where the weights are verified
    names = [name.rpartition(".")[2] for name in tensors]
    kinds = {info.dtype for info in tensors.values()}
    if kinds <= _WIDE:
        for key in ("quantization_config", "compression_config"):
            config.pop(key, None)
        return
    if quantisation_details(config):
        return
    told = next(
        (found for file, method in _BESIDE_CONFIG if (found := _told_beside(path / file, method))), None
    )
    scaled = any("scale" in name or name in ("qweight", "absmax", "SCB") for name in names)
    if told is None and (scaled or not kinds <= {*_WIDE, "F8_E4M3", "F8_E5M2"}):
        told = {"quant_method": "a method that no file here names"}
    if told is not None:
        config["quantization_config"] = told


def _told_beside(file: Path, method: str) -> dict[str, Any] | None:
    """What a tool wrote of its quantisation in a file of its own, as config.json would say it."""
    told = read_record(file)
    inner = told.get("quantization")
    told = {**told, **inner} if isinstance(inner, dict) else told
    return {"quant_method": method, **told} if told else None


def tensor_index(path: Path) -> dict[str, TensorInfo]:
    """Name, dtype, shape and bytes of every tensor of the checkpoint folder (or single file) ``path``.

    Reads safetensors headers only. Raises VramwiseError for a missing, truncated or malformed file.
    """
    files = (path,) if path.is_file() else weight_files(path)
    return {name: info for file in files for name, info in header(file).items()}


def weight_files(path: Path) -> tuple[Path, ...]:
    """The safetensors files that transformers would load from the folder ``path``, present or not.

    ``model.safetensors``, else the shards that ``model.safetensors.index.json`` names, else the file of the
    one variant that is there. Raises VramwiseError when there is none of them, or when the index names a
    file outside the folder.
    """
    if (path / SINGLE).exists():
        return (path / SINGLE,)
    if (path / INDEX).exists():
        return tuple(path / name for name in sorted(set(_weight_map(path).values())))
    if named := variant(path):
        return (path / f"model.{named}.safetensors",)
    raise VramwiseError(why_no_weights(path))


def variant(path: Path) -> str | None:
    """The name of the weights' variant, as in model.fp16.safetensors, where that is all that is there."""
    names = names_in(path)
    found = [match[1] for name in names if (match := _VARIANT.fullmatch(name))]
    return found[0] if len(found) == 1 and not {SINGLE, INDEX} & set(names) else None


def verify(path: Path) -> None:
    """Return when the folder ``path`` holds a whole checkpoint: every shard present, sizes right.

    Raises VramwiseError that names the missing, truncated or refused file. Reads headers, not tensors.
    """
    if (path / INCOMPLETE).exists():
        raise VramwiseError(
            f"{path} is only partly downloaded. What has arrived is kept, and downloading it again "
            "goes on from there."
        )
    read_config(path)
    files = weight_files(path)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise VramwiseError(
            f"{path} lacks {', '.join(missing)} ({len(missing)} of {len(files)} weight files): the download "
            "or the copy broke off."
        )
    tensors = {file.name: header(file) for file in files}
    if (path / INDEX).exists() and not (path / SINGLE).exists():
        for name, shard in _weight_map(path).items():
            if name not in tensors[shard]:
                raise VramwiseError(
                    f"{path / shard} has no tensor {name}, which {INDEX} promises: the files are not of one "
                    "checkpoint."
                )


@functools.lru_cache(maxsize=512)
def _parsed(file: Path, _changed: int) -> dict[str, Any]:
    try:
        data = _json_of(file)
    except (OSError, ValueError, RecursionError) as error:
        raise VramwiseError(
            f"{file} cannot be read as JSON ({in_words(error)}): it is damaged. Fetch it again."
        ) from error
    if not isinstance(data, dict):
        raise VramwiseError(f"{file} is not the JSON object that it should be. Fetch it again.")
    return data


def _json_of(file: Path) -> Any:
    """What ``file`` holds. Raises OSError, ValueError or RecursionError for what is no JSON, too large or too
    deep to be worked with.
    """
    if not file.is_file():  # opening a pipe would wait for ever
        raise OSError("it is no file" if file.exists() else "there is none")
    most = MOST_BYTES.get(file.name, MOST_OTHER_BYTES)
    with file.open("rb") as stream:
        raw = stream.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it has more than {most // 1_000_000} MB, far more than such a file needs")
    data = json.loads(raw.decode("utf-8-sig"))
    _check_depth(data)
    return data


def _check_depth(data: Any) -> None:
    """RecursionError for more levels than a copy or a writer of JSON goes down without one."""
    level = [data]
    for _ in range(MOST_LEVELS):
        inner = [one for one in level if isinstance(one, (dict, list))]
        level = [value for one in inner for value in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise RecursionError


def _weight_map(path: Path) -> dict[str, str]:
    file = path / INDEX
    try:
        named = _parsed(file, file.stat().st_mtime_ns).get("weight_map")
    except (OSError, ValueError) as error:
        raise VramwiseError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not isinstance(named, dict) or not named:
        raise VramwiseError(f"{file} has no weight_map: it is damaged. Fetch it again.")
    for name in named.values():
        plain = (
            isinstance(name, str) and len(name) < 200 and not re.search(r"[/\\:\x00-\x1f\ud800-\udfff]", name)
        )
        if not plain or not name.endswith(".safetensors"):
            raise VramwiseError(
                f"{file} names {name!r} as a weight file. Only safetensors files beside it are loaded."
            )
    return named


def why_no_weights(path: Path) -> str:
    """Why nothing in the folder ``path`` can be loaded, and what to do."""
    names = sorted(names_in(path))
    shards = [name for name in names if name.endswith(".safetensors")]
    unsafe = [name for name in names if name.endswith(UNSAFE)]
    gguf = [name for name in names if name.lower().endswith(".gguf")]
    if shards:
        return f"{path} has {', '.join(shards[:3])} but neither {SINGLE} nor {INDEX}: {_nameless(shards)}"
    if gguf:
        return how_to_serve(path / gguf[0])
    if unsafe:
        return (
            f"{path} has its weights only as {unsafe[0]}. Such a file can run any "
            f"Python code when it is opened, so VRAMwise loads safetensors only. Fetch the model's {SINGLE}."
        )
    return f"{path} has {CONFIG} but no weights ({SINGLE} or {INDEX})."


def _nameless(files: list[str]) -> str:
    """What to do about safetensors files that nothing names."""
    numbered = [match for name in files if (match := _SHARD.fullmatch(name))]
    of = {int(match[2]) for match in numbered}
    if len(numbered) == len(files) and len(of) == 1:
        (most,) = of
        if most == 1:
            return f"rename the file to {SINGLE}."
        if len(files) < most:
            return f"{most - len(files)} of {most} files are missing, the download or the copy broke off."
        return f"all {most} files are here, only {INDEX} is missing. Fetch it from where they came."
    if len(files) == 1:
        return f"if that file holds the model's weights, rename it to {SINGLE}."
    return f"if one of them holds the model's weights, name it {SINGLE}."


def how_to_serve(gguf: Path) -> str:
    """What to do with a .gguf file."""
    return (
        f"{gguf} is a GGUF file, which torch does not run here: serve it with llama.cpp "
        f"(llama-server -m {gguf.name} --mmproj <its mmproj file>) or Ollama, and read through that endpoint."
    )


def names_in(folder: Path) -> list[str]:
    """Names in ``folder``; an unreadable one has none."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []


def has_weights(folder: Path) -> bool:
    """True where there is a safetensors file, or the index of some, that transformers would load."""
    return any(name in (SINGLE, INDEX) for name in names_in(folder)) or variant(folder) is not None


def read_record(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``; empty where there is none."""
    try:
        data = _json_of(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
