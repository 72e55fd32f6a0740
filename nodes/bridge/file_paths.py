"""The one place that turns a file name from a workflow into a path inside ComfyUI's own folders."""

from __future__ import annotations

import difflib
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import folder_paths

from ...core.atomic_files import NotWritten
from ...core.documents.safe_names import within
from ...core.errors import VramwiseError


def input_root() -> Path:
    """ComfyUI's input folder, links followed."""
    return Path(folder_paths.get_input_directory()).resolve()


def output_root() -> Path:
    """ComfyUI's output folder, links followed."""
    return Path(folder_paths.get_output_directory()).resolve()


def input_path(name: str, what: str = "file") -> Path:
    """An existing file or folder of the input folder. Raises VramwiseError for one that is elsewhere, absent
    or neither.
    """
    path = within(Path(folder_paths.get_input_directory()), name, what)
    if path.is_file() or path.is_dir():
        return path
    raise VramwiseError(
        f'There is no {what} "{name}" in ComfyUI\'s input folder.{_nearest(path)} '
        "Put it there, or give the name of what is there."
    )


def check_prefix(prefix: str) -> None:
    """Raise VramwiseError where ``prefix`` leads elsewhere, whatever its tokens may become."""
    from ...core.documents.name_tokens import filled_in

    stand_in = filled_in(prefix, datetime.now(), (0, 0), lambda _node, _widget: "x")
    within(Path(folder_paths.get_output_directory()), stand_in, "filename_prefix", written=True)


def output_numbering(
    prefix: str, size: tuple[int, int] = (0, 0), prompt: Any = None, png_info: Any = None
) -> tuple[Path, str, int]:
    """Folder, stem and first free number for ``prefix``, by ComfyUI's own rules (tokens, one count for all
    files of a stem). The folder exists afterwards. Raises VramwiseError for one that leads elsewhere or that
    cannot be made.

    ``size`` is (width, height) of the picture for %width% and %height%; ``prompt`` and ``png_info`` are the
    hidden inputs of those names, for %Node.widget%.
    """
    from ...core.documents.name_tokens import filled_in, widgets_of

    workflow = png_info.get("workflow") if isinstance(png_info, dict) else None
    filled = filled_in(prefix, datetime.now(), size, widgets_of(prompt, workflow))
    within(Path(folder_paths.get_output_directory()), filled, "filename_prefix", written=True)
    root = str(output_root())  # get_save_image_path compares without following links
    try:
        folder, stem, number, _, _ = folder_paths.get_save_image_path(filled.removesuffix("/"), root)
    except OSError as error:  # it makes the folder
        raise NotWritten(Path(root, filled), error) from error
    return Path(folder), stem, number


def output_entry(path: Path) -> dict[str, str]:
    """How ComfyUI's interface and GET /view name a file of the output folder."""
    relative = path.relative_to(output_root())
    subfolder = "" if relative.parent == Path() else relative.parent.as_posix()
    return {"filename": relative.name, "subfolder": subfolder, "type": "output"}


def _nearest(path: Path) -> str:
    try:
        close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        return ""
    return f' Did you mean "{close[0]}"?' if close else ""
