"""The command line without installing anything: python custom_nodes/vramwise/scripts/vramwise.py VERB ...

Loads the core of this folder as `vramwise` and hands over. Same verbs as the installed `vramwise` command.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parents[1] / "core"


def load_core() -> None:
    """Make `vramwise` mean the core beside this script, whatever else is installed."""
    spec = importlib.util.spec_from_file_location(
        "vramwise", CORE / "__init__.py", submodule_search_locations=[str(CORE)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"{CORE} is missing: this script only works inside the VRAMwise folder.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["vramwise"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    try:
        load_core()
        main = importlib.import_module("vramwise.cli").main
    except KeyboardInterrupt:  # Ctrl-C before anything has begun
        sys.exit(130)
    sys.exit(main())
