"""Crops of pages of any channels, given to ComfyUI's own Preview Image and Save Image."""

from __future__ import annotations

import pytest

from tests.comfy.own_process import told_by

pytestmark = pytest.mark.comfy

# In a process of its own: no core node makes a picture of one channel, but other packs do.
SCRIPT = """
from PIL import Image
CropRegions = own("nodes.crop_regions").CropRegions
result = own("core.ocr.results.result")
level = ((4.0, 4.0), (40.0, 4.0), (40.0, 20.0), (4.0, 20.0))
turned = ((10.0, 4.0), (44.0, 16.0), (40.0, 30.0), (6.0, 18.0))
lines = tuple(result.Region("a", box, order) for order, box in enumerate((level, turned)))
page = result.OCRResult("a", "a", lines, 64, 48, "stop", "x", "fp32", 0.0)
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
"""


def test_crops_of_any_channels_pass_preview_and_save(tmp_path, require):
    told = told_by(SCRIPT, tmp_path, require)
    assert told.pop("5").startswith("The picture has 5 channels")
    assert told == {
        "1": [["RGB", 191, 191, 191]],
        "2": [["RGBA", 63, 63, 63, 191]],
        "3": [["RGB", 63, 191, 191]],
        "4": [["RGBA", 63, 63, 191, 191]],
    }
