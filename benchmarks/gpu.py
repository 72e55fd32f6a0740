"""A real card, in under 25 minutes: full-size models with random weights at bf16, int8 and int4.

Built on the machine from their published configs, read by the product's own engine. Of each: the plan against
the allocator's peak, seconds to load and to load again, tokens a second against a bare ``generate``, 1, 4 and
16 pictures at once, a page of A4, Cancel, what eviction by a sampler-like allocation takes, fast decoding,
sdpa, eager and flash-attn. "runs" are rows of run_history, which ``remember`` puts into the record of
measured runs.

Nothing is lost but the part that breaks: each row is written at once, a part that fails is a line among
"failed", and where one takes the process or the card's context with it (or hangs: a part has its own limit),
``--resume`` goes on with the next in a new process.

Options: model ids, ``--pretend`` for a rehearsal on a pretend card with tiny models, ``--minutes N``
(default 22), after which nothing new is begun, ``--out FILE``, ``--keep FILE`` for a second copy,
``--resume`` to leave out what FILE says was begun on this card. Ends with 75 where it wants to be resumed.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import gpu_parts

GIB = 1024**3
MODELS = ("qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b")
PRECISIONS = ("bf16", "int8", "int4")
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
RESUME = 75  # exit status: the rest wants a new process
PART_SECONDS = 300  # of one part on a real card; what takes longer hangs


def build(model: str, folder: Path, cut: bool = False) -> None:
    """A folder as a download has it: the published shape (``cut``: the tiny one), random bf16 weights
    made on the card where there is one, and the tiny checkpoint's processor.
    """
    import torch

    from benchmarks.activations import net_of
    from benchmarks.footprints import published
    from devtools.tiny_models.build import tiny_checkpoint

    tiny = tiny_checkpoint("qwen3_vl")
    if cut:
        shutil.copytree(tiny, folder)
        return
    config = published(model)
    # the tiny processor's numbers of special tokens, which fit in every published vocabulary
    small = json.loads((tiny / "config.json").read_text(encoding="utf-8"))
    for name, value in small.items():
        if name.endswith("_token_id"):
            config[name] = value
    with torch.device("meta"):
        size = sum(weight.nbytes for weight in net_of(config, "sdpa").parameters())
    folder.mkdir(parents=True)
    roomy = torch.cuda.is_available() and torch.cuda.mem_get_info(0)[0] > 1.2 * size
    with torch.device("cuda" if roomy else "cpu"), torch.no_grad():
        net = net_of(config, "sdpa")
        for weight in net.parameters():
            weight.normal_(0, 0.02)
    net.save_pretrained(folder, max_shard_size="2GB")
    del net
    gc.collect()
    torch.cuda.empty_cache()
    for file in tiny.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copyfile(file, folder / file.name)


class Session:
    """The rows of one card, written after each so that a lease that ends early loses one."""

    def __init__(self, out: Path, minutes: float, pretend: bool, keep: Path | None = None) -> None:
        import torch

        card = torch.cuda.get_device_properties(0)
        self.out, self.keep, self.pretend = out, keep, pretend
        self.end = time.monotonic() + 60 * minutes
        self.found: dict[str, Any] = {
            "card": card.name,
            "pretend": pretend,
            "total_bytes": card.total_memory,
            "capability": f"{card.major}.{card.minor}",
            "versions": versions(),
            "begun": [],
            "rows": [],
            "runs": [],
            "failed": [],
            "finished": False,
        }

    def resume(self, wanted: Sequence[str]) -> None:
        """Take up what was found before on this card, unless it was finished with all ``wanted`` parts. The
        part that was begun and neither ended nor failed broke the process.
        """
        for file in filter(None, (self.out, self.keep)):
            try:
                before = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            done = before.get("finished") and set(wanted) <= set(before.get("begun", ()))
            if before.get("card") == self.found["card"] and not done:
                broke = before.pop("now", None)
                self.found = {**self.found, **before, "finished": False}
                if broke:
                    self.found["failed"].append(f"{broke}: the process ended in the middle of it")
                return

    @property
    def over(self) -> bool:
        return time.monotonic() > self.end

    def add(self, **row: Any) -> None:
        self.found["rows"].append(row)
        print("  ".join(f"{name} {_short(value)}" for name, value in row.items()), flush=True)
        self.write()

    def write(self) -> None:
        for file in filter(None, (self.out, self.keep)):
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
            fresh.replace(file)

    def begins(self, what: str) -> bool:
        """Whether the part is to be done now: there is time, and it was not begun before."""
        return not self.over and what not in self.found["begun"]

    @contextlib.contextmanager
    def part(self, what: str) -> Iterator[None]:
        """One that fails is a line among "failed", and the next one is tried; one that leaves the card's
        context broken ends the process, to be resumed.
        """
        self.found["begun"].append(what)
        self.found["now"] = what
        self.write()
        if not self.pretend:
            faulthandler.dump_traceback_later(PART_SECONDS, exit=True)
        with self.step(what):
            yield
        faulthandler.cancel_dump_traceback_later()
        self.found.pop("now", None)
        self.write()

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Of a part: what follows it is tried though it fails."""
        try:
            yield
        except Exception as error:
            said = f"{what}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            self.found["failed"].append(said)
            print(f"FAILED {said}", flush=True)
            self.write()
        gc.collect()
        if not _card_answers():
            self.found.pop("now", None)
            self.found["failed"].append(f"{what}: the card's context is broken, a new process goes on")
            self.write()
            raise SystemExit(RESUME)


