"""What the training scripts of tiny checkpoints share: the strings, their pictures, the loop, the judging.

    python benchmarks/train_tiny.py held-out     draws tests/fixtures/trained/held_out.png and .json anew
    python benchmarks/train_tiny.py judge FAMILY [PRECISION ...]
                                                 its character error rate at each precision

Pictures are drawn with the DejaVu fonts. The held-out ones are committed, so that judging needs no font.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from PIL import Image, ImageDraw, ImageFilter, ImageFont  # noqa: E402

from devtools import tiny  # noqa: E402

STATES = ROOT / ".comfy" / "train"
WIDTH, HEIGHT = 320, 64
FONTS = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSans.ttf")
SIZES = (38, 43, 48)  # of letters in pixels; smaller where a string would not fit
INKS = ("black", "black", "black", "navy", "maroon", "#404040")
PAPERS = ("white", "white", "white", "#f4f0e0", "#e8e8e8", "#eef4ff")
HELD_OUT = 200
LONGEST = 10

Picture = Image.Image


@dataclass(frozen=True)
class Line:
    """A picture, what it says, and the x in pixels of the middle of each character."""

    picture: Picture
    text: str
    middles: tuple[float, ...]


def draw(chance: random.Random) -> Line:
    """A one-line picture of 4 to 10 readable characters."""
    text = "".join(chance.choice(tiny.READABLE) for _ in range(chance.randint(4, LONGEST)))
    name, size = chance.choice(FONTS), chance.choice(SIZES)
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
    ends = [font.getlength(text[:end]) for end in range(len(text) + 1)]
    middles = tuple(x - left + (a + b) / 2 for a, b in pairwise(ends))
    return Line(picture, text, middles)


def draw_held_out() -> None:
    """The 200 held-out strings as one picture of 8 columns, and where each is."""
    chance, columns = random.Random("held out"), 8
    rows = -(-HELD_OUT // columns)
    sprite = Image.new("RGB", (columns * WIDTH, rows * HEIGHT), "white")
    texts: list[str] = []
    boxes: list[tuple[int, int, int, int]] = []
    while len(texts) < HELD_OUT:
        line = draw(chance)
        if line.text in texts:
            continue
        x, y = len(texts) % columns * WIDTH, len(texts) // columns * HEIGHT
        sprite.paste(line.picture, (x, y))
        texts.append(line.text)
        boxes.append((x, y, x + WIDTH, y + HEIGHT))
    tiny.TRAINED.mkdir(parents=True, exist_ok=True)
    sprite.quantize(64).save(tiny.TRAINED / "held_out.png", optimize=True)
    about = "devtools.tiny.held_out() cuts these out of held_out.png"
    facts = {"about": about, "texts": texts, "boxes": boxes}
    (tiny.TRAINED / "held_out.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def training_lines(seed: str, count: int, forbidden: set[str]) -> list[Line]:
    """``count`` pictures, always the same for one seed, none with a ``forbidden`` string."""
    chance = random.Random(seed)
    lines: list[Line] = []
    while len(lines) < count:
        line = draw(chance)
        if line.text not in forbidden:
            lines.append(line)
    return lines


def where(lines: Sequence[Line], slices: int) -> torch.Tensor:
    """(lines, slices): which of READABLE, from 1, has its middle in each upright slice; 0 is none."""
    found = torch.zeros(len(lines), slices, dtype=torch.long)
    for row, line in enumerate(lines):
        for letter, middle in zip(line.text, line.middles, strict=True):
            found[row, min(slices - 1, int(middle * slices / WIDTH))] = tiny.READABLE.index(letter) + 1
    return found


class Reader(torch.nn.Module):
    """A head for the training alone: says from each column of image tokens which characters stand there.

    Told only the whole string, tower and language model were both still guessing after 400 steps. With this
    head the tower knew most letters after 500.
    """

    def __init__(self, tokens: torch.nn.Module, width: int, rows: int, columns: int, slices: int) -> None:
        super().__init__()
        self.rows, self.columns, self.slices = rows, columns, slices
        classes = len(tiny.READABLE) + 1
        self.head = torch.nn.Linear(rows * width, slices // columns * classes)
        self.seen: torch.Tensor | None = None
        tokens.register_forward_hook(self._keep)

    def _keep(self, _module: Any, _inputs: Any, tokens: torch.Tensor) -> None:
        self.seen = tokens

    def loss(self, lines: Sequence[Line]) -> torch.Tensor:
        assert self.seen is not None
        grid = self.seen.view(len(lines), self.rows, self.columns, -1).transpose(1, 2).flatten(2)
        said = self.head(grid).view(len(lines) * self.slices, -1)
        return torch.nn.functional.cross_entropy(said, where(lines, self.slices).flatten())


def labelled(batch: Any, texts: Sequence[str], words: Any) -> dict[str, Any]:
    """The processor's output with labels on the answers, which end the rows: padding is on the left."""
    labels = torch.full_like(batch["input_ids"], -100)
    for row, text in enumerate(texts):
        length = len(words(text + "<|im_end|>")["input_ids"])
        labels[row, -length:] = batch["input_ids"][row, -length:]
    return {**batch, "labels": labels}


