"""OCR Inference with a CLIP that writes text, as newer versions of ComfyUI have them.

ComfyUI 0.3.75 has none, so a stand-in has the three methods that its node Generate Text calls there, with
their signatures. All runs in a process of its own with ComfyUI's real modules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.comfy

PROGRAM = """
import importlib, importlib.util, json, sys, types
pack_root, comfy = sys.argv[1:3]
sys.path.insert(0, comfy)
from comfy.cli_args import args
args.cpu = True
import numpy, torch, comfy.sd
spec = importlib.util.spec_from_file_location(
    "vramwise_pack", pack_root + "/__init__.py", submodule_search_locations=[pack_root]
)
sys.modules["vramwise_pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
OCR = importlib.import_module("vramwise_pack.nodes.ocr").OCR
calls = {}

class Clip:
    answer, sees = "Hello 123", True
    def tokenize(self, text, return_word_ids=False, **kwargs):
        calls.update(prompt=text, **kwargs)
        picture = ({"type": "image", "data": kwargs["image"]}, 1.0)
        return {"qwen3vl_4b": [[(151644, 1.0), *([picture] if self.sees else []), (9707, 1.0)]]}
    def generate(self, tokens, do_sample=True, max_length=256, temperature=1.0, top_k=50, top_p=0.95,
                 min_p=0.0, repetition_penalty=1.0, seed=None, presence_penalty=0.0):
        calls.update(do_sample=do_sample, max_length=max_length)
        return list(range(min(max_length, len(self.answer))))
    def decode(self, token_ids, skip_special_tokens=True):
        return self.answer[: len(token_ids)]

class Node(OCR):
    hidden = types.SimpleNamespace(unique_id=None)

class OfFamily(Clip):
    # as core names it, whose tokenizer stands in its own attribute
    def __init__(self, name, answer, named=True):
        self.name, self.answer = name, answer
        if named:
            self.tokenizer = types.SimpleNamespace(clip_name=name)
    def tokenize(self, text, return_word_ids=False, **kwargs):
        return {self.name: super().tokenize(text, return_word_ids, **kwargs)["qwen3vl_4b"]}

def kind():
    inputs = {slot.id: slot for slot in OCR.define_schema().inputs}
    return inputs["ocr_model"].get_io_type()

def read(clip, pages=1, **options):
    image = torch.zeros(pages, 100, 200, 3)
    image[:, 40:60, 50:150] = 1.0
    image[1:] = 0.5  # a second page is blank
    return Node.execute(image, clip, **options).ui["ocr"]

def refused(clip):
    try:
        return read(clip)
    except Exception as error:
        return [type(error).__name__, str(error)]

def asked(name, answer, task="text", named=True):
    calls.clear()
    (page,) = read(OfFamily(name, answer, named), task=task)
    polygons = [region["polygon"] for region in page["regions"]]
    return {**calls, "image": list(calls["image"].shape), "text": page["text"], "polygons": polygons}

said = {"writes": hasattr(comfy.sd.CLIP, "generate"), "old": kind()}
comfy.sd.CLIP.generate, comfy.sd.CLIP.decode = Clip.generate, Clip.decode
said["new"] = kind()

said["pages"] = read(Clip(), pages=2)
said["call"] = {**calls, "image": list(calls["image"].shape), "top": float(calls["image"].max())}

said["cut"] = read(Clip(), task="custom", prompt="What is it?", max_new_tokens=5, megapixels=0.005)
said["asked"] = [calls["prompt"], list(calls["image"].shape)]

clip = Clip()
clip.answer = json.dumps([{"bbox_2d": [250, 400, 750, 600], "text_content": "Hi"}])
said["spotted"] = read(clip, task="spotting")

box = json.dumps([{"box_2d": [400, 250, 600, 750], "label": "Hi"}])
said["families"] = {
    "gemma4": asked("gemma4", "Hi"), "nameless": asked("qwen35_9b", "Hi", named=False),
    "qwen35": asked("qwen35_2b", "<think>Hm</think>Hi"), "gemma3": asked("gemma3_12b", "Hi"),
    "qwen3vl": asked("qwen3vl_8b", "Hi"), "boxes": asked("gemma4", box, "spotting"),
}

class Gemma4(Clip):
    # core's own tokenizer, with a vocabulary of a few words
    answer = "Hi"
    def __init__(self):
        from comfy.text_encoders.gemma4 import Gemma4Tokenizer
        from tokenizers import Tokenizer, models, pre_tokenizers
        signs = ["<|image>", "<image|>", "<|turn>", "<turn|>", "<bos>", "<pad>", "<unk>"]
        words = {"<|image|>": 258880, **{word: at for at, word in enumerate(signs)}}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        tokenizer.add_special_tokens(["<|image|>", *signs])
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self.tokenizer = Gemma4Tokenizer(tokenizer_data={"tokenizer_json": tokenizer.to_str().encode()})
    def tokenize(self, text, return_word_ids=False, **kwargs):
        calls["tokens"] = self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)
        return calls["tokens"]

