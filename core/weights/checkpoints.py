"""Checkpoints of torch models on this machine: where they lie, and which one is asked for.

A checkpoint is known by what checkpoint_files reads of it; nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalog import OCRModel, ocr_models
from ..errors import VramwiseError, nearest
from ..families.family import families, family_of_model_type
from ..families.recipes import served_as
from ..settings import Settings
from .checkpoint_files import (
    CONFIG,
    INCOMPLETE,
    RECORD,
    has_weights,
    header,
    how_to_serve,
    read_config,
    read_record,
    verify,
    weight_files,
    why_no_weights,
)
from .folder_search import (
    gguf_named,
    model_folders,
    plain_name,
    printable,
    searched_model_folders,
    shown,
    spellings,
)
from .lora_folders import (
    ADAPTER_WEIGHTS,
    LoRAFolder,
    catalog_base,
    is_base,
    is_lora_folder,
    lora_folder,
    lora_tensors,
    why_not_on,
)


@dataclass(frozen=True)
class Checkpoint:
    """A folder with config.json and safetensors weights. With ``adapter``, the folder of a LoRA, it is the
    base that the adapter is put on, by the adapter's name.

    ``tensor_bytes`` is the sum over all tensors, headers not counted. ``revision`` is the commit where the
    folder says it (our download record, the Hugging Face cache, huggingface_hub's own metadata), else None.
    """

    name: str
    path: Path
    model_type: str
    weight_files: tuple[Path, ...]
    tensor_bytes: int
    revision: str | None
    adapter: Path | None = None

    def stamp(self) -> str:
        """Names, sizes and times of change of all files of the model: another stamp is another model."""
        return ";".join(f"{file} {size} {changed}" for file, size, changed in sorted(self._files()))

    def _files(self) -> Iterator[tuple[str, int, int]]:
        for folder in filter(None, (self.path, self.adapter)):
            with contextlib.suppress(OSError), os.scandir(folder) as inside:
                for entry in inside:
                    if not entry.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        yield entry.path, status.st_size, status.st_mtime_ns


def locate(model: OCRModel, settings: Settings) -> Checkpoint:
    """The whole, verified checkpoint of ``model``.

    Raises VramwiseError that names every folder searched, the exact name expected and the command that
    fetches it; or, where there is only a damaged copy, the file that is missing or broken.
    """
    wanted = spellings(model.repo)
    problems = []
    for folder, found_name in model_folders(settings, model.revision):
        if plain_name(found_name) not in wanted or is_lora_folder(folder):
            continue
        try:
            verify(folder)
            return _checkpoint(folder, model.repo.rsplit("/", 1)[-1])
        except Exception as problem:
            problems.append(shown(_reason(folder, problem)))
    fetch = settings.command("download", model.id)
    if problems:
        raise VramwiseError(
            f"{model.name} is on this machine, but not in a usable form. {' '.join(problems)} "
            f"To fetch it: {fetch}"
        )
    name = model.repo.rsplit("/", 1)[-1]
    folders = searched_model_folders(settings)
    found = gguf_named(wanted, folders)
    served = f" {how_to_serve(found)}" if found else ""
    raise VramwiseError(
        f"{model.name} is not on this machine: {name}/{CONFIG} is in none of the folders searched: "
        f"{', '.join(map(str, folders))}. Run: {fetch} (it fetches {model.repo}), or put the folder {name} "
        f"into one of them.{served}"
    )


@dataclass(frozen=True)
class OddFolder:
    """A folder that looks like a model's and cannot be offered, with the sentence that says why."""

    name: str
    path: Path
    reason: str


def local_checkpoints(settings: Settings, known: Collection[str] | None = None) -> list[Checkpoint]:
    """Every folder whose config.json has a ``known`` model_type (default: those of all families).

    For bring-your-own lists: weights are not verified here (``verify`` does so before use). Names are unique:
    two folders of one name get their parent's name in front. Sorted by name. A folder that cannot be judged
    is among ``odd_folders`` and hides no other.
    """
    return judged_folders(settings, known)[0]


def odd_folders(settings: Settings) -> list[OddFolder]:
    """The folders that no list offers, or that cannot be loaded, though they look like a model that VRAMwise
    could read: damaged, half downloaded, with impossible records. Sorted by name.
    """
    offered, odd = judged_folders(settings, None)
    for checkpoint in offered:
        reason = _why_odd(checkpoint.path)
        if reason:
            odd.append(OddFolder(checkpoint.name, checkpoint.path, reason))
    return sorted(odd, key=lambda folder: folder.name.casefold())


def judged_folders(
    settings: Settings, known: Collection[str] | None = None
) -> tuple[list[Checkpoint], list[OddFolder]]:
    """Each folder by itself: what can be offered, and what cannot, though it looks like a model that VRAMwise
    could read. Other programs' folders are in neither. What is offered is not verified.
    """
    if known is None:
        known = {model_type for family in families() for model_type in family.model_types}
    found: dict[Path, Checkpoint] = {}
    odd: list[OddFolder] = []
    adapters: list[tuple[Path, str]] = []
    for folder, name in model_folders(settings):
        try:
            if is_lora_folder(folder):
                adapters.append((folder, name))
            if not has_weights(folder):
                continue
            if not printable(name):
                raise VramwiseError(_unprintable(folder))
            if (folder / INCOMPLETE).exists():
                raise VramwiseError(_partly_downloaded(folder, name, settings))
            real = folder.resolve()
            one_of_a_repo = real.parent if real.parent.name == "snapshots" else real
            if one_of_a_repo not in found and _named_type(folder) in known:
                found[one_of_a_repo] = _checkpoint(folder, name)
        except Exception as error:  # whatever somebody else's folder holds: it must not hide the others
            odd.append(OddFolder(shown(name), folder, shown(_reason(folder, error))))
    whole = list(found.values())
    for folder, name in adapters:
        try:
            on_top = _with_base(lora_folder(folder), name, whole, settings)
            if on_top is not None:
                found[folder] = on_top
        except Exception as error:
            odd.append(OddFolder(shown(name), folder, shown(_reason(folder, error))))
    named = sorted(_named_apart(list(found.values())), key=lambda checkpoint: checkpoint.name.casefold())
    return named, odd


def _with_base(
    adapter: LoRAFolder, name: str, whole: Collection[Checkpoint], settings: Settings
) -> Checkpoint | None:
    """The base of ``adapter`` among ``whole`` with the adapter on top; None for one of a model that is none
    of ours. Raises VramwiseError where it cannot be loaded.
    """
    base = next((one for one in whole if is_base(adapter, one.name) or is_base(adapter, one.path.name)), None)
    if base is None and catalog_base(adapter) is None:
        return None
    path = None if base is None else base.path
    why_not = why_not_on(adapter, path, settings, searched_model_folders(settings))
    if not printable(name):
        why_not = _unprintable(adapter.path)
    if why_not or base is None:
        raise VramwiseError(why_not)
    held = sum(info.nbytes for info in lora_tensors(adapter.path).values())
    return replace(
        base,
        name=name,
        weight_files=(*base.weight_files, adapter.path / ADAPTER_WEIGHTS),
        tensor_bytes=base.tensor_bytes + held,
        adapter=adapter.path,
    )


def _named_type(folder: Path) -> str:
    """The model_type of config.json, "" where it has none. Raises VramwiseError for one that is no text."""
    named = read_config(folder).get("model_type", "")
    if not isinstance(named, str):
        raise VramwiseError(
            f"{folder / CONFIG} has the model_type {str(named)[:60]}, which is not a name: it is damaged. "
            "Fetch it again."
        )
    return named


def _why_odd(folder: Path) -> str:
    """Why the weights in ``folder`` cannot be loaded; empty where they can."""
    try:
        verify(folder)
    except Exception as error:
        return shown(_reason(folder, error))
    return ""


def _reason(folder: Path, error: Exception) -> str:
    """The sentence of an error that judging ``folder`` gave."""
    if isinstance(error, VramwiseError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{folder} may not be read: {error.strerror}. Change its permissions."
    return f"{folder} cannot be judged ({type(error).__name__}: {str(error)[:200]}). Fetch the model again."


def _unprintable(folder: Path) -> str:
    return f"{folder} has characters in its name that no workflow can hold. Rename the folder."


def _partly_downloaded(folder: Path, name: str, settings: Settings) -> str:
    model = read_record(folder / INCOMPLETE).get("model", name)
    return f"{folder} is only partly downloaded. To go on: {settings.command('download', str(model)[:200])}"


def local_checkpoint(name: str, settings: Settings, known: Collection[str] | None = None) -> Checkpoint:
    """The verified bring-your-own checkpoint called ``name`` in ``local_checkpoints``.

    Raises VramwiseError with the nearest name, or, for a .gguf of that name, with the way to serve it.
    """
    offered = local_checkpoints(settings, known)
    for checkpoint in offered:
        if checkpoint.name == name:
            reason = _why_odd(checkpoint.path)
            if reason:
                raise VramwiseError(reason)
            return checkpoint
    unusable = why_unusable(name, settings)
    if unusable is not None:
        raise VramwiseError(unusable)
    raise VramwiseError(
        f'There is no local checkpoint "{name}".{nearest(name, [checkpoint.name for checkpoint in offered])} '
        f"A folder counts when it has {CONFIG} with a model_type that VRAMwise knows, and safetensors "
        f"weights. Searched: {', '.join(map(str, searched_model_folders(settings)))}."
    )


def why_unusable(name: str, settings: Settings) -> str | None:
    """Why the folder or .gguf file called ``name`` is offered by no list; None where there is no such."""
    for folder, folder_name in model_folders(settings):
        if name not in (folder_name, shown(folder_name)):
            continue
        try:
            if not printable(folder_name):
                return shown(_unprintable(folder))
            if (folder / INCOMPLETE).exists():
                return _partly_downloaded(folder, name, settings)
            if is_lora_folder(folder):
                return _why_no_lora(folder, settings)
            if not has_weights(folder):
                return why_no_weights(folder)
            model_type = _named_type(folder)
        except Exception as error:
            return shown(_reason(folder, error))
        if family_of_model_type(model_type) is None:
            kind = f"a {shown(model_type)[:60]} model" if model_type else "a folder without a model_type"
            unknown = f"{folder} is {kind}, which VRAMwise has no family for."
            return " ".join((unknown, *how_else(folder_name, settings)))
        reason = _why_odd(folder)
        if reason:
            return reason
    wanted = plain_name(name.removesuffix(".gguf"))
    found = gguf_named({wanted}, searched_model_folders(settings)) if wanted else None
    return how_to_serve(found) if found else None


def how_else(name: str, settings: Settings) -> Iterator[str]:
    """What can be done with a folder called ``name`` that has no class here: sentences behind another."""
    copy = next((row for row in ocr_models() if row.repo and plain_name(name) in spellings(row.repo)), None)
    served = served_as(name)
    if served is not None:
        yield f"A server can run it (vLLM, SGLang): read it by Remote OCR Model, family {served.id}."
    if copy is not None:
        yield f"{copy.name} is loaded from {copy.repo}: {settings.command('download', copy.id)}"


def _why_no_lora(folder: Path, settings: Settings) -> str | None:
    adapter = lora_folder(folder)
    base = next((one for one in local_checkpoints(settings) if is_base(adapter, one.name)), None)
    path = None if base is None else base.path
    return shown(why_not_on(adapter, path, settings, searched_model_folders(settings))) or None


def _checkpoint(folder: Path, name: str) -> Checkpoint:
    """A Checkpoint of ``folder``; for damaged weights the bytes are those of the files that are there."""
    files = weight_files(folder)
    try:
        size = sum(info.nbytes for file in files for info in header(file).values())
    except VramwiseError:
        size = sum(file.stat().st_size for file in files if file.is_file())
    return Checkpoint(name, folder, _named_type(folder), files, size, _revision(folder))


def _revision(folder: Path) -> str | None:
    """The commit that the folder's own records name."""
    recorded = read_record(folder / RECORD).get("commit")
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


def _named_apart(found: list[Checkpoint]) -> list[Checkpoint]:
    """The same checkpoints with unique names: the parent's name in front where two share one."""

    def lengthened(checkpoint: Checkpoint) -> str:
        parent = checkpoint.path.parent
        cached = parent.name == "snapshots"
        owner = parent.parent.name.split("--")[-2] if cached and "--" in parent.parent.name else parent.name
        return f"{owner}/{checkpoint.name}"

    names = [checkpoint.name for checkpoint in found]
    apart = [
        lengthened(checkpoint) if names.count(checkpoint.name) > 1 else checkpoint.name
        for checkpoint in found
    ]
    return [
        replace(checkpoint, name=name if apart.count(name) == 1 else f"{name} ({checkpoint.path})")
        for name, checkpoint in zip(apart, found, strict=True)
    ]
