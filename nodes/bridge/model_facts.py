"""How the running ComfyUI counts a model's memory, and which model files it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import folder_paths

from ...core.host import HostArchitecture, HostModels, set_host_models


def announce_models() -> None:
    """Let advice ask this ComfyUI. Nothing is asked now."""
    set_host_models(HostModels(_name(), architecture, model_files))


def architecture(comfy_class: str, config: Mapping[str, int]) -> HostArchitecture | None:
    """The memory_usage_factor and latent of a class of comfy.supported_models; None for one that this version
    does not have, or that cannot be made from ``config``.
    """
    import comfy.supported_models as supported

    known = getattr(supported, comfy_class, None)
    if not isinstance(known, type):
        return None
    try:
        made: Any = known(dict(config))
        return HostArchitecture(
            float(made.memory_usage_factor),
            _stated(made.latent_format, "spacial_downscale_ratio"),
            _stated(made.latent_format, "temporal_downscale_ratio"),
        )
    except Exception:  # another version's class may want more than our catalog knows of it
        return None


def model_files() -> Iterator[Path]:
    """Every file in the folders of diffusion models and checkpoints (extra_model_paths.yaml included)."""
    from ...core.catalog.templates import MODEL_FOLDERS

    for folder in MODEL_FOLDERS:
        if folder not in folder_paths.folder_names_and_paths:
            continue
        for name in folder_paths.get_filename_list(folder):
            found = folder_paths.get_full_path(folder, name)
            if found is not None:
                yield Path(found)


def _stated(latent: Any, name: str) -> int | None:
    """What a latent format says itself; the default of their common base is nobody's."""
    kind = latent if isinstance(latent, type) else type(latent)
    stated = [part.__dict__[name] for part in kind.__mro__[:-2] if name in part.__dict__]
    return int(stated[0]) if stated else None


def _name() -> str:
    try:
        from comfyui_version import __version__ as version
    except ImportError:
        return "ComfyUI"
    return f"ComfyUI {version}"
