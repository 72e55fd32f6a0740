"""What can be done about a folder that transformers could not load: damaged files alone are fetched again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path

from ...families.blocks import text_config
from ...shell import pip_line
from ...weights.checkpoint_files import read_config, tensor_index

# What transformers, safetensors and torch say of files that are cut short, mixed up or of another kind.
_DAMAGED = re.compile(
    r"incomplete.?metadata|metadata.?incomplete|header ?too|invalid ?header|deserializ|truncat|corrupt"
    r"|unexpected (eof|end)|not a zip|failed finding central directory|size mismatch|invalid load key"
    r"|file is (empty|too (small|short))|buffer (is too small|size)|could not be parsed|is not a valid json",
    re.IGNORECASE,
)
# What the system says where it could not read whole files: a disk or a share that went away, too many open
# files, too little memory. Rust's libraries write the number (Linux, macOS and Windows) behind the words.
_NOT_READ = re.compile(
    r"os error (?:2|3|5|21|23|24|53|55|59|64|116|121|1117|1231)\b|too many open files|input/output error"
    r"|stale (?:nfs )?file handle|transport endpoint|network (?:path|name)",
    re.IGNORECASE,
)
_DAMAGED_KINDS = (EOFError, JSONDecodeError, UnicodeDecodeError)
_UNKNOWN_CLASS = re.compile(
    r"does not recognize this (architecture|model)|unrecognized (model|configuration)", re.IGNORECASE
)
_NAMED_IN_TEXT = re.compile(r"\bpip\s+install (?:-U |--upgrade )?[`'\"]?([A-Za-z0-9][\w.\[\]-]*)")
# What is installed under another name than it is imported by.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
}


def remedy(error: BaseException) -> str:
    """One sentence: what to do about ``error`` and what it came from, so far as they tell."""
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ImportError):
            return _package(cause)
        if isinstance(cause, PermissionError):
            return "Give this user the right to read the folder's files."
    text = " ".join(str(cause) for cause in causes)
    if _UNKNOWN_CLASS.search(text):
        return f"A newer transformers may know this model: {pip_line('--upgrade', 'transformers')}"
    if _NOT_READ.search(text):
        return (
            "The system could not read the files: look at the disk or the share they are on, and try again."
        )
    if any(_damaged(cause) for cause in causes):
        return "Its files are damaged or not whole: download this one again."
    if (named := _NAMED_IN_TEXT.search(text)) is not None:
        return f"Install what it asks for: {pip_line(named[1])}"
    return "If other folders of this model load, compare its config.json and its list of files with theirs."


def misfit(error: BaseException, path: Path) -> str:
    """Sentences for weights of other shapes than config.json says, of which transformers tells in a table
    that is printed elsewhere; "" for another ``error``.
    """
    if not re.search("ignore_mismatched_sizes|size mismatch for", str(error)):
        return ""
    config = read_config(path)
    told = text_config(config).get("vocab_size", config.get("vocab_size"))
    rows = {one.shape[0] for name, one in tensor_index(path).items() if name.endswith("embed_tokens.weight")}
    if len(rows) == 1 and (found := rows.pop()) != told:
        return (
            f"its word embeddings have {found} rows, and config.json says vocab_size {told}: tokens were "
            f"added after that was written. Set vocab_size to {found}, or save the model again with "
            "save_pretrained()."
        )
    return (
        "its weights are of other shapes than config.json says, so the two are of different models. Copy "
        "config.json from the one that the weights were made from."
    )


def _package(error: ImportError) -> str:
    in_text = _NAMED_IN_TEXT.search(str(error))
    name = (error.name or "").partition(".")[0] or (in_text[1] if in_text else "")
    if not name:
        return "A package is missing or does not fit the others: its name is in the sentence before."
    wanted = pip_line(_DISTRIBUTIONS.get(name, name))
    return f"The files are whole; a package is missing or does not fit the others. Install it with: {wanted}"


def _damaged(error: BaseException) -> bool:
    if isinstance(error, _DAMAGED_KINDS) or type(error).__name__ == "SafetensorError":
        return True
    return isinstance(error, RuntimeError | OSError | ValueError) and _DAMAGED.search(str(error)) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__
