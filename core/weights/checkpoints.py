"""Checkpoints of torch models on this machine: where they lie, whether they are whole, what is in them.

Nothing here imports torch or reads a tensor: a checkpoint is known by its config.json and by the headers of
its safetensors files. Files that can run code when opened (.bin, .pt) never are.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import OCRModel
from ..errors import VramwiseError, nearest
from ..families.family import families, family_of_model_type
from ..settings import Settings

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
INCOMPLETE = ".incomplete"
RECORD = ".vramwise.json"
QUANTISED = "vramwise_quantised"
SUBFOLDERS = ("LLM", "prompt_generator")
UNSAFE = (".bin", ".pt", ".pth", ".ckpt")
# The format's own reader refuses larger headers (safetensors/src/tensor.rs, MAX_HEADER_SIZE).
MAX_HEADER_BYTES = 100_000_000
_ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a safetensors header. ``dtype`` as the file spells it ("BF16"), ``nbytes`` on disk."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True)
class Checkpoint:
    """A folder with config.json and safetensors weights.

    ``tensor_bytes`` is the sum over all tensors, headers not counted. ``revision`` is the commit where the
    folder says it (our download record, the Hugging Face cache, huggingface_hub's own metadata), else None.
    """

    name: str
    path: Path
    model_type: str
    weight_files: tuple[Path, ...]
    tensor_bytes: int
    revision: str | None


def huggingface_cache() -> Path:
    """The folder of the Hugging Face cache, found as huggingface_hub finds it, without importing it."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface"
    )
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(named or os.path.join(home, "hub"))).expanduser()


def searched_model_folders(settings: Settings) -> list[Path]:
    """Folders in which checkpoints are looked for, two levels deep, best first; last the Hugging Face cache.

    For each models folder of config.yaml, VRAMWISE_MODELS and the host: the folder itself, ``LLM`` and
    ``prompt_generator`` in it; then the ``checkpoint_dirs`` that the host registered.
    """
    own = [
        folder for base in settings.all_models_dirs for folder in (base, *(base / sub for sub in SUBFOLDERS))
    ]
    return list(dict.fromkeys([*own, *settings.places.checkpoint_dirs, huggingface_cache()]))


def locate(model: OCRModel, settings: Settings) -> Checkpoint:
    """The whole, verified checkpoint of ``model``.

    Raises VramwiseError that names every folder searched, the exact name expected and the command that
    fetches it; or, where there is only a damaged copy, the file that is missing or broken.
    """
    wanted = _spellings(model.repo)
    problems = []
    for folder, found_name in _folders(settings, model.revision):
        if _plain(found_name) not in wanted:
            continue
        try:
            verify(folder)
            return _checkpoint(folder, model.repo.rsplit("/", 1)[-1])
        except VramwiseError as problem:
            problems.append(str(problem))
    fetch = settings.command("download", model.id)
    if problems:
        raise VramwiseError(
            f"{model.name} is on this machine, but not in a usable form. {' '.join(problems)} "
            f"To fetch it: {fetch}"
        )
    name = model.repo.rsplit("/", 1)[-1]
    folders = searched_model_folders(settings)
    found = _gguf_named(wanted, folders)
    served = f" {_serve(found)}" if found else ""
    raise VramwiseError(
        f"{model.name} is not on this machine: {name}/{CONFIG} is in none of the folders searched: "
        f"{', '.join(map(str, folders))}. Run: {fetch} (it fetches {model.repo}), or put the folder {name} "
        f"into one of them.{served}"
    )


def local_checkpoints(settings: Settings, known: Collection[str] | None = None) -> list[Checkpoint]:
    """Every folder whose config.json has a ``known`` model_type (default: those of all families).

    For bring-your-own lists: weights are not verified here (``verify`` does so before use). Names are unique:
    two folders of one name get their parent's name in front. Sorted by name.
    """
    if known is None:
        known = {model_type for family in families() for model_type in family.model_types}
    found: dict[Path, Checkpoint] = {}
    for folder, name in _folders(settings):
        if (folder / INCOMPLETE).exists() or not _has_weights(folder):
            continue
        real = folder.resolve()
        one_of_a_repo = real.parent if real.parent.name == "snapshots" else real
        try:
            if one_of_a_repo not in found and read_config(folder).get("model_type") in known:
                found[one_of_a_repo] = _checkpoint(folder, name)
        except (VramwiseError, OSError):
            continue  # some other program's folder
    return sorted(_named_apart(list(found.values())), key=lambda one: one.name.casefold())


