"""A job whose reader takes a moment for each page, for the tests to kill: slow_job.py OUT INPUT [resume]."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vramwise.jobs import JobOptions, run_job
from vramwise.ocr.results.result import OCRResult


class Slow:
    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[OCRResult]:
        for image in images:
            time.sleep(0.004)
            text = " ".join(map(str, image[0, 0])) * 400  # long enough to be cut in the middle
            yield OCRResult(text, text, (), 8, 8, "stop", "slow", "none", 0.0)


run_job([sys.argv[2]], Path(sys.argv[1]), Slow(), JobOptions("slow"), resume="resume" in sys.argv)
