"""What this machine has and which models fit: python custom_nodes/vramwise/scripts/check_gpu.py [--lang ru].

The same as `vramwise check-gpu`, without installing anything.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # By path: the embedded Python of portable ComfyUI does not look beside the script.
    runpy.run_path(str(Path(__file__).with_name("vramwise.py")))["load_core"]()
    sys.exit(importlib.import_module("vramwise.cli").main(["check-gpu", *sys.argv[1:]]))
