"""What the training scripts of tiny checkpoints share: the strings, their pictures, the loop, the judging.

    python training/tiny_qwen3_vl.py held-out   draws its 200 held-out pictures anew (got: likewise)
    python training/tiny_models.py judge FAMILY [PRECISION ...]
                                                 its character error rate at each precision

Pictures are drawn with the DejaVu fonts. The held-out ones are committed, so that judging needs no font.
Qwen3-VL's are lines of 4 to 10 characters, GOT's (whose pictures are squares) 4 to 16 in rows of four.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from PIL import Image, ImageFilter  # noqa: E402
from rapidfuzz.distance import Levenshtein  # noqa: E402
from vramwise.families.family import family as catalog_family  # noqa: E402

from devtools.tiny_models import build  # noqa: E402
from devtools.tiny_models.build import held_out, held_out_files  # noqa: E402

STATES = ROOT / ".comfy" / "train"
FONTS = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSans.ttf")
INKS = ("black", "black", "black", "navy", "maroon", "#404040")
PAPERS = ("white", "white", "white", "#f4f0e0", "#e8e8e8", "#eef4ff")
HELD_OUT = 200

Picture = Image.Image


@dataclass(frozen=True)
class Print:
    """A picture, what it says, and of each character the slot of the picture (from 0) where its middle is."""

    picture: Picture
    text: str
    slots: tuple[int, ...]


Draw = Callable[[random.Random], Print]


def string(chance: random.Random, longest: int) -> str:
    """4 to ``longest`` readable characters."""
    return "".join(chance.choice(build.READABLE) for _ in range(chance.randint(4, longest)))


def aged(picture: Picture, chance: random.Random, most: float) -> Picture:
    """One of five is blurred, by up to ``most`` pixels."""
    if chance.random() >= 0.2:
        return picture
    return picture.filter(ImageFilter.GaussianBlur(chance.uniform(0.4, most)))


def draw_held_out(family: str, draw: Draw, columns: int) -> None:
    """Writes the 200 held-out pictures as one, ``columns`` beside each other, and the facts about it."""
    chance = random.Random("held out")
    prints: dict[str, Picture] = {}
    while len(prints) < HELD_OUT:
        drawn = draw(chance)
        prints.setdefault(drawn.text, drawn.picture)
    width, height = next(iter(prints.values())).size
    sprite = Image.new("RGB", (columns * width, -(-HELD_OUT // columns) * height), "white")
    boxes: list[tuple[int, int, int, int]] = []
    for index, picture in enumerate(prints.values()):
        x, y = index % columns * width, index // columns * height
        sprite.paste(picture, (x, y))
        boxes.append((x, y, x + width, y + height))
    png, facts = held_out_files(family)
    png.parent.mkdir(parents=True, exist_ok=True)
    sprite.quantize(64).save(png, optimize=True)
    about = f"what stands in the boxes of {png.name}"
    said = {"about": about, "texts": list(prints), "boxes": boxes}
    facts.write_text(json.dumps(said) + "\n", encoding="utf-8")


def training_prints(draw: Draw, seed: str, count: int, forbidden: set[str]) -> list[Print]:
    """``count`` pictures, always the same for one seed, none with a ``forbidden`` string."""
    chance = random.Random(seed)
    prints: list[Print] = []
    while len(prints) < count:
        drawn = draw(chance)
        if drawn.text not in forbidden:
            prints.append(drawn)
    return prints


def where(prints: Sequence[Print], slots: int) -> torch.Tensor:
    """(prints, slots): which of READABLE, from 1, stands in each slot; 0 is none."""
    found = torch.zeros(len(prints), slots, dtype=torch.long)
    for row, drawn in enumerate(prints):
        for letter, slot in zip(drawn.text, drawn.slots, strict=True):
            found[row, slot] = build.READABLE.index(letter) + 1
    return found


class Reader(torch.nn.Module):
    """A head for the training alone: says from each column of image tokens which characters stand there.

    Told only the whole string, tower and language model were both still guessing after 400 steps. With this
    head the tower knew most letters after 500.
    """

    def __init__(self, tokens: torch.nn.Module, width: int, rows: int, columns: int, slots: int) -> None:
        super().__init__()
        self.rows, self.columns, self.slots = rows, columns, slots
        classes = len(build.READABLE) + 1
        self.head = torch.nn.Linear(rows * width, slots // columns * classes)
        self.seen: torch.Tensor | None = None
        tokens.register_forward_hook(self._keep)

    def _keep(self, _module: Any, _inputs: Any, tokens: torch.Tensor) -> None:
        self.seen = tokens

    def loss(self, prints: Sequence[Print]) -> torch.Tensor:
        assert self.seen is not None
        grid = self.seen.float().view(len(prints), self.rows, self.columns, -1).transpose(1, 2).flatten(2)
        said = self.head(grid).view(len(prints) * self.slots, -1)
        return torch.nn.functional.cross_entropy(said, where(prints, self.slots).flatten())


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

    step: int
    reading: int
    settling: int


@dataclass(frozen=True)
class _State:
    """A training as it is kept in ``file``: of each of ``parts`` its state_dict(), and the progress."""

    file: Path
    parts: dict[str, Any]

    def restored(self) -> Progress | None:
        """The progress that was kept, once the parts are as they were; None where nothing was."""
        if not self.file.is_file():
            return None
        saved = torch.load(self.file, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        return Progress(**saved["progress"])

    def save(self, at: Progress) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({"progress": asdict(at), **kept}, self.file.with_suffix(".part"))
        self.file.with_suffix(".part").replace(self.file)


def train(
    family: str,
    net: Any,
    reader: Reader,
    draw: Draw,
    batch_of: Callable[[Sequence[Print], random.Random], dict[str, Any]],
    *,
    settle: int,
    most: int,
    reading: int = 1,
    batch: int = 32,
    rate: float = 1e-3,
    sure: float = 1.1,
) -> None:
    """Trains ``net`` in place, resuming from .comfy/train/tiny_<family>.pt.

    Only the first ``reading`` tokens of each answer are asked at first, and the next one as soon as the loss
    is below ``sure``, up to ``most``: asked for whole strings from the beginning, Qwen3-VL's language model
    was still guessing when its tower knew most letters. Once whole answers are asked, the rate falls to zero
    over ``settle`` steps.

    One thread: a second gains a third at best, and where the cores are shared the two wait for each other (5
    s a step instead of 0.6).
    """
    torch.set_num_threads(1)
    name = f"tiny_{family}"
    forbidden = {text for _, text in held_out(family)}
    both = torch.nn.ModuleList([net, reader])
    optimiser = torch.optim.AdamW(both.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    state = _State(STATES / f"{name}.pt", {"net": net, "reader": reader, "optimiser": optimiser})
    at = state.restored() or Progress(0, reading, 0 if reading >= most else -1)
    net.train()
    began, recent, letters = time.monotonic(), [], []
    while at.settling < 0 or at.step < at.settling + settle:
        left = 1.0 if at.settling < 0 else 1 - (at.step - at.settling) / settle
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (at.step + 1) / 50) * left
        prints = training_prints(draw, f"{name} {at.step}", batch, forbidden)
        inputs = batch_of(prints, random.Random(f"{name} prompt {at.step}"))
        with torch.autocast("cpu", torch.bfloat16):
            loss = net(**first_tokens(inputs, at.reading)).loss
        seen = reader.loss(prints)
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
            if at.reading == most:
                at.settling = at.step
        if at.step % 50 == 0 or at.step == at.settling + settle:
            state.save(at)
    net.eval()


def first_tokens(inputs: dict[str, Any], count: int) -> dict[str, Any]:
    """``inputs`` whose labels are those of the first ``count`` tokens of each answer."""
    labels = inputs["labels"]
    order = (labels != -100).cumsum(1)
    return {**inputs, "labels": labels.masked_fill(order > count, -100)}


def export(family: str, net: Any, processor: Any) -> None:
    """Writes the trained net from .comfy/train/tiny_<family>.pt as tests/fixtures/trained/<family>, stored in
    bfloat16.

    Run it with transformers 4.57: what 4.57 saves opens in 5.x, not the other way round.
    """
    net.load_state_dict(torch.load(STATES / f"tiny_{family}.pt", weights_only=True)["net"])
    words = processor.tokenizer
    folder = build.TRAINED / family
    folder.mkdir(parents=True, exist_ok=True)
    build.save(folder, net.to(torch.bfloat16), processor, [words.eos_token_id], words.pad_token_id)
    print(folder, f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB")


# --- judging ----------------------------------------------------------------------------------------------

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "int4")
VISION = {"qwen3_vl": "model.visual", "got_ocr2": "model.vision_tower"}


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
    folder = build.trained_checkpoint(family)
    net = transformers.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, **options)
    return net.eval(), transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)


def ask(family: str, processor: Any, net: Any, pictures: list[Picture], prompt: str) -> Any:
    """The inputs of one batch, by the processor's own way."""
    if family == "got_ocr2":
        tokens = (net.config.vision_config.image_size // 64) ** 2
        return processor(pictures, return_tensors="pt", num_image_tokens=tokens)
    talks = [
        [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]}]
        for picture in pictures
    ]
    return processor.apply_chat_template(
        talks, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", padding=True
    )


def judge(family: str, net: Any, processor: Any, batch: int = 25) -> dict[str, Any]:
    """Character error rate, whole strings read right, and the misread ones, on the held-out pictures."""
    prompt = catalog_family(family).tasks["text"].prompt
    pairs, wrong, errors, letters = held_out(family), [], 0, 0
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
            missed = Levenshtein.distance(read, text)
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
        case ["judge", family, *precisions]:
            judge_all(family, precisions or PRECISIONS)
        case _:
            sys.exit(__doc__)
