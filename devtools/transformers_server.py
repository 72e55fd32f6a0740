"""A real `transformers serve` on the CPU, and a tiny checkpoint with something to say."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from devtools.tiny import tiny_checkpoint, trained_checkpoint


def served_checkpoint(folder: Path) -> Path:
    """The committed checkpoint that reads, or where it is not there a random one that babbles differently
    about each picture, made in ``folder``. Qwen3-VL either way.
    """
    try:
        return trained_checkpoint("qwen3_vl")
    except FileNotFoundError:
        return babbling_checkpoint(folder / "qwen3_vl")


def babbling_checkpoint(folder: Path) -> Path:
    """The random checkpoint with weights of such a size that the picture decides what is said. Only words of
    printable ASCII can be: nothing is lost between tokens and text.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    shutil.copytree(tiny_checkpoint("qwen3_vl"), folder)
    words = AutoTokenizer.from_pretrained(folder)
    net = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    chance = torch.Generator().manual_seed(0)
    said = [words.decode([number], skip_special_tokens=True) for number in range(len(words))]
    loud = torch.tensor([bool(one.strip()) and one.isascii() and one.isprintable() for one in said])
    with torch.no_grad():
        for name, weight in net.model.named_parameters():
            if weight.ndim >= 2 and "embed_tokens" not in name:
                weight.copy_(torch.randn(weight.shape, generator=chance) / weight[0].numel() ** 0.5)
        head = torch.randn(net.lm_head.weight.shape, generator=chance)
        head[~loud] = 0
        net.lm_head.weight = torch.nn.Parameter(head)
    net.config.tie_word_embeddings = net.config.text_config.tie_word_embeddings = False
    net.save_pretrained(folder)
    return folder


class TransformersServer:
    """`transformers serve` of one checkpoint as a process of its own, which can be killed and come back."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint, self.port = checkpoint, _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="transformers-serve-")
        self._log = Path(self._folder.name) / "log.txt"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> TransformersServer:
        """Begin starting; ``wait`` until it answers."""
        program = Path(sys.executable).with_name("transformers")
        command = [str(program), "serve", str(self.checkpoint), "--device", "cpu", "--dtype", "float32"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def said(self) -> str:
        """What it wrote since it was started."""
        return self._log.read_text("utf-8", "replace")

    def answered(self) -> int:
        """Chat requests answered well since it was started."""
        return self.said().count('"POST /v1/chat/completions HTTP/1.1" 200')

    def wait(self, seconds: float = 180) -> TransformersServer:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"transformers serve did not start:\n{self.said()[-3000:]}")

    def kill(self) -> None:
        """As the power cord does it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> TransformersServer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill()
        self._folder.cleanup()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