@dataclass
class Progress:
    """How far a training is. ``reading``: the first so many tokens of each answer are asked; ``settling``:
    the step at which all of them were, or -1.
    """

    step: int = 0
    reading: int = 1
    settling: int = -1


def train(
    name: str,
    net: Any,
    reader: Reader,
    batch_of: Callable[[Sequence[Line], random.Random], dict[str, Any]],
    *,
    settle: int,
    batch: int = 32,
    rate: float = 1e-3,
    sure: float = 1.1,
) -> None:
    """Trains ``net`` in place, resuming from .comfy/train/<name>.pt.

    First only the first character of each string is asked, and the next one as soon as the loss is below
    ``sure``: asked for whole strings from the beginning, the language model was still guessing when the tower
    knew most letters. Once whole strings are asked, the rate falls to zero over ``settle`` steps.

    One thread: a second gains a third at best, and where the cores are shared the two wait for each other (5
    s a step instead of 0.6).
    """
    torch.set_num_threads(1)
    forbidden = {text for _, text in tiny.held_out()}
    both = torch.nn.ModuleList([net, reader])
    optimiser = torch.optim.AdamW(both.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    STATES.mkdir(parents=True, exist_ok=True)
    state, at = STATES / f"{name}.pt", Progress()
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        at = Progress(**saved["progress"])
        net.load_state_dict(saved["net"])
        reader.load_state_dict(saved["reader"])
        optimiser.load_state_dict(saved["optimiser"])
    net.train()
    began, recent, letters = time.monotonic(), [], []
    while at.settling < 0 or at.step < at.settling + settle:
        left = 1.0 if at.settling < 0 else 1 - (at.step - at.settling) / settle
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (at.step + 1) / 50) * left
        lines = training_lines(f"{name} {at.step}", batch, forbidden)
        inputs = batch_of(lines, random.Random(f"{name} prompt {at.step}"))
        loss = net(**first_tokens(inputs, at.reading)).loss
        seen = reader.loss(lines)
        (loss + seen).backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        at.step += 1
        recent.append(loss.item())
        letters.append(seen.item())
        if at.step % 25 == 0:
            said = f"loss {mean(recent[-25:]):.4f}, letters {mean(letters[-25:]):.4f}"
            said += f", {time.monotonic() - began:.0f} s"
            print(f"{name} step {at.step}, reading {at.reading}: {said}", flush=True)
        if at.settling < 0 and len(recent) >= 15 and mean(recent[-15:]) < sure:
            at.reading, recent = at.reading + 1, []
            if at.reading == LONGEST + 1:
                at.settling = at.step
        if at.step % 50 == 0 or at.step == at.settling + settle:
            parts = {"progress": asdict(at), "net": net.state_dict(), "reader": reader.state_dict()}
            torch.save({**parts, "optimiser": optimiser.state_dict()}, state.with_suffix(".part"))
            state.with_suffix(".part").replace(state)
    net.eval()


def first_tokens(inputs: dict[str, Any], count: int) -> dict[str, Any]:
    """``inputs`` whose labels are those of the first ``count`` tokens of each answer."""
    labels = inputs["labels"]
    order = (labels != -100).cumsum(1)
    return {**inputs, "labels": labels.masked_fill(order > count, -100)}


def export(name: str, family: str, net: Any, processor: Any) -> None:
    """Writes the trained net from .comfy/train/<name>.pt as tests/fixtures/trained/<family>, stored in
    bfloat16.

    Run it with transformers 4.57: what 4.57 saves opens in 5.x, not the other way round.
    """
    net.load_state_dict(torch.load(STATES / f"{name}.pt", weights_only=True)["net"])
    words = processor.tokenizer
    folder = tiny.TRAINED / family
    folder.mkdir(parents=True, exist_ok=True)
    tiny.save(folder, net.to(torch.bfloat16), processor, [words.eos_token_id], words.pad_token_id)
    print(folder, f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB")


# --- judging ----------------------------------------------------------------------------------------------

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


def judge(
    family: str, net: Any, processor: Any, prompt: str = "Read all text", batch: int = 25
) -> dict[str, Any]:
    """Character error rate, whole strings read right, and the misread ones, on the held-out pictures."""
    pairs, wrong, errors, letters = tiny.held_out(family), [], 0, 0
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
            name = f"{precision} with vision" if whole else precision
            right = f"{result['right']}/{HELD_OUT} strings right, {time.monotonic() - began:.1f} s"
            print(
                f"{family} {name}: CER {100 * result['cer']:.2f} %, {right}; {result['wrong'][:6]}",
                flush=True,
            )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["held-out"]:
            draw_held_out()
        case ["judge", family, *precisions]:
            judge_all(family, precisions or PRECISIONS)
        case _:
            sys.exit(__doc__)
