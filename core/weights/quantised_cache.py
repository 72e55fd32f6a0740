"""Quantised weights kept on disk, so that the second load need not quantise again.

Off until the machine's setting switches it on: it costs gigabytes. One folder for each checkpoint, precision
and set of library versions, under ``vramwise_quantised`` in the first writable models folder. Its fingerprint
says what it was made of; one that is stale, damaged or not finished is never used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from ..atomic_files import move_into_place, remove_folder
from ..errors import VramwiseError
from ..settings import Settings
from ..units import MIB, gb_text
from .checkpoint_files import CONFIG, read_record, verify
from .checkpoints import Checkpoint
from .folder_search import QUANTISED
from .locks import only_writer
from .writable import NoFolder, first_writable

log = logging.getLogger("vramwise.weights")
FORMAT = 1
MARKER = "complete.json"
SPARE_BYTES = 256 * MIB
LIBRARIES = ("transformers", "bitsandbytes", "torch")
DIGITS = 12
# Up to this size a weight file is compared whole, beyond it by samples: SHA-256 runs at 0.5 to 2 GB/s on one
# core, and hashing gigabytes would cost the seconds that the cache is there to save.
WHOLE_BYTES = 64 << 20
SAMPLE_BYTES, SAMPLE_EVERY = 1 << 14, 4 << 20
CLOCK_NS = 2_000_000_000  # FAT keeps times to two seconds
# Two installations with other library versions may share a models folder, so an entry of another version is
# not removed at once.
UNUSED_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class CacheEntry:
    """One cached checkpoint. ``bytes`` on disk; ``created`` in ISO 8601, UTC; empty where nothing says it."""

    name: str
    precision: str
    bytes: int
    path: Path
    created: str


def fingerprint(checkpoint: Checkpoint, precision: str, quantise_vision: bool) -> str:
    """SHA-256 (hexadecimal) over all that the quantised weights depend on.

    Source files (name, size, time of change, SHA-256 of the safetensors header), config.json, precision, what
    is quantised, library versions (major.minor) and our own format number. Raises VramwiseError when a source
    file cannot be read.
    """
    versions = {name: _version(name) for name in LIBRARIES}
    return _digest([FORMAT, _sources(checkpoint), precision, quantise_vision, versions])


def _sources(checkpoint: Checkpoint) -> str:
    try:
        files = [
            (file.name, file.stat().st_size, file.stat().st_mtime_ns, _header_digest(file))
            for file in checkpoint.weight_files
        ]
        config = hashlib.sha256((checkpoint.path / CONFIG).read_bytes()).hexdigest()
    except OSError as error:
        raise VramwiseError(
            f"The weights in {checkpoint.path} cannot be read: {error.strerror or error}."
        ) from error
    return _digest([files, config])


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def folder_name(checkpoint: Checkpoint, precision: str, quantise_vision: bool) -> str:
    """``<name>-<precision>-<first 12 digits of the fingerprint>``, safe as a file name everywhere."""
    safe = re.sub(r"[^\w.-]+", "_", checkpoint.name).strip("._") or "model"
    return f"{safe}-{precision}-{fingerprint(checkpoint, precision, quantise_vision)[:DIGITS]}"


def cached(
    settings: Settings, checkpoint: Checkpoint, precision: str, quantise_vision: bool = False
) -> Path | None:
    """The verified folder of these quantised weights, or None: not cached, or the cache is switched off.

    On the way a damaged entry is removed, and so are those that other files of this checkpoint's folder gave,
    and those of other library versions that nobody has used for 30 days.
    """
    if not settings.quantised_cache:
        return None
    wanted = fingerprint(checkpoint, precision, quantise_vision)
    name = folder_name(checkpoint, precision, quantise_vision)
    found = None
    for entry in _entry_folders(settings):
        marker = _marker(entry)
        if entry.name == name and found is None and marker.get("fingerprint") == wanted:
            if _is_whole(entry, marker):
                found = entry
                with contextlib.suppress(OSError):
                    os.utime(entry / MARKER)
                continue
        elif entry.name != name and not _is_stale(entry, marker, checkpoint):
            continue
        log.warning("the quantised weights in %s are damaged or out of date: removing them", entry)
        shutil.rmtree(entry, ignore_errors=True)
    return found


def store(
    settings: Settings,
    checkpoint: Checkpoint,
    precision: str,
    quantise_vision: bool,
    save: Callable[[Path], None],
    expected_bytes: int = 0,
) -> Path:
    """Keep what ``save(folder)`` writes and return its final folder; one that is already there is returned.

    The folder gets its name when all of it is on the disk, so a crash leaves nothing that could be taken for
    whole. ``expected_bytes`` (the plan's weights) is checked against the free disk first. Raises
    VramwiseError when the cache is off, another process writes it, the disk is full or ``save`` leaves no
    weights; whatever else ``save`` raises passes through.
    """
    if not settings.quantised_cache:
        raise VramwiseError(
            "The cache of quantised weights is off: set quantised_cache: true in config.yaml."
        )
    present = cached(settings, checkpoint, precision, quantise_vision)
    if present is not None:
        return present
    base = _folder_to_write(settings)
    _check_disk(base, expected_bytes)
    wanted = fingerprint(checkpoint, precision, quantise_vision)
    target = base / folder_name(checkpoint, precision, quantise_vision)
    with only_writer(base / f".{target.name}.lock", str(target)):
        building = base / f".{target.name}.building"
        shutil.rmtree(building, ignore_errors=True)  # left by a process that was killed
        try:
            building.mkdir()
            save(building)
            if fingerprint(checkpoint, precision, quantise_vision) != wanted:
                raise VramwiseError(f"{checkpoint.path} was changed while it was read: nothing was kept.")
            _finish(building, checkpoint, precision, quantise_vision, wanted)
            if target.exists():
                remove_folder(target)
            move_into_place(building, target)
        except Exception as error:
            why = _disk_reason(error)
            if why is None:
                raise
            raise VramwiseError(
                f"The quantised weights could not be kept in {base}: {why}. The model itself is not affected."
            ) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return target


def _disk_reason(error: Exception) -> str | None:
    """What the disk said, None where it was not the disk. safetensors has an exception of its own for it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = re.search(r"I/O error: (.+?) \(os error", str(error))
    return said[1] if said else None


def entries(settings: Settings) -> list[CacheEntry]:
    """What is cached, in every models folder, whether or not the cache is switched on now; by name."""
    found = []
    for folder in _entry_folders(settings):
        marker = _marker(folder)
        found.append(
            CacheEntry(
                name=str(marker.get("name", folder.name)),
                precision=str(marker.get("precision", "")),
                bytes=_bytes_in(folder),
                path=folder,
                created=str(marker.get("created", "")),
            )
        )
    return sorted(found, key=lambda entry: (entry.name.casefold(), entry.precision, str(entry.path)))


def clear(settings: Settings) -> int:
    """Remove every cached entry and what crashes have left; the bytes that were freed."""
    freed = 0
    for base in _bases(settings):
        for folder in _subfolders(base, hidden=True):
            size = _bytes_in(folder)
            try:
                remove_folder(folder)
            except OSError as error:
                raise VramwiseError(
                    f"{folder} cannot be removed: {error.strerror or error}. It may be in use: free the "
                    "model first, then clear the cache again."
                ) from error
            freed += size
    return freed


def _is_stale(entry: Path, marker: dict[str, Any], checkpoint: Checkpoint) -> bool:
    """True for an entry that files no longer there gave, or other library versions and long ago."""
    if marker.get("source") != str(checkpoint.path):
        return False
    if marker.get("sources") != _sources(checkpoint):
        return True
    versions = {name: _version(name) for name in LIBRARIES}
    used = (entry / MARKER).stat().st_mtime
    return marker.get("versions") != versions and time.time() - used > UNUSED_SECONDS


def _finish(
    folder: Path, checkpoint: Checkpoint, precision: str, quantise_vision: bool, fingerprinted: str
) -> None:
    """Check what was saved and write the marker that makes the entry count, durably."""
    verify(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    marker: dict[str, Any] = {
        "format": FORMAT,
        "name": checkpoint.name,
        "source": str(checkpoint.path),
        "precision": precision,
        "quantise_vision": quantise_vision,
        "sources": _sources(checkpoint),
        "fingerprint": fingerprinted,
        "versions": {name: _version(name) for name in LIBRARIES},
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for file in files:
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
    marker["files"] = {file.relative_to(folder).as_posix(): _described(file) for file in files}
    with (folder / MARKER).open("w", encoding="utf-8") as stream:
        json.dump(marker, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def _described(file: Path) -> dict[str, Any]:
    """What is compared before an entry is used: size, time of change and content (sampled in large files)."""
    stat = file.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _content_digest(file, stat.st_size)}


def _is_whole(folder: Path, marker: dict[str, Any]) -> bool:
    files = marker.get("files")
    if marker.get("format") != FORMAT or not isinstance(files, dict) or not files:
        return False
    try:
        for name, told in files.items():
            now = _described(folder / name)
            if abs(now.pop("mtime_ns") - told.pop("mtime_ns")) > CLOCK_NS or now != told:
                return False
        verify(folder)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, VramwiseError):
        return False
    return True


def _header_digest(file: Path) -> str:
    """SHA-256 of a safetensors file's header, its length field included."""
    with file.open("rb") as stream:
        start = stream.read(8)
        length = min(int.from_bytes(start, "little"), file.stat().st_size)
        return hashlib.sha256(start + stream.read(length)).hexdigest()


def _content_digest(file: Path, size: int) -> str:
    """SHA-256 of a file; of one over 64 MiB its header, and 16 KiB in every 4 MiB and of its end."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        if size <= WHOLE_BYTES:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
            return digest.hexdigest()
        digest.update(_header_digest(file).encode())
        for start in [*range(0, size, SAMPLE_EVERY), max(0, size - SAMPLE_BYTES)]:
            stream.seek(start)
            digest.update(stream.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _marker(folder: Path) -> dict[str, Any]:
    return read_record(folder / MARKER)


def _bases(settings: Settings) -> list[Path]:
    return list(dict.fromkeys(folder / QUANTISED for folder in settings.all_models_dirs))


def _entry_folders(settings: Settings) -> list[Path]:
    return [folder for base in _bases(settings) for folder in _subfolders(base)]


def _subfolders(folder: Path, hidden: bool = False) -> list[Path]:
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if entry.is_dir() and (hidden or not entry.name.startswith("."))
        )
    except OSError:
        return []


def _folder_to_write(settings: Settings) -> Path:
    try:
        return first_writable(_bases(settings))
    except NoFolder as tried:
        raise VramwiseError(
            f"There is no folder for the cache of quantised weights: {tried}. Name one as models_dir in "
            "config.yaml, or switch quantised_cache off."
        ) from None


def _check_disk(base: Path, need: int) -> None:
    free = shutil.disk_usage(base).free
    if need + SPARE_BYTES > free:
        raise VramwiseError(
            f"{base} has {gb_text(free)} free, and the quantised weights need {gb_text(need)} and "
            f"{gb_text(SPARE_BYTES)} of room beside them. Free some space (`vramwise cache list` "
            "shows what is cached), or switch quantised_cache off."
        )


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _version(library: str) -> str:
    """Major and minor version, or "" where it is not installed."""
    try:
        found = re.match(r"\d+(\.\d+)?", metadata.version(library))
    except metadata.PackageNotFoundError:
        return ""
    return found.group() if found else ""
