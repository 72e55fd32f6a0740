"""A real `transformers serve` on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from devtools.ports import HeldPort


class TransformersServer:
    """`transformers serve` of one checkpoint as a process of its own, which can be killed and come back."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint, self._held_port = checkpoint, HeldPort()
        self.port = self._held_port.number
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

    def wait(self, seconds: float = 600) -> TransformersServer:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=10):
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
        self._held_port.release()
        self._folder.cleanup()
