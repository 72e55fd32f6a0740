"""A PDF of a thousand pages at 150 DPI, in a process of its own: memory stays that of a few pages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.write_pdf import write_pdf

ROOT = Path(__file__).resolve().parents[2]
LIMIT_BYTES = 600 * 1024**2

# Reads every page, once as arrays and once as the list of tensors that ComfyUI keeps; of each it keeps
# a small part, as a node behind Load Pages would.
CHILD = """
import importlib.util, json, sys
from pathlib import Path
import psutil, torch
from vramwise.documents.pages import open_book

spec = importlib.util.spec_from_file_location("lazy", sys.argv[2])
lazy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
torch.set_num_threads(1)
process = psutil.Process()
next(iter(open_book(Path(sys.argv[1]), "1")))  # pdfium and NumPy are there before the count begins
start = process.memory_info().rss
peaks = {}
for kind in ("arrays", "tensors"):
    book, kept, peak = open_book(Path(sys.argv[1])), [], 0
    pages = lazy.page_images(book) if kind == "tensors" else (picture for _, picture in book)
    for page in pages:
        kept.append(page[0, ::400, ::400].clone() if kind == "tensors" else page[::400, ::400].copy())
        peak = max(peak, process.memory_info().rss - start)
    peaks[kind] = [len(kept), peak]
print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_a_thousand_pages_stay_within_600_mib_of_the_start(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(write_pdf([f"Page {at + 1}" for at in range(1000)]))
    command = [sys.executable, "-c", CHILD, str(path), str(ROOT / "nodes" / "bridge" / "lazy_image.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    for kind, (count, peak) in json.loads(done.stdout).items():
        print(f"{kind}: {peak / 1024**2:.0f} MiB over the start")
        assert count == 1000
        assert peak < LIMIT_BYTES
