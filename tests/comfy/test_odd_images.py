"""What other nodes may hand over as a picture: each of ours reads it or says in a sentence what it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy
ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import importlib.util, json, sys, types
from pathlib import Path
root, comfy, out = sys.argv[1:]
sys.path.insert(0, comfy)
from comfy.cli_args import args
args.cpu = True
import folder_paths, torch, nodes
folder_paths.set_output_directory(out)
folder_paths.set_temp_directory(out)
spec = importlib.util.spec_from_file_location("vramwise_pack", root + "/__init__.py",
                                              submodule_search_locations=[root])
pack = importlib.util.module_from_spec(spec)
sys.modules["vramwise_pack"] = pack
spec.loader.exec_module(pack)
images = importlib.import_module("vramwise_pack.nodes.bridge.images")
drawing = importlib.import_module("vramwise_pack.nodes.draw_text")
crops = importlib.import_module("vramwise_pack.nodes.crop_regions").CropRegions
result = importlib.import_module("vramwise_pack.core.ocr.results.result")
known = importlib.import_module("vramwise_pack.core.errors").VramwiseError
regions = result.Regions((result.OCRResult("a", "a", (), 8, 8, "stop", "x", "fp32", 0.0),))
page = torch.rand(1, 8, 8, 3)
odd = {
    "meta": page.to("meta"), "sparse": page.to_sparse(), "list": [page, page], "array": page.numpy(),
    "dict": {"samples": page}, "nothing": None, "text": "x" * 5000, "empty": page[:0], "flat": page[0],
}
reads = {
    "ocr": images.Pages,
    "crop": lambda image: crops.execute(image, regions, "everything", "", 2, True, "error"),
    "draw": lambda image: drawing._drawable(image, "image"),
}
told = {}
for kind, image in odd.items():
    for name, read in reads.items():
        try:
            read(image)
            told[f"{name} {kind}"] = "read"
        except known as error:
            told[f"{name} {kind}"] = str(error)
lazy = importlib.import_module("vramwise_pack.nodes.bridge.lazy_image").LazyImage
told["lazy"] = len(images.Pages(lazy((1, 8, 8, 3), lambda: page))[0])

pack_nodes = importlib.import_module("vramwise_pack.nodes")
checked = importlib.import_module("vramwise_pack.nodes.bridge.widget_values").checked
ours = {one.define_schema().node_id.removeprefix("Vramwise"): checked(one) for one in pack_nodes.NODES}

for one in ours.values():
    one.hidden = types.SimpleNamespace(unique_id="1")

def said(name, node, **given):
    try:
        ours[node].execute(**given)
        told[name] = "read"
    except known as error:
        told[name] = str(error)

said("json nothing", "ConvertRegions", json=None)
white = torch.ones(1, 8, 8, 3)
for name, value in {"nothing": None, "text": "x", "dict": {"pages": 1}, "tensor": white}.items():
    said(f"score regions {name}", "OCRScore", image=[white], expected=["a"], regions=[value])
    said(f"draw regions {name}", "DrawText", image=[white], regions=[value], texts=["a"])
said("score texts mixed", "OCRScore", image=[white, white], expected=["a"], texts=["a", None])
said("score texts nothing", "OCRScore", image=[white], expected=["a"], texts=[None])
print("told", json.dumps(told))
"""


def test_what_holds_no_pixels_is_a_short_sentence_and_never_pages_of_numbers(tmp_path, require):
    from devtools.comfy.server import default_comfy_dir

    comfy = default_comfy_dir()
    require((comfy / "main.py").is_file(), f"There is no ComfyUI in {comfy}: run `python dev.py demo` once.")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT), str(comfy), str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.split("told ", 1)[1])
    assert told.pop("lazy") == 8, "a page that is rendered when it is read has pixels"
    assert told.pop("score texts nothing") == "read", "a link that brings nothing is no link"
    assert told.pop("draw empty") == "read", "no picture and no page: there is nothing to draw on"
    for case, sentence in told.items():
        assert sentence.endswith(".") and len(sentence) < 250 and "tensor([" not in sentence, (case, sentence)
