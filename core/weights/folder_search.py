"""Where model folders may lie on this machine, and by which names: nothing in them is judged here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..settings import Settings
from .checkpoint_files import CONFIG, names_in
from .lora_folders import ADAPTER_CONFIG

QUANTISED = "vramwise_quantised"
SUBFOLDERS = ("LLM", "prompt_generator")
_TELLING = (CONFIG, ADAPTER_CONFIG)


def huggingface_cache() -> Path:
    """The folder of the Hugging Face cache, found as huggingface_hub finds it, without importing it."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface"
    )
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expanduser(os.path.expandvars(named or os.path.join(home, "hub"))))


def searched_model_folders(settings: Settings) -> list[Path]:
    """Folders in which checkpoints are looked for, two levels deep, best first; last the Hugging Face cache.

    For each models folder of config.yaml, VRAMWISE_MODELS and the host: the folder itself, ``LLM`` and
    ``prompt_generator`` in it; then the ``checkpoint_dirs`` that the host registered.
    """
    own = [
        folder for base in settings.all_models_dirs for folder in (base, *(base / sub for sub in SUBFOLDERS))
    ]
    return list(dict.fromkeys([*own, *settings.places.checkpoint_dirs, huggingface_cache()]))


def model_folders(settings: Settings, pinned: str = "") -> Iterator[tuple[Path, str]]:
    """Every folder with config.json or an adapter's, two levels below the searched ones, and its name; each
    folder once.

    A folder of the Hugging Face cache's layout stands for its snapshots: the pinned, refs/main's, others.
    """
    seen: set[Path] = set()
    for root in searched_model_folders(settings):
        for folder in _subfolders(root):
            inner = [] if _is_cached_repo(folder) else _subfolders(folder)
            for place in (folder, *inner):
                for candidate in _snapshots(place, pinned) if _is_cached_repo(place) else [place]:
                    if candidate not in seen and any(_is_file(candidate / one) for one in _TELLING):
                        seen.add(candidate)
                        name = place.name.rsplit("--", 1)[-1] if _is_cached_repo(place) else candidate.name
                        yield candidate, name


def _subfolders(folder: Path) -> list[Path]:
    """Folders in ``folder`` by name; an unreadable one has none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if entry.name != QUANTISED and not entry.name.startswith(".") and _is_folder(entry)
            )
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether ``entry`` is one; a link that leads in a circle is not, and stops no list."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    """Whether there is such a file, or something by that name that may not be looked at."""
    try:
        return path.exists()
    except OSError:
        return True


def _is_cached_repo(folder: Path) -> bool:
    try:
        return folder.name.startswith("models--") and (folder / "snapshots").is_dir()
    except OSError:
        return False


def _snapshots(repo: Path, pinned: str) -> list[Path]:
    try:
        main = (repo / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    return sorted(
        _subfolders(repo / "snapshots"), key=lambda snapshot: (snapshot.name != pinned, snapshot.name != main)
    )


def gguf_named(wanted: set[str], roots: list[Path]) -> Path | None:
    """A .gguf file whose own or whose folder's name begins with a wanted one."""
    for root in roots:
        for folder in (root, *(folder for top in _subfolders(root) for folder in (top, *_subfolders(top)))):
            for file in sorted(name for name in names_in(folder) if name.lower().endswith(".gguf")):
                if file.lower().startswith("mmproj"):
                    continue
                if any(plain_name(name).startswith(tuple(wanted)) for name in (file, folder.name)):
                    return folder / file
    return None


def plain_name(name: str) -> str:
    """Letters and digits only: ModelScope and other packs write ``dots___ocr``, ``DotsOCR``, ``org_repo``."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def spellings(repo: str) -> set[str]:
    """``_plain`` forms under which the folder of ``repo`` may lie: repo, org--repo, models--org--repo."""
    name = repo.rsplit("/", 1)[-1]
    return {plain_name(name), plain_name(repo), plain_name(f"models{repo}")}


def printable(name: str) -> bool:
    """Whether a list, a workflow and a terminal can hold ``name``: no control characters, valid Unicode."""
    return name.isprintable() and not any("\ud800" <= letter <= "\udfff" for letter in name)


def shown(text: str) -> str:
    """``text`` with what is not printable as escapes."""
    if printable(text):
        return text
    return "".join(one if printable(one) else ascii(one)[1:-1] for one in text)
