"""pip in .venv or in another environment, with few words here and all of them in a log."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path

from devtools.paths import COMFY, PYTHON, ROOT
from devtools.processes import Stop, end_tree, say

LOG = COMFY / "set-up.log"


def pip(*arguments: str, what: str, python: Path = PYTHON, env: dict | None = None) -> None:
    """Run .venv's pip, or another environment's: short progress lines here, everything into the log."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "5", "--timeout", "60"]
    command += [*arguments, "--progress-bar", "off"]
    begun = last = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    quiet = threading.Event()

    def heartbeat() -> None:
        while not quiet.wait(5):
            if time.monotonic() - last >= 30:
                say(f"    still working, {time.monotonic() - begun:.0f} s")
                quiet.wait(25)

    threading.Thread(target=heartbeat, daemon=True).start()
    kept = []
    try:
        assert process.stdout is not None
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(command)}\n")
            for line in process.stdout:
                log.write(line)
                kept.append(line.rstrip())
                told = line.strip()
                if told.startswith(
                    ("Downloading ", "Building wheel", "Installing collected", "Successfully installed")
                ):
                    say("    " + (told if len(told) <= 100 else told[:97] + "..."))
                    last = time.monotonic()
        code = process.wait()
    finally:
        quiet.set()
        end_tree(process)
    if code != 0:
        raise Stop(
            f"Installing {what} failed: pip ended with exit code {code}. Its last words are below, "
            f"the rest is in {LOG}. Check the network and the space on the disk, then run the same "
            "command again.\n\n" + "\n".join(kept[-25:])
        )


def plain(name: str) -> str:
    """A package's name as the index spells it: PyYAML and pyyaml are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(python: Path) -> dict[str, str]:
    command = [python, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {plain(package["name"]): package["version"] for package in json.loads(listed)}
