"""Folders that hold an adapter (LoRA) and no whole model: what they change, and of which base.

Nothing here imports torch or peft, and no path of adapter_config.json is followed: a base is looked for by
the last part of its name, among the folders that are searched anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..catalog import OCRModel, ocr_models
from ..errors import VramwiseError
from ..settings import Settings
from .checkpoint_files import UNSAFE, has_weights, names_in, read_record
from .safetensors_headers import TensorInfo, header

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# Kinds that are put into the layers of the base; others change the prompt, or were never tried here.
KINDS = ("LORA", "LOHA", "LOKR")
# Quantised copies are trained on instead of the base itself, which does as well.
_COPIES = re.compile(r"[-_.](?:unsloth[-_])?bnb[-_](?:4|8)bit$|[-_]unsloth$|[-_.](?:4|8)bit$", re.IGNORECASE)


@dataclass(frozen=True)
class LoRAFolder:
    """``kind`` is peft's word in capitals ("LORA"), ``base`` the model that it was trained on, as it says."""

    path: Path
    kind: str
    base: str


def is_lora_folder(folder: Path) -> bool:
    """Whether ``folder`` holds an adapter and no whole model: one that lies beside weights is no matter."""
    return (folder / ADAPTER_CONFIG).exists() and not has_weights(folder)


def lora_folder(folder: Path) -> LoRAFolder:
    """What adapter_config.json says. Raises VramwiseError for a damaged one."""
    told = read_record(folder / ADAPTER_CONFIG)
    kind, base = told.get("peft_type"), told.get("base_model_name_or_path")
    if not isinstance(kind, str) or not isinstance(base, str) or not base.strip():
        raise VramwiseError(
            f"{folder} holds an adapter (LoRA), and its {ADAPTER_CONFIG} does not say of which model: it is "
            "damaged. Fetch it again."
        )
    return LoRAFolder(folder, kind.upper()[:40], base.strip()[:300])


def base_names(base: str) -> tuple[str, ...]:
    """Names of folders in which the base may lie, the likeliest first: the last part of a repository's name
    or of a path on the trainer's machine, also without what marks a quantised copy.
    """
    last = re.split(r"[/\\\\]", base.rstrip("/\\"))[-1]
    without = _COPIES.sub("", last)
    return tuple(dict.fromkeys(name for name in (last, without) if name))


def catalog_base(found: LoRAFolder) -> OCRModel | None:
    """The catalog's row of the base, None where it has none."""
    wanted = {_plain(name) for name in base_names(found.base)}
    return next(
        (row for row in ocr_models() if row.repo and _plain(row.repo.rpartition("/")[2]) in wanted), None
    )


def is_base(found: LoRAFolder, name: str) -> bool:
    """Whether the folder called ``name`` is the base."""
    return _plain(name) in {_plain(one) for one in base_names(found.base)}


def why_not_on(found: LoRAFolder, base: Path | None, settings: Settings, searched: Iterable[Path]) -> str:
    """Why it cannot be loaded on top of ``base`` (None: not on this machine), and what to do; empty where it
    can. Reads headers, not tensors.
    """
    is_one = f"{found.path} is an adapter ({found.kind}) of {found.base}, not a whole model"
    merge = "or merge it into its base with peft and put the merged model's folder here"
    names = names_in(found.path)
    if ADAPTER_WEIGHTS not in names:
        unsafe = next((name for name in sorted(names) if name.endswith(UNSAFE)), None)
        if unsafe is not None:
            return (
                f"{is_one}, and has its weights only as {unsafe}. Such a file can run any Python code when "
                f"it is opened: save it as {ADAPTER_WEIGHTS}."
            )
        return f"{is_one}, and {ADAPTER_WEIGHTS} is missing in it. Fetch it again."
    if found.kind not in KINDS:
        return (
            f"{is_one}. VRAMwise puts {', '.join(KINDS)} on top of a model, and no {found.kind}: {merge[3:]}."
        )
    if base is None:
        row = catalog_base(found)
        fetch = f"Run: {settings.command('download', row.id)}, or put" if row is not None else "Put"
        name = base_names(found.base)[-1]
        return (
            f"{is_one}, and its base is not on this machine. {fetch} the folder {name} into one of: "
            f"{', '.join(map(str, searched))}; {merge}."
        )
    if find_spec("peft") is None:
        needed = f"To load it on top of {base.name} the package peft is needed"
        from ..shell import pip_line

        return f"{is_one}. {needed}: {pip_line('peft')}; {merge}."
    header(found.path / ADAPTER_WEIGHTS)
    return ""


def lora_tensors(folder: Path) -> dict[str, TensorInfo]:
    """Its tensors by names that are no layer's: they are never quantised."""
    return {f"{name} (adapter)": info for name, info in header(folder / ADAPTER_WEIGHTS).items()}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
