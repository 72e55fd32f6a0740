"""The verb that reads text: ``vramwise ocr FILE...``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..catalog import languages
from ..choices import TASKS
from ..errors import VramwiseError
from ..models import model_ids


def add_verbs(verbs: Any) -> None:
    """Add ``ocr`` to the parser's verbs."""
    ocr = verbs.add_parser("ocr", help="read the text of one or more pictures")
    ocr.add_argument("files", nargs="+", metavar="FILE", help="picture files")
    ocr.add_argument("--model", default="rapid", choices=model_ids(), help="default: %(default)s (built in)")
    ocr.add_argument(
        "--language",
        default="auto",
        metavar="CODE",
        help=f"auto, {', '.join(row.code for row in languages()[:5])}, ru, ...",
    )
    ocr.add_argument("--task", default="text", choices=TASKS)
    ocr.add_argument(
        "--megapixels", type=float, default=0.0, help="scale larger pictures down to this; 0: automatic"
    )
    ocr.add_argument("--json", action="store_true", help="print regions, confidences and notes as JSON")
    ocr.set_defaults(run=_ocr)


def _ocr(arguments: argparse.Namespace) -> int:
    from ..loader import ocr_handle
    from ..ocr.engine import ReadOptions
    from ..ocr.images import load_picture

    if arguments.megapixels < 0:
        raise VramwiseError("--megapixels must be 0 (automatic) or more.")
    handle = ocr_handle(arguments.model)
    options = ReadOptions(
        task=arguments.task,
        language=arguments.language,
        max_pixels=int(arguments.megapixels * 1_000_000) or None,
    )
    several, failed, pages = len(arguments.files) > 1, 0, []
    for name in arguments.files:
        try:
            (result,) = handle.read([load_picture(name)], options)
        except VramwiseError as error:
            print(f"vramwise: {name}: {error}", file=sys.stderr)
            failed += 1
            continue
        for note in result.notes:
            print(f"vramwise: {name}: {note}", file=sys.stderr)
        if arguments.json:
            pages.append({"file": str(Path(name)), **result.to_dict()})
        else:
            print(f"== {name}\n{result.text}\n" if several else result.text)
    if arguments.json:
        print(json.dumps(pages, ensure_ascii=False, indent=2))
    if failed:
        return 3 if failed < len(arguments.files) else 1
    return 0