if importlib.util.find_spec("comfy.text_encoders.gemma4"):
    (page,) = read(Gemma4(), task="text")
    (pictures,) = [
        token[0] for row in calls["tokens"]["gemma4"] for token in row if isinstance(token[0], dict)
    ],
    said["real gemma4"] = [page["text"], [each["max_soft_tokens"] for each in pictures]]

clip.sees = False
said["blind"] = refused(clip)
mute = Clip()
def generate(*given, **options):
    raise AttributeError("no generate")
mute.generate = generate
said["mute"] = refused(mute)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(require: Callable[[object, str], None]) -> dict[str, Any]:
    """What the program above found."""
    from devtools.comfy.server import default_comfy_dir

    checkout = default_comfy_dir()
    require((checkout / "main.py").is_file(), f"There is no ComfyUI in {checkout}: run `python dev.py demo`.")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), str(checkout)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=checkout,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_clip_is_offered_only_where_clips_write(said: dict[str, Any]) -> None:
    assert said["old"] == ("VRAMWISE_OCR_MODEL,CLIP" if said["writes"] else "VRAMWISE_OCR_MODEL")
    assert said["new"] == "VRAMWISE_OCR_MODEL,CLIP"


def test_a_clip_reads_a_page_and_never_sees_a_blank_one(said: dict[str, Any]) -> None:
    page, blank = said["pages"]
    assert (page["text"], page["finish_reason"], page["tokens"]) == ("Hello 123", "stop", 9)
    assert (blank["text"], blank["finish_reason"]) == ("", "blank")


def test_it_is_called_as_comfyui_calls_it_and_leaves_nothing_to_chance(said: dict[str, Any]) -> None:
    call = said["call"]
    assert call["image"] == [1, 100, 200, 3]
    assert call["top"] == 1.0
    assert "text" in call["prompt"]
    assert call["do_sample"] is False
    assert call["max_length"] > 1000


def test_a_limit_cuts_and_the_persons_prompt_is_used(said: dict[str, Any]) -> None:
    (page,) = said["cut"]
    assert (page["text"], page["finish_reason"]) == ("Hello", "length")
    assert said["asked"] == ["What is it?", [1, 50, 100, 3]]


def test_boxes_of_a_clip_lie_in_pixels_of_the_picture(said: dict[str, Any]) -> None:
    (region,) = said["spotted"][0]["regions"]
    assert region["text"] == "Hi"
    assert region["polygon"][0] == [50.0, 40.0]
    assert region["polygon"][2] == [150.0, 60.0]


def test_each_family_of_core_is_asked_in_its_own_words(said: dict[str, Any]) -> None:
    from vramwise.families.family import family

    told = said["families"]
    core = {"gemma4": "gemma4", "gemma3": "gemma3", "qwen35": "qwen3_5", "qwen3vl": "qwen3_vl"}
    for case, name in core.items():
        assert (told[case]["prompt"], told[case]["text"]) == (family(name).tasks["text"].prompt, "Hi"), case
    assert told["gemma4"]["prompt"] != told["qwen3vl"]["prompt"]
    assert told["nameless"]["prompt"] == family("qwen3_5").tasks["text"].prompt


def test_gemma_sees_a_whole_page_and_writes_y_before_x(said: dict[str, Any]) -> None:
    told = said["families"]
    assert told["gemma4"]["max_soft_tokens"] >= 280
    assert "max_soft_tokens" not in told["qwen35"]
    assert told["gemma3"]["image"] == [1, 200, 200, 3]  # core would cut a square out of 200 x 100
    assert told["boxes"]["polygons"] == [[[50.0, 40.0], [150.0, 40.0], [150.0, 60.0], [50.0, 60.0]]]


def test_the_gemma_4_of_this_comfyui_takes_what_it_is_given(said: dict[str, Any]) -> None:
    if "real gemma4" not in said:
        pytest.skip("This ComfyUI has no Gemma 4.")
    assert said["real gemma4"] == ["Hi", [280]]


@pytest.mark.parametrize(
    ("case", "sentence"), [("blind", "This CLIP does not look at pictures."), ("mute", "writes no text")]
)
def test_a_clip_that_cannot_read_says_what_to_load(said: dict[str, Any], case: str, sentence: str) -> None:
    kind, message = said[case]
    assert kind == "VramwiseError"
    assert sentence in message
    assert "Qwen3-VL" in message
