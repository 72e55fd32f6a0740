"""The versions in constraints/, which `dev.py lock` writes and everything is installed from."""

from __future__ import annotations

import platform
from pathlib import Path

from devtools.paths import ROOT

# A file for each Python, and one for the newer frontend.
CONSTRAINTS = ROOT / "constraints"
FRONTEND_LOCK = CONSTRAINTS / "frontend.txt"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def lock_file(version: str) -> Path:
    return CONSTRAINTS / f"py{version.replace('.', '')}.txt"


def pins(file: Path) -> dict[str, str]:
    """Version by name; nothing where there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def locked_versions(version: str) -> dict[str, str]:
    """What is locked for a Python on this machine. Intel Macs get no new wheels of torch and others."""
    intel_mac = (platform.system(), platform.machine()) == ("Darwin", "x86_64")
    return {} if intel_mac else pins(lock_file(version))


def as_lines(versions: dict[str, str]) -> str:
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))
