"""Crops of pages of any channels, given to ComfyUI's own Preview Image and Save Image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy
ROOT = Path(__file__).resolve().parents[2]

# In a process of its own: no core node makes a picture of one channel, but other packs do.
SCRIPT = """
import importlib.util, json, sys
from pathlib import Path
root, comfy, out = sys.argv[1:]
sys.path.insert(0, comfy)
from comfy.cli_args import args
args.cpu = True
import folder_paths, torch, nodes
from PIL import Image
folder_paths.set_output_directory(out)
folder_paths.set_temp_directory(out)
spec = importlib.util.spec_from_file_location("vramwise_pack", root + "/__init__.py",
                                              submodule_search_locations=[root])
pack = importlib.util.module_from_spec(spec)
sys.modules["vramwise_pack"] = pack
spec.loader.exec_module(pack)
CropRegions = importlib.import_module("vramwise_pack.nodes.crop_regions").CropRegions
result = importlib.import_module("vramwise_pack.core.ocr.results.result")
level = ((4.0, 4.0), (40.0, 4.0), (40.0, 20.0), (4.0, 20.0))
turned = ((10.0, 4.0), (44.0, 16.0), (40.0, 30.0), (6.0, 18.0))
lines = tuple(result.Region("a", box, order) for order, box in enumerate((level, turned)))
page = result.OCRResult("a", "a", lines, 64, 48, "stop", "x", "fp32", 0.0)
told = {}
for channels in (1, 2, 3, 4, 5):
    image = torch.full((1, 48, 64, channels), 0.25)
    image[..., channels // 2 :] = 0.75
    try:
        regions = result.Regions((page,))
        crops = CropRegions.execute(image, regions, "everything", "", 2, True, "error").args[0]
    except Exception as error:
        told[channels] = str(error)
        continue
    saved = [entry for crop in crops for kind in (nodes.PreviewImage, nodes.SaveImage)
             for entry in kind().save_images(crop, f"c{channels}")["ui"]["images"]]
    pictures = [Image.open(Path(out, entry["filename"])) for entry in saved]
    told[channels] = sorted({(each.mode, *each.getpixel((4, 4))) for each in pictures})
print("told", json.dumps(told))
"""


def test_crops_of_any_channels_pass_preview_and_save(tmp_path, require):
    from devtools.comfy.server import default_comfy_dir

    comfy = default_comfy_dir()
    require((comfy / "main.py").is_file(), f"There is no ComfyUI in {comfy}: run `python dev.py demo` once.")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT), str(comfy), str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.split("told ", 1)[1])
    assert told.pop("5").startswith("The picture has 5 channels")
    assert told == {
        "1": [["RGB", 191, 191, 191]],
        "2": [["RGBA", 63, 63, 63, 191]],
        "3": [["RGB", 63, 191, 191]],
        "4": [["RGBA", 63, 63, 191, 191]],
    }
