"""Which of this machine's model folders can be written to: asked by a download, and by what offers one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import VramwiseError, in_words
from ..settings import Settings

_DOWNLOADS = "LLM"  # in a models folder, as other packs have them


class NoFolder(Exception):
    """None can be written to; its text is what each said."""


def why_not_writable(folder: Path) -> str | None:
    """Why no file can be put into a folder, which is made where there is none; None where one can. A file is
    tried: on Windows the system says that any folder can be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return in_words(error)


def first_writable(folders: Sequence[Path]) -> Path:
    """The first that there is or that can be made, made. Raises NoFolder."""
    tried = []
    for folder in folders:
        why = why_not_writable(folder)
        if why is None:
            return folder
        tried.append(f"{folder} ({why})")
    raise NoFolder(", ".join(tried))


def folder_to_write(folders: Sequence[Path]) -> Path:
    """``first_writable`` for what is fetched. Raises VramwiseError."""
    try:
        return first_writable(folders)
    except NoFolder as tried:
        raise VramwiseError(
            f"There is no folder to write to: {tried}. Name one as models_dir in config.yaml or in the "
            "environment variable VRAMWISE_MODELS."
        ) from None


def download_folders(settings: Settings, repo: str) -> list[Path]:
    """Where the checkpoint of ``repo`` may be put, best first: ``LLM/<its name>`` in a models folder."""
    return [base / _DOWNLOADS / repo.rsplit("/", 1)[-1] for base in settings.all_models_dirs]


def likely_folder(folders: Sequence[Path]) -> Path:
    """What ``first_writable`` will say, as far as can be seen while nothing is made; else the first."""
    return next((folder for folder in folders if _can_be_made(folder)), folders[0])


def _can_be_made(folder: Path) -> bool:
    there = next((one for one in (folder, *folder.parents) if os.path.exists(one)), "")
    return os.path.isdir(there) and os.access(there, os.W_OK)
