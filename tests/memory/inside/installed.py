"""What the pack's bridge finds of ComfyUI's templates; one JSON object to stdout.

Run as a program of its own: `installed.py FOLDER_OF_COMFYUI FOLDER_WITH_MODELS`. With a third word the
template packages are hidden.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

checkout, models, *hidden = sys.argv[1:]
sys.argv = sys.argv[:1]
sys.path.insert(0, checkout)
ROOT = Path(__file__).resolve().parents[3]

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.cpu = True

import folder_paths  # noqa: E402

folder_paths.add_model_folder_path("diffusion_models", models)
if hidden:
    sys.modules["comfyui_workflow_templates_core"] = None  # type: ignore[assignment]
    sys.modules["comfyui_workflow_templates"] = None  # type: ignore[assignment]

spec = importlib.util.spec_from_file_location(
    "vramwise_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None and spec.loader is not None
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

import comfy.latent_formats  # noqa: E402
import comfy.supported_models  # noqa: E402
from vramwise_pack.core.catalog.diffusion import diffusion_models  # noqa: E402
from vramwise_pack.nodes.bridge.model_facts import architecture, model_files  # noqa: E402
from vramwise_pack.nodes.bridge.templates import file_on_disk, installed_templates  # noqa: E402


class NewerLatent(comfy.latent_formats.Wan21):  # type: ignore[misc]
    spacial_downscale_ratio, temporal_downscale_ratio = 32, 6


class Newer(comfy.supported_models.WAN21_T2V):  # type: ignore[misc]
    latent_format = NewerLatent


class Broken:
    def __init__(self, _config: object) -> None:
        raise KeyError("hidden_size")


comfy.supported_models.Newer, comfy.supported_models.Broken = Newer, Broken
newer = architecture("Newer", {"dim": 4444})
counted = {
    model.id: told.factor
    for model in diffusion_models()
    if (told := architecture(model.comfy_class, dict(model.config))) is not None
}
found = installed_templates()
here = [file for template in found for file in template.files if file.on_disk]
print(
    json.dumps(
        {
            "templates": len(found),
            "with_files": sum(bool(template.files) for template in found),
            "on_disk": sorted({f"{file.directory}/{file.name} {file.bytes}" for file in here}),
            "unknown_kind": file_on_disk("no_such_kind", "x.safetensors"),
            "files": [path.name for path in model_files()],
            "counted": counted,
            "newer": None if newer is None else [newer.factor, newer.spatial, newer.temporal],
            "strange": [architecture(name, {}) for name in ("Broken", "NoSuchClass", "torch", "")],
        }
    )
)