def local_checkpoint(name: str, settings: Settings, known: Collection[str] | None = None) -> Checkpoint:
    """The verified bring-your-own checkpoint called ``name`` in ``local_checkpoints``.

    Raises VramwiseError with the nearest name, or, for a .gguf of that name, with the way to serve it.
    """
    offered = local_checkpoints(settings, known)
    for checkpoint in offered:
        if checkpoint.name == name:
            verify(checkpoint.path)
            return checkpoint
    reason = why_unusable(name, settings)
    if reason is not None:
        raise VramwiseError(reason)
    raise VramwiseError(
        f'There is no local checkpoint "{name}".{nearest(name, [one.name for one in offered])} '
        f"A folder counts when it has {CONFIG} with a model_type that VRAMwise knows, and safetensors "
        f"weights. Searched: {', '.join(map(str, searched_model_folders(settings)))}."
    )


def why_unusable(name: str, settings: Settings) -> str | None:
    """Why the folder or .gguf file called ``name`` is offered by no list; None where there is no such."""
    for folder, folder_name in _folders(settings):
        if folder_name != name:
            continue
        if (folder / INCOMPLETE).exists():
            model = _record(folder / INCOMPLETE).get("model", name)
            return f"{folder} is only partly downloaded. To go on: {settings.command('download', str(model))}"
        if not _has_weights(folder):
            return _why_no_weights(folder)
        try:
            model_type = read_config(folder).get("model_type")
        except VramwiseError as error:
            return str(error)
        if family_of_model_type(str(model_type)) is None:
            return f"{folder} is a {model_type} model, which VRAMwise has no family for."
    wanted = _plain(name.removesuffix(".gguf"))
    found = _gguf_named({wanted}, searched_model_folders(settings)) if wanted else None
    return _serve(found) if found else None


def written_config(path: Path) -> dict[str, Any]:
    """config.json of the checkpoint folder ``path`` (or that file itself); parsed once per change of it.

    Raises VramwiseError when it is absent or is not a JSON object.
    """
    file = path if path.name == CONFIG else path / CONFIG
    try:
        changed = file.stat().st_mtime_ns
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error
    return copy.deepcopy(_parsed(file, changed))


def read_config(path: Path) -> dict[str, Any]:
    """``written_config`` with the family's ``model_type`` where the file says another's and its architecture
    tells the family (LightOnOCR's says mistral3). Raises as that does.
    """
    config = written_config(path)
    named = config.get("architectures")
    for family in families():
        if isinstance(named, list) and any(one in named for one in family.architectures):
            config["model_type"] = family.model_types[0]
    return config


def tensor_index(path: Path) -> dict[str, TensorInfo]:
    """Name, dtype, shape and bytes of every tensor of the checkpoint folder (or single file) ``path``.

    Reads safetensors headers only. Raises VramwiseError for a missing, truncated or malformed file.
    """
    files = (path,) if path.is_file() else weight_files(path)
    return {name: info for file in files for name, info in _header(file).items()}


def weight_files(path: Path) -> tuple[Path, ...]:
    """The safetensors files that transformers would load from the folder ``path``, present or not.

    ``model.safetensors``, else the shards that ``model.safetensors.index.json`` names. Raises VramwiseError
    when there is neither, or when the index names a file outside the folder.
    """
    if (path / SINGLE).exists():
        return (path / SINGLE,)
    if (path / INDEX).exists():
        return tuple(path / name for name in sorted(set(_weight_map(path).values())))
    raise VramwiseError(_why_no_weights(path))


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
    tensors = {file.name: _header(file) for file in files}
    if not (path / SINGLE).exists():
        for name, shard in _weight_map(path).items():
            if name not in tensors[shard]:
                raise VramwiseError(
                    f"{path / shard} has no tensor {name}, which {INDEX} promises: the files are not of one "
                    "checkpoint."
                )


