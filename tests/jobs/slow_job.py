"""A job whose reader takes a moment for each page, for the tests to kill.

slow_job.py OUT INPUT PAGES [resume]. After that many pages it waits for its end: a kill that comes late finds
it no further.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vramwise.jobs import JobOptions, run_job
from vramwise.ocr.results.result import OCRResult


class Slow:
    def __init__(self, pages: int) -> None:
        self.left = pages

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        for image in images:
            if not self.left:
                threading.Event().wait()
            self.left -= 1
            time.sleep(0.004)
            text = " ".join(map(str, image[0, 0])) * 400  # long enough to be cut in the middle
            yield OCRResult(text, text, (), 8, 8, "stop", "slow", "none", 0.0)


out, scans, pages = sys.argv[1:4]
run_job([scans], Path(out), Slow(int(pages)), JobOptions("slow"), resume="resume" in sys.argv)
