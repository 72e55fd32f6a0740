"""ComfyUI's folders, and the sample picture that the first workflow reads."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths

from ...core.atomic_files import NotWritten, write_whole
from ...core.host import Places, set_places

log = logging.getLogger("vramwise")
SAMPLE = "vramwise_sample.png"


def announce_places() -> None:
    """Tell the core where this ComfyUI keeps models and private files. Both move with --base-directory."""
    if hasattr(folder_paths, "get_system_user_directory"):
        user = Path(folder_paths.get_system_user_directory("vramwise"))
    else:
        user = Path(folder_paths.get_user_directory()) / "__vramwise"
    models = [Path(folder_paths.models_dir)]
    for key in ("rapidocr", "tessdata"):  # extra_model_paths.yaml names the folder itself
        models += [path.parent for path in _registered(key) if path.name == key]
    checkpoints = [path for key in ("LLM", "prompt_generator") for path in _registered(key)]
    set_places(
        Places(
            user_dir=user,
            models_dirs=tuple(dict.fromkeys(models)),
            checkpoint_dirs=tuple(dict.fromkeys(checkpoints)),
            hosted=True,
        )
    )


def _registered(key: str) -> list[Path]:
    """The folders registered under ``key`` by extra_model_paths.yaml or another pack; none when nobody
    did.
    """
    if key not in folder_paths.folder_names_and_paths:
        return []
    return [Path(path) for path in folder_paths.get_folder_paths(key)]


def offer_sample() -> None:
    """Put the sample picture into ComfyUI's input folder unless a file of that name is there already.

    A read-only input folder only costs the sample, so that is logged and not raised.
    """
    target = Path(folder_paths.get_input_directory()) / SAMPLE
    source = Path(__file__).resolve().parents[2] / "assets" / SAMPLE
    if target.exists():
        return
    try:
        write_whole(target, source.read_bytes())
    except (OSError, NotWritten) as error:
        log.warning("The sample picture could not be put into %s: %s", target.parent, error)