def _header(file: Path) -> dict[str, TensorInfo]:
    """The header of one safetensors file; read once per change of the file."""
    try:
        stat = file.stat()
        return _read_header(file, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error


@functools.lru_cache(maxsize=256)
def _read_header(file: Path, size: int, _changed: int) -> dict[str, TensorInfo]:
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise _broken(file, f"it has {size} bytes, fewer than a safetensors header needs")
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise _broken(file, f"its header claims {length} bytes and the file has {size}")
        raw = stream.read(length)
    try:
        header = json.loads(raw)
        entries = [
            (*_offsets(one), name, str(one["dtype"]), tuple(map(int, one["shape"])))
            for name, one in header.items()
            if name != "__metadata__"
        ]
        tensors: dict[str, TensorInfo] = {}
        end = 0
        for first, last, name, dtype, shape in sorted(entries):
            if first != end or last < first or _bytes_of(dtype, shape) not in (None, last - first):
                raise _broken(file, f"the place of tensor {name} in it is impossible")
            tensors[name], end = TensorInfo(dtype, shape, last - first), last
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(file, "its header is not one of a safetensors file") from error
    if 8 + length + end != size:
        raise _broken(file, f"its header describes {8 + length + end} bytes and the file has {size}")
    return tensors


def _offsets(entry: dict[str, Any]) -> tuple[int, int]:
    first, last = entry["data_offsets"]
    return int(first), int(last)


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of a tensor, None where the dtype is newer than this list."""
    bits = _ITEM_BITS.get(dtype)
    if bits is None:
        return None
    for side in shape:
        bits *= side
    return bits // 8


def _broken(file: Path, why: str) -> VramwiseError:
    return VramwiseError(f"{file} is damaged or only half downloaded: {why}. Delete it and fetch it again.")


@functools.lru_cache(maxsize=512)
def _parsed(file: Path, _changed: int) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise VramwiseError(
            f"{file} cannot be read as JSON ({error}): it is damaged. Fetch it again."
        ) from error
    if not isinstance(data, dict):
        raise VramwiseError(f"{file} is not the JSON object that it should be. Fetch it again.")
    return data


def _weight_map(path: Path) -> dict[str, str]:
    file = path / INDEX
    try:
        named = _parsed(file, file.stat().st_mtime_ns).get("weight_map")
    except OSError as error:
        raise VramwiseError(f"{file} cannot be read: {error.strerror or error}.") from error
    if not isinstance(named, dict) or not named:
        raise VramwiseError(f"{file} has no weight_map: it is damaged. Fetch it again.")
    for name in named.values():
        plain = isinstance(name, str) and name not in ("", ".", "..") and not re.search(r"[/\\:]", name)
        if not plain or not name.endswith(".safetensors"):
            raise VramwiseError(
                f"{file} names {name!r} as a weight file. Only safetensors files beside it are loaded."
            )
    return named


def _why_no_weights(path: Path) -> str:
    names = sorted(_names(path))
    shards = [name for name in names if name.endswith(".safetensors")]
    unsafe = [name for name in names if name.endswith(UNSAFE)]
    gguf = [name for name in names if name.lower().endswith(".gguf")]
    if shards:
        return f"{path} has {', '.join(shards[:3])} but neither {SINGLE} nor {INDEX}: a file is missing."
    if gguf:
        return _serve(path / gguf[0])
    if unsafe:
        return (
            f"{path} has its weights only as {unsafe[0]}. Such a file can run any "
            f"Python code when it is opened, so VRAMwise loads safetensors only. Fetch the model's {SINGLE}."
        )
    return f"{path} has {CONFIG} but no weights ({SINGLE} or {INDEX})."


def _serve(gguf: Path) -> str:
    return (
        f"{gguf} is a GGUF file, which torch does not run here: serve it with llama.cpp "
        f"(llama-server -m {gguf.name} --mmproj <its mmproj file>) or Ollama, and read through that endpoint."
    )


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []


def _has_weights(folder: Path) -> bool:
    return any(name in (SINGLE, INDEX) for name in _names(folder))


def _checkpoint(folder: Path, name: str) -> Checkpoint:
    """A Checkpoint of ``folder``; for damaged weights the bytes are those of the files that are there."""
    files = weight_files(folder)
    try:
        size = sum(info.nbytes for file in files for info in _header(file).values())
    except VramwiseError:
        size = sum(file.stat().st_size for file in files if file.is_file())
    return Checkpoint(
        name, folder, str(read_config(folder).get("model_type", "")), files, size, _revision(folder)
    )


def _revision(folder: Path) -> str | None:
    """The commit that the folder's own records name."""
    recorded = _record(folder / RECORD).get("commit")
    if isinstance(recorded, str) and recorded:
        return recorded
    if folder.parent.name == "snapshots":
        return folder.name
    metadata = folder / ".cache" / "huggingface" / "download" / f"{CONFIG}.metadata"
    try:
        first = metadata.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        return None
    return first if re.fullmatch(r"[0-9a-f]{40}", first) else None


def _record(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _plain(name: str) -> str:
    """Letters and digits only: ModelScope and other packs write ``dots___ocr``, ``DotsOCR``, ``org_repo``."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _spellings(repo: str) -> set[str]:
    """``_plain`` forms under which the folder of ``repo`` may lie: repo, org--repo, models--org--repo."""
    name = repo.rsplit("/", 1)[-1]
    return {_plain(name), _plain(repo), _plain(f"models{repo}")}


def _folders(settings: Settings, pinned: str = "") -> Iterator[tuple[Path, str]]:
    """Every folder with config.json, two levels below the searched ones, and its name; each folder once.

    A folder of the Hugging Face cache's layout stands for its snapshots: the pinned, refs/main's, others.
    """
    seen: set[Path] = set()
    for root in searched_model_folders(settings):
        for folder in _subfolders(root):
            inner = [] if _is_cached_repo(folder) else _subfolders(folder)
            for one in (folder, *inner):
                for candidate in _snapshots(one, pinned) if _is_cached_repo(one) else [one]:
                    if candidate not in seen and (candidate / CONFIG).is_file():
                        seen.add(candidate)
                        name = one.name.rsplit("--", 1)[-1] if _is_cached_repo(one) else candidate.name
                        yield candidate, name


def _subfolders(folder: Path) -> list[Path]:
    """Folders in ``folder`` by name; an unreadable one has none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(one.path)
                for one in entries
                if one.name != QUANTISED and not one.name.startswith(".") and one.is_dir()
            )
    except OSError:
        return []


def _is_cached_repo(folder: Path) -> bool:
    return folder.name.startswith("models--") and (folder / "snapshots").is_dir()


def _snapshots(repo: Path, pinned: str) -> list[Path]:
    try:
        main = (repo / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    return sorted(_subfolders(repo / "snapshots"), key=lambda one: (one.name != pinned, one.name != main))


def _gguf_named(wanted: set[str], roots: list[Path]) -> Path | None:
    """A .gguf file whose own or whose folder's name begins with a wanted one."""
    for root in roots:
        for folder in (root, *(one for top in _subfolders(root) for one in (top, *_subfolders(top)))):
            for file in sorted(name for name in _names(folder) if name.lower().endswith(".gguf")):
                if file.lower().startswith("mmproj"):
                    continue
                if any(_plain(name).startswith(tuple(wanted)) for name in (file, folder.name)):
                    return folder / file
    return None


def _named_apart(found: list[Checkpoint]) -> list[Checkpoint]:
    """The same checkpoints with unique names: the parent's name in front where two share one."""

    def lengthened(one: Checkpoint) -> str:
        parent = one.path.parent
        cached = parent.name == "snapshots"
        owner = parent.parent.name.split("--")[-2] if cached and "--" in parent.parent.name else parent.name
        return f"{owner}/{one.name}"

    names = [one.name for one in found]
    apart = [lengthened(one) if names.count(one.name) > 1 else one.name for one in found]
    return [
        Checkpoint(
            name if apart.count(name) == 1 else f"{name} ({one.path})",
            one.path,
            one.model_type,
            one.weight_files,
            one.tensor_bytes,
            one.revision,
        )
        for name, one in zip(apart, found, strict=True)
    ]
