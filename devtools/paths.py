"""Where dev.py puts things. Standard library only, as all that it needs before .venv is there."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
INSIDE = "Scripts/python.exe" if os.name == "nt" else "bin/python"
PYTHON = VENV / INSIDE
COMFY = ROOT / ".comfy"
CHECKOUT = COMFY / "ComfyUI"
