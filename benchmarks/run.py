"""python dev.py bench [NAME ...]: measure, compare in the same run with a bare library call, report ratios.

Nothing here is a test: figures depend on the machine. Each bench prints a table and returns its figures,
which are kept in .comfy/bench/<name>.json with the machine they were measured on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / ".comfy" / "bench"
BENCHES = ("import_time", "advice_time", "rapid_speed", "accuracy", "node_overhead")
# Minutes to half an hour each, and gigabytes: only by name.
LONG = (
    "full_width",
    "open_workflow",
    "activations",
    "quality",
    "remote",
    "widgets",
    "fuzz",
    "growth",
    "liars",
    "soak",
    "long_life",
    "latency",
    "reading_memory",
    "real_pictures",
    "turned_pages",
    "tables",
    "confidence",
    "decoding",
    "footprints",
    "gpu",
)
# Benches that take options of their own behind their name.
WITH_OPTIONS = ("real_pictures", "turned_pages", "tables", "footprints", "gpu")


def machine() -> dict[str, object]:
    import psutil

    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": psutil.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__.split("\n")[0])
    known = f"{', '.join(BENCHES)} (all of these without a name); {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    asked, options = parser.parse_known_args()
    names = asked.names or list(BENCHES)
    unknown = [name for name in names if name not in (*BENCHES, *LONG)]
    if unknown:
        parser.error(f"unknown bench {unknown[0]}; known: {', '.join((*BENCHES, *LONG))}")
    if options and (len(names) != 1 or names[0] not in WITH_OPTIONS):
        parser.error(f"unrecognised: {' '.join(options)}. Options go to one of {', '.join(WITH_OPTIONS)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"\n## {name}", flush=True)
        started = time.perf_counter()
        bench = importlib.import_module(f"benchmarks.{name}")
        figures = bench.run(options) if name in WITH_OPTIONS else bench.run()
        record = {"bench": name, "date": time.strftime("%Y-%m-%d"), "machine": machine(), "figures": figures}
        (RESULTS / f"{name}.json").write_text(
            json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
