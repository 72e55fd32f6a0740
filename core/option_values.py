"""The words a person can choose from, without anything that is heavy to import."""

from __future__ import annotations

from collections.abc import Iterable

from .catalog.precisions import precisions
from .catalog.words import said
from .errors import UnknownName, nearest

DEFAULT_MODEL = "rapid"
CPU_ENGINES = ("rapid", "tesseract")
KERNELS = ("flash_attention_2", "sdpa", "eager")
ATTENTIONS = ("auto", *KERNELS)
# What advice can be about: OCR, what a model makes, the choice of a card. New ones come last.
ADVICE_TASKS = ("all", "OCR", "image", "image edit", "video", "which GPU", "upscaling", "audio", "3d")
READING_TASKS = ("text", "markdown", "table", "formula", "layout", "spotting")
# What a model that follows instructions is asked: by the person's words, or by a preset of presets.csv.
ASKING_TASKS = ("custom", "caption_short", "caption_long", "tags", "json")
TASKS = (*READING_TASKS, "custom", "chart", "seal", *ASKING_TASKS[1:])
TALKING_TASKS = ("custom", "json")  # these may follow on a conversation
MOST_TOGETHER = 32  # pictures of one question
MOST_TEMPERATURE, MOST_SEED = 2.0, 2**64 - 1
# Who finds what a vision-language model reads: itself, the built-in engine, or a layout net (layout).
HYBRID = ("off", "lines", "paragraphs", "layout")
# OCR Inference: how lines run; vertical is columns from right to left.
READING_DIRECTIONS = ("auto", "horizontal", "vertical")
# OCR Score: how texts are compared.
UNICODE = ("NFKC", "NFC")
CASE = ("exact", "ignore")
PUNCTUATION = ("exact", "ignore")
SPACE = ("fold", "ignore", "exact")
METRICS = ("cer", "wer")
EXPECTED_FROM = ("the whole text", "quoted parts")
EXPECTED_FOR = ("all images", "one line each")
# Text Mask and Crop Regions: what counts as found, and what of it is covered.
MATCHES = ("case_insensitive", "exact", "regex", "fuzzy", "everything")
SHAPES = ("words", "line", "box")
COMBINE = ("page", "line", "match")
NOTHING_TO_COVER = ("empty mask", "error")
NOTHING_TO_CROP = ("error", "skip what follows")
# Load Pages and Save Text.
ON_BROKEN = ("skip", "stop")
FRAMES = ("first", "all")  # of a picture that moves
TEXT_FORMATS = ("txt", "md", "json", "pdf", "xlsx", "csv")
WHOLE_DOCUMENTS = ("pdf", "xlsx")  # one file for all pages of a document; the others are one a page
IF_EXISTS = ("number on", "overwrite")
# Draw Text.
ALIGNMENTS = ("center", "left", "right")
DIRECTIONS = ("auto", "horizontal", "vertical", "right-to-left")
BACKGROUNDS = ("keep", "fill")
TOO_LONG = ("shrink", "error")
# Memory Release.
RELEASE = ("ocr models", "all models", "cache")


def precision_choices() -> tuple[str, ...]:
    """auto, and every precision of the catalog that is offered on any device."""
    return ("auto", *(row.id for row in precisions() if row.offered == "always"))


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise UnknownName when ``value`` is none of ``known``."""
    known = list(known)
    if value not in known:
        raise UnknownName(
            said("error_word", name=name, value=value, near=nearest(value, known), known=", ".join(known))
        )
