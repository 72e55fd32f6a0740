"""Where this ComfyUI's person keeps fonts."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...core.settings import load_settings
from ...core.typesetting import FontIndex


def font_shelf() -> FontIndex:
    """models/fonts, the folders registered as "fonts" (extra_model_paths.yaml, other packs), files in the
    input folder, and the operating system's fonts."""
    own = [folder / "fonts" for folder in load_settings().all_models_dirs]
    if "fonts" in folder_paths.folder_names_and_paths:
        own += [Path(path) for path in folder_paths.get_folder_paths("fonts")]
    return FontIndex(tuple(dict.fromkeys(own)), (Path(folder_paths.get_input_directory()),))
