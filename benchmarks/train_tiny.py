"""What the two training scripts of tiny checkpoints share: the strings and their pictures, the loop, the judging.

    python benchmarks/train_tiny.py held-out     draws tests/fixtures/trained/held_out.png and .json anew
    python benchmarks/train_tiny.py judge FAMILY [PRECISION ...]
                                                 character error rate of the committed checkpoint, per precision

Pictures are drawn with the DejaVu fonts. The held-out ones are committed as a picture, so that judging needs no font.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from devtools import tiny

STATES = ROOT / ".comfy" / "train"
WIDTH, HEIGHT = 320, 64
FONTS = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSans.ttf")
INKS = ("black", "black", "black", "navy", "maroon", "#404040")
PAPERS = ("white", "white", "white", "#f4f0e0", "#e8e8e8", "#eef4ff")
HELD_OUT = 200

Picture = Image.Image


def draw(chance: random.Random, longest: int = 10) -> tuple[Picture, str]:
    """A one-line picture of 4 to ``longest`` readable characters, and the string."""
    text = "".join(chance.choice(tiny.READABLE) for _ in range(chance.randint(min(4, longest), longest)))
    name, size = chance.choice(FONTS), chance.randint(34, 48)
    font = ImageFont.truetype(name, size)
    while font.getlength(text) > WIDTH - 12:
        size -= 1
        font = ImageFont.truetype(name, size)
    left, top, right, bottom = font.getbbox(text)
    x = chance.randint(4, max(4, min(24, int(WIDTH - right - 4))))
    middle = (HEIGHT - (bottom - top)) // 2 - top
    picture = Image.new("RGB", (WIDTH, HEIGHT), chance.choice(PAPERS))
    ImageDraw.Draw(picture).text(
        (x - left, middle + chance.randint(-4, 4)), text, fill=chance.choice(INKS), font=font
    )
    if chance.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0.4, 0.9)))
    return picture, text


def draw_held_out() -> None:
    """The 200 held-out strings as one picture of 8 columns, and where each is."""
    chance, columns = random.Random("held out"), 8
    rows = -(-HELD_OUT // columns)
    sprite = Image.new("RGB", (columns * WIDTH, rows * HEIGHT), "white")
    texts: list[str] = []
    boxes: list[tuple[int, int, int, int]] = []
    while len(texts) < HELD_OUT:
        picture, text = draw(chance)
        if text in texts:
            continue
        x, y = len(texts) % columns * WIDTH, len(texts) // columns * HEIGHT
        sprite.paste(picture, (x, y))
        texts.append(text)
        boxes.append((x, y, x + WIDTH, y + HEIGHT))
    tiny.TRAINED.mkdir(parents=True, exist_ok=True)
    sprite.quantize(64).save(tiny.TRAINED / "held_out.png", optimize=True)
    facts = {"about": "devtools.tiny.held_out() cuts these out of held_out.png", "texts": texts, "boxes": boxes}
    (tiny.TRAINED / "held_out.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def training_pictures(seed: str, count: int, longest: int, forbidden: set[str]) -> tuple[list[Picture], list[str]]:
    """``count`` pictures and their strings, always the same for one seed, none of the ``forbidden`` strings."""
    chance = random.Random(seed)
    pairs: list[tuple[Picture, str]] = []
    while len(pairs) < count:
        pair = draw(chance, longest)
        if pair[1] not in forbidden:
            pairs.append(pair)
    pictures, texts = zip(*pairs, strict=True)
    return list(pictures), list(texts)


def labelled(batch: Any, texts: Sequence[str], words: Any) -> dict[str, Any]:
    """The processor's output with labels on the answer only. Rows are padded on the left, so answers end them."""
    labels = torch.full_like(batch["input_ids"], -100)
    for row, text in enumerate(texts):
        length = len(words(text + "<|im_end|>")["input_ids"])
        labels[row, -length:] = batch["input_ids"][row, -length:]
    return {**batch, "labels": labels}


def train(
    name: str,
    net: Any,
    batch_of: Callable[[list[Picture], list[str], random.Random], dict[str, Any]],
    *,
    steps: int,
    batch: int = 32,
    rate: float = 1e-3,
    grow: float = 0.3,
    threads: int = 2,
) -> None:
    """Trains ``net`` in place, resuming from .comfy/train/<name>.pt. Strings grow from 4 to 10 characters over the
    first ``grow`` of the steps: short ones teach where a letter is, which long ones build on.
    """
    torch.set_num_threads(threads)
    forbidden = {text for _, text in tiny.held_out()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.08)
    STATES.mkdir(parents=True, exist_ok=True)
    state, first = STATES / f"{name}.pt", 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        first = saved["step"]
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        plan.load_state_dict(saved["plan"])
    net.train()
    began, losses = time.monotonic(), []
    for step in range(first, steps):
        longest = 4 + min(6, int(7 * step / max(1, grow * steps)))
        pictures, texts = training_pictures(f"{name} {step}", batch, longest, forbidden)
        loss = net(**batch_of(pictures, texts, random.Random(f"{name} prompt {step}"))).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        if step + 1 < steps:
            plan.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == steps:
            mean = sum(losses) / len(losses)
            print(f"{name} step {step + 1}/{steps} up to {longest} loss {mean:.4f} {time.monotonic() - began:.0f} s")
            sys.stdout.flush()
            losses.clear()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            parts = {"step": step + 1, "net": net.state_dict()}
            torch.save(
                {**parts, "optimiser": optimiser.state_dict(), "plan": plan.state_dict()}, state.with_suffix(".part")
            )
            state.with_suffix(".part").replace(state)
    net.eval()


