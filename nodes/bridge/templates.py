"""ComfyUI's installed workflow templates, and which of their files are on disk."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import folder_paths

from ...core.catalog.templates import Template, local_templates

# template id -> file name -> path, or an error where it is not installed
_Asset = Callable[[str, str], str]


def installed_templates() -> tuple[Template, ...]:
    """The local templates of this ComfyUI with what is on disk marked; none where its template packages are
    not installed. Their workflows are parsed once, about a second; the disk is asked anew each time.
    """
    asset = _asset()
    if asset is None:
        return ()
    return local_templates(_read(asset, "index") or [], functools.partial(_workflow, asset), file_on_disk)


def file_on_disk(directory: str, name: str) -> Path | None:
    """The file in any of ComfyUI's folders of that kind (extra_model_paths.yaml included), None where it is
    not there or ComfyUI has no such kind.
    """
    if directory not in folder_paths.folder_names_and_paths:
        return None
    found = folder_paths.get_full_path(directory, name)
    return None if found is None else Path(found)


@functools.cache
def _asset() -> _Asset | None:
    """How the installed version finds a file: by its manifest, or before 0.3 in one folder."""
    try:
        from comfyui_workflow_templates_core import get_asset_path
    except ImportError:
        return _asset_of_one_folder()
    by_manifest: _Asset = get_asset_path
    return by_manifest


def _asset_of_one_folder() -> _Asset | None:
    try:
        folder = resources.files("comfyui_workflow_templates") / "templates"
    except ImportError:
        return None
    return lambda _template, name: str(folder / name)


@functools.lru_cache(maxsize=1024)
def _workflow(asset: _Asset, template: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = _read(asset, template)
    return found


def _read(asset: _Asset, template: str) -> Any:
    """The JSON of a template or the index, None where its package is not installed."""
    try:
        text = Path(asset(template, f"{template}.json")).read_text(encoding="utf-8")
    except (FileNotFoundError, KeyError):
        return None
    return json.loads(text)