def _card_answers() -> bool:
    """Whether the card still computes in this process; after an illegal access it does not."""
    import torch

    try:
        torch.cuda.empty_cache()
        return int(torch.ones(1, device="cuda:0").sum()) == 1
    except Exception as error:
        print(f"the card: {error}", flush=True)
        return False


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value / GIB:.3f} GiB" if isinstance(value, int) and value > 1 << 20 else str(value)


def versions() -> dict[str, str]:
    from importlib import metadata

    names = ("torch", "transformers", "accelerate", "bitsandbytes", "flash-attn")
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def remember(file: Path, folder: Path) -> int:
    """The runs of ``file`` into the record of measured runs in ``folder``. Returns how many; none of a
    pretend card.
    """
    from vramwise.planning import run_history

    found = json.loads(file.read_text(encoding="utf-8"))
    if found["pretend"]:
        return 0
    for run in found["runs"]:
        run_history.record(folder, run_history.Run(**run))
    return len(found["runs"])


def parts_of(session: Session, model: str) -> None:
    """All that is measured of one model, the plainest first."""
    for precision in PRECISIONS:
        if session.begins(f"{model} {precision}"):
            with session.part(f"{model} {precision}"):
                gpu_parts.measure(session, model, precision)
    if session.begins(f"{model} bf16 fast"):
        with session.part(f"{model} bf16 fast"):
            gpu_parts.fast(session, model)
    usual = {row.get("attention") for row in session.found["rows"] if _of_auto(row, model)}
    for attention in ATTENTIONS:
        name = f"{model} bf16 {attention}"
        if attention in usual and name not in session.found["begun"]:
            session.found["begun"].append(name)  # bf16 itself was read with it
        elif session.begins(name):
            with session.part(name):
                gpu_parts.measure(session, model, "bf16", attention)


def _of_auto(row: dict[str, Any], model: str) -> bool:
    """Whether ``row`` is of the attention that the plan chose at bf16: it need not be measured by name."""
    return row.get("model") == model and row.get("precision") == "bf16" and "reload_seconds" in row


def names_of(model: str) -> list[str]:
    """Of the parts that want the model's files."""
    return [f"{model} {last}" for last in (*PRECISIONS, "bf16 fast", *(f"bf16 {one}" for one in ATTENTIONS))]


def built(session: Session, model: str, folder: Path) -> bool:
    """Whether the model's files are there; a folder is complete once it has its name."""
    if folder.is_dir():
        return True
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    with session.part(f"{model} is built"):
        begun = time.perf_counter()
        build(model, unfinished, cut=session.pretend)
        unfinished.rename(folder)
        session.add(model=model, build_seconds=round(time.perf_counter() - begun, 1))
    shutil.rmtree(unfinished, ignore_errors=True)
    return folder.is_dir()


def every_model(session: Session, models: Sequence[str], home: Path) -> None:
    for model in models:
        folder = home / "models" / f"bench_{model}"
        if any(session.begins(name) for name in names_of(model)) and built(session, model, folder):
            parts_of(session, model)
        if not session.over:
            shutil.rmtree(folder, ignore_errors=True)
    session.found["finished"] = not session.over
    session.write()
    if session.found["finished"] or session.pretend:
        shutil.rmtree(home, ignore_errors=True)


def run(options: Sequence[str] = ()) -> dict[str, Any]:
    import torch

    parser = argparse.ArgumentParser(prog="dev.py bench gpu")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--pretend", action="store_true")
    parser.add_argument("--minutes", type=float, default=22)
    parser.add_argument("--out", type=Path, default=Path(".comfy/bench/gpu_session.json"))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--resume", action="store_true")
    asked = parser.parse_args(list(options))
    with contextlib.ExitStack() as stack:
        if asked.pretend:
            from devtools.pretend_card import Card, pretend_cards

            stack.enter_context(pretend_cards(Card("Pretend RTX 4060", 8, (8, 9))))
        elif not torch.cuda.is_available():
            raise SystemExit("There is no CUDA device here. `bench gpu --pretend` rehearses without one.")
        home = (asked.keep or asked.out).resolve().parent / "gpu_models"
        kept = dict(os.environ)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(kept)))
        os.environ |= {"VRAMWISE_MODELS": str(home / "models"), "XDG_CONFIG_HOME": str(home / "config")}
        os.environ |= {"HF_HUB_OFFLINE": "1"}
        session = Session(asked.out, asked.minutes, asked.pretend, asked.keep)
        models = asked.models or MODELS
        if asked.resume:
            session.resume([name for model in models for name in names_of(model)])
        every_model(session, models, home)
        found = session.found
        print(f"{len(found['rows'])} rows in {asked.out}; failed: {found['failed'] or 'none'}")
    return found
