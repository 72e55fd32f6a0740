"""Qwen3-VL-2B at its real size with random weights: what loading takes, against what the plan says.

Built once into .comfy/full_width (about 4 GB). Each load runs in a process of its own, which reports its
anonymous memory (RssAnon: what the machine must really have) sampled every 5 ms, and RSS beside it, which
counts the pages of the files too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".comfy" / "full_width" / "Qwen3-VL-2B-Instruct"
REPO = "Qwen/Qwen3-VL-2B-Instruct"
GIB = 1024**3


def run() -> dict[str, Any]:
    if not (FOLDER / "config.json").is_file():
        print(f"building {FOLDER.name} at its real size", flush=True)
        _child("build")
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as cache:
        figures = {
            "bf16": _child("load", "bf16", cache),
            "int8": _child("load", "int8", cache),
            "int8 again": _child("load", "int8", cache),
            "int4": _child("load", "int4", cache),
            "int4 again": _child("load", "int4", cache),
        }
    heads = ("", "seconds", "true GiB", "predicted", "off %", "anon peak/final", "RSS peak GiB")
    print("{:12}{:>9}{:>10}{:>11}{:>8}{:>17}{:>14}".format(*heads))
    for name, run in figures.items():
        true, predicted, rss = (run[key] / GIB for key in ("true_bytes", "predicted_bytes", "rss_peak_bytes"))
        print(f"{name:12}{run['seconds']:9.1f}{true:10.3f}{predicted:11.3f}{run['off_percent']:8.2f}", end="")
        print(f"{run['anon_ratio']:17.2f}{rss:14.2f}")
    for precision in ("int8", "int4"):
        ratio = figures[precision]["load_seconds"] / figures[f"{precision} again"]["load_seconds"]
        figures[f"{precision} cache speed-up"] = round(ratio, 2)
        print(f"{precision} from the cache: {ratio:.1f} times as fast as quantising")
    return figures


def _child(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.full_width", *words], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"full_width {' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) if words[0] == "load" else None


def build() -> None:
    """Save a net of the published shape with random bf16 weights, in shards of 1 GB as a download has."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from vramwise.families.published import published_config

    given = dict(published_config(REPO) or {})
    given.pop("model_type", None)
    config = Qwen3VLConfig(**given)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    fresh = FOLDER.with_name(FOLDER.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    Qwen3VLForConditionalGeneration(config).save_pretrained(fresh, max_shard_size="1GB")
    fresh.rename(FOLDER)


class _Memory:
    """Highest RssAnon and RSS of this process while it is watched, above what there was at the start."""

    def __init__(self) -> None:
        self.start = _status()
        self.peak = self.start
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._look()

    def _look(self) -> None:
        self.peak = tuple(max(pair) for pair in zip(self.peak, _status(), strict=True))

    def stop(self) -> tuple[int, int]:
        """(RssAnon, RSS) peaks in bytes above the start."""
        self._done.set()
        self._thread.join()
        self._look()
        return self.peak[0] - self.start[0], self.peak[1] - self.start[1]


def _status() -> tuple[int, ...]:
    """(RssAnon, RSS) in bytes; on Windows private bytes and the working set."""
    import psutil

    status = Path("/proc/self/status")
    if not status.exists():
        memory = psutil.Process().memory_info()
        return getattr(memory, "private", memory.rss), memory.rss
    rows = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
    return int(rows["RssAnon"].split()[0]) * 1024, int(rows["VmRSS"].split()[0]) * 1024


def _predicted(precision: str) -> int:
    """Bytes of the weights, as the plan has them."""
    from vramwise.planning import Workload, footprint
    from vramwise.weights import checkpoint_files

    config, tensors = checkpoint_files.read_config(FOLDER), checkpoint_files.tensor_index(FOLDER)
    return footprint(config, tensors, precision, workload=Workload(1 << 20), device_kind="cpu").weights_bytes


def load(precision: str, cache: str) -> dict[str, Any]:
    """One load in this process; quantised weights come from ``cache`` where an earlier process left them."""
    import gc
    from dataclasses import replace

    import bitsandbytes  # noqa: F401 - imports are not part of a load
    import torch
    import transformers  # noqa: F401
    from vramwise.catalog.precisions import quantised_precisions
    from vramwise.families.family import family_of_model_type
    from vramwise.host import Places
    from vramwise.ocr.vlm import load as loading
    from vramwise.ocr.vlm.model_owner import LoadSpec
    from vramwise.settings import Settings
    from vramwise.weights import checkpoints, quantised_cache

    family = family_of_model_type("qwen3_vl")
    assert family is not None
    places = Places(user_dir=Path(cache), models_dirs=(Path(cache),))
    settings = Settings(quantised_cache=True, places=places)
    checkpoint = next(
        candidate
        for candidate in checkpoints.local_checkpoints(replace(settings, models_dirs=(FOLDER.parent,)))
        if candidate.path == FOLDER
    )
    spec = LoadSpec(FOLDER, "qwen3_vl", precision, "sdpa", "cpu")
    loading.adapter_class(family).model_class()  # its import either
    memory = _Memory()
    begun, quantised = time.perf_counter(), precision in quantised_precisions()
    kept = quantised_cache.cached(settings, checkpoint, precision, False) if quantised else None
    net = loading.load_net(replace(spec, path=kept) if kept else spec, family)
    load_seconds = time.perf_counter() - begun
    anon_peak, rss_peak = memory.stop()
    gc.collect()
    anon_final = _status()[0] - memory.start[0]
    true, predicted = loading.true_bytes(net), _predicted(precision)
    if kept is None and quantised:
        quantised_cache.store(
            settings, checkpoint, precision, False, lambda folder: loading.save_quantised(net, FOLDER, folder)
        )
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "load_seconds": round(load_seconds, 2),
        "true_bytes": true,
        "predicted_bytes": predicted,
        "off_percent": round(100 * (predicted / true - 1), 3),
        "anon_peak_bytes": anon_peak,
        "anon_final_bytes": anon_final,
        "anon_ratio": round(anon_peak / max(true, anon_final), 3),
        "rss_peak_bytes": rss_peak,
        "from_cache": kept is not None,
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build()
    else:
        print(json.dumps(load(sys.argv[2], sys.argv[3])))