def export(name: str, family: str, net: Any, processor: Any) -> None:
    """Writes the trained net from .comfy/train/<name>.pt as tests/fixtures/trained/<family>, stored in bfloat16.

    Run it with transformers 4.57: what 4.57 saves opens in 5.x, not the other way round.
    """
    net.load_state_dict(torch.load(STATES / f"{name}.pt", weights_only=True)["net"])
    words = processor.tokenizer
    folder = tiny.TRAINED / family
    folder.mkdir(parents=True, exist_ok=True)
    tiny.save(folder, net.to(torch.bfloat16), processor, [words.eos_token_id], words.pad_token_id)
    print(folder, f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB")


# --- judging ------------------------------------------------------------------------------------------------------

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "int4")
VISION = {"qwen3_vl": "model.visual", "got_ocr2": "model.vision_tower"}


def distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    return row[-1]


def load(family: str, precision: str, whole: bool = False) -> tuple[Any, Any]:
    """(net, processor) of the committed checkpoint; ``whole``: quantise the vision tower too."""
    import transformers

    types = {"fp32": torch.float32, "fp16": torch.float16}
    options: dict[str, Any] = {"dtype": types.get(precision, torch.bfloat16)}
    skip = ["lm_head"] if whole else [VISION[family], "lm_head"]
    if precision == "int8":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_skip_modules=skip
        )
    elif precision == "int4":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
            llm_int8_skip_modules=skip,
        )
    folder = tiny.trained_checkpoint(family)
    net = transformers.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, **options)
    return net.eval(), transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)


def ask(family: str, processor: Any, net: Any, pictures: list[Picture], prompt: str) -> Any:
    """The inputs of one batch, by the processor's own way."""
    if family == "got_ocr2":
        tokens = (net.config.vision_config.image_size // 64) ** 2
        return processor(pictures, return_tensors="pt", num_image_tokens=tokens)
    talks = [
        [{"role": "user", "content": [{"type": "image", "image": one}, {"type": "text", "text": prompt}]}]
        for one in pictures
    ]
    return processor.apply_chat_template(
        talks, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", padding=True
    )


def judge(family: str, net: Any, processor: Any, prompt: str = "Read all text", batch: int = 25) -> dict[str, Any]:
    """Character error rate, whole strings read right, and the misread ones, on the held-out pictures."""
    pairs, wrong, errors, letters = tiny.held_out(), [], 0, 0
    for start in range(0, len(pairs), batch):
        pictures, texts = zip(*pairs[start : start + batch], strict=True)
        inputs = ask(family, processor, net, list(pictures), prompt)
        for key, value in inputs.items():
            if value.is_floating_point():
                inputs[key] = value.to(net.dtype)
        with torch.inference_mode():
            answers = net.generate(**inputs, max_new_tokens=24, do_sample=False)
        for answer, text in zip(answers[:, inputs["input_ids"].shape[1] :], texts, strict=True):
            read = processor.tokenizer.decode(answer, skip_special_tokens=True)
            missed = distance(read, text)
            errors, letters = errors + missed, letters + len(text)
            if missed:
                wrong.append((text, read))
    return {"cer": errors / letters, "right": len(pairs) - len(wrong), "wrong": wrong}


def judge_all(family: str, precisions: Sequence[str]) -> None:
    import logging

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import warnings

    warnings.filterwarnings("ignore", module="bitsandbytes")
    for precision in precisions:
        kinds = [False, True] if precision in ("int8", "int4") and family != "got_ocr2" else [False]
        for whole in kinds:
            net, processor = load(family, precision, whole)
            began = time.monotonic()
            result = judge(family, net, processor)
            print(
                f"{family} {precision}{' with vision' if whole else ''}: CER {100 * result['cer']:.2f} %, "
                f"{result['right']}/{HELD_OUT} strings right, {time.monotonic() - began:.1f} s; {result['wrong'][:6]}"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["held-out"]:
            draw_held_out()
        case ["judge", family, *precisions]:
            judge_all(family, precisions or PRECISIONS)
        case _:
            sys.exit(__doc__)
