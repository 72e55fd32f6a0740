"""What other nodes may hand over as a picture: each of ours reads it or says in a sentence what it is."""

from __future__ import annotations

import pytest

from tests.comfy.own_process import told_by

pytestmark = pytest.mark.comfy

SCRIPT = """
images = own("nodes.bridge.images")
drawing = own("nodes.draw_text")
crops = own("nodes.crop_regions").CropRegions
result = own("core.ocr.results.result")
known = own("core.errors").VramwiseError
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
for kind, image in odd.items():
    for name, read in reads.items():
        try:
            read(image)
            told[f"{name} {kind}"] = "read"
        except known as error:
            told[f"{name} {kind}"] = str(error)
grey, cover = torch.rand(1, 8, 8, 1), torch.rand(1, 8, 8, 1)
sees = {
    "ocr": lambda image: torch.from_numpy(images.Pages(image)[0]),
    "draw": lambda image: drawing._drawable(image, "image"),
    "overlay": lambda image: images.masks_and_overlays(image, regions.pages)[1],
}
told["grey"] = {
    name: bool(torch.equal(see(torch.cat((grey, cover), -1)), see(torch.cat((grey, grey, grey, cover), -1))))
    for name, see in sees.items()
}
lazy = own("nodes.bridge.lazy_image").LazyImage
told["lazy"] = len(images.Pages(lazy((1, 8, 8, 3), lambda: page))[0])

pack_nodes = own("nodes")
checked = own("nodes.bridge.widget_values").checked
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
"""


def test_what_holds_no_pixels_is_a_short_sentence_and_never_pages_of_numbers(tmp_path, require):
    told = told_by(SCRIPT, tmp_path, require)
    grey = told.pop("grey")
    assert grey == {"ocr": True, "draw": True, "overlay": True}, "grey with transparency is as RGBA is"
    assert told.pop("lazy") == 8, "a page that is rendered when it is read has pixels"
    assert told.pop("score texts nothing") == "read", "a link that brings nothing is no link"
    assert told.pop("draw empty") == "read", "no picture and no page: there is nothing to draw on"
    for case, sentence in told.items():
        assert sentence.endswith(".") and len(sentence) < 250 and "tensor([" not in sentence, (case, sentence)
