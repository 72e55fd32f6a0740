"""Time the OCR node spends outside the engine (tensors, masks, overlay, JSON) as a share of the engine
call.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import sys
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = 30


def run() -> dict[str, Any]:
    ocr_node, images = _in_process_pack()
    for image in images[:6]:
        ocr_node.execute(image)
    shares, engine_ms, outside_ms = [], [], []
    for index in range(PAGES):
        image = images[index % len(images)]
        started = time.perf_counter()
        output = ocr_node.execute(image)
        total = time.perf_counter() - started
        engine = sum(record["seconds"] for record in output.ui["ocr"])
        shares.append((total - engine) / engine)
        engine_ms.append(1000 * engine)
        outside_ms.append(1000 * (total - engine))
    figures = {
        "pages": PAGES,
        "engine_ms_median": round(statistics.median(engine_ms), 1),
        "outside_ms_median": round(statistics.median(outside_ms), 1),
        "outside_percent_median": round(100 * statistics.median(shares), 2),
    }
    print(
        f"engine {figures['engine_ms_median']} ms, outside it {figures['outside_ms_median']} ms a page: "
        f"{figures['outside_percent_median']} % (median of {PAGES} pages)"
    )
    return figures


def _in_process_pack() -> tuple[Any, list[Any]]:
    """The OCR node and the accuracy pages as IMAGE tensors, with ComfyUI's own modules on the CPU."""
    sys.path.insert(0, str(ROOT / ".comfy" / "ComfyUI"))
    options = importlib.import_module("comfy.cli_args")
    options.args.cpu = True
    spec = importlib.util.spec_from_file_location(
        "vramwise_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec and spec.loader
    pack = importlib.util.module_from_spec(spec)
    sys.modules["vramwise_pack"] = pack
    spec.loader.exec_module(pack)
    node = importlib.import_module("vramwise_pack.nodes.ocr").OCR
    node.hidden = types.SimpleNamespace(unique_id=None)  # what ComfyUI fills in for a running node
    load = importlib.import_module("vramwise_pack.core.ocr.images").load_picture
    torch = importlib.import_module("torch")
    pages = importlib.import_module("benchmarks.pages").true_pages("accuracy")
    images = [
        torch.from_numpy(load(page.path).copy()).float().div(255).unsqueeze(0)
        for page in pages
        if page.language in ("en", "zh")
    ]
    return node, images
