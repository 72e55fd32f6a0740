"""What the host application (ComfyUI) tells the core once, at set-up: its folders, who knows its memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hardware import HostMemory

MemorySource = Callable[[], "HostMemory"]


@dataclass(frozen=True)
class Places:
    """Where this process may read weights and write its own files.

    ``user_dir`` holds config.yaml; ``models_dirs`` are searched in order, and the first writable one receives
    what ``vramwise download`` fetches. ``checkpoint_dirs`` are further folders in which model folders lie.
    Inside ComfyUI all come from its folder_paths, and ``hosted`` is True.
    """

    user_dir: Path
    models_dirs: tuple[Path, ...]
    checkpoint_dirs: tuple[Path, ...] = ()
    hosted: bool = False


@dataclass(frozen=True)
class HostArchitecture:
    """How the host counts memory for one class of models; None where its version does not say.

    ``factor`` is ComfyUI's memory_usage_factor, ``spatial`` and ``temporal`` the pixels and frames that one
    position of its latent stands for.
    """

    factor: float
    spatial: int | None = None
    temporal: float | None = None


@dataclass(frozen=True)
class HostModels:
    """What the host knows of diffusion models. Nothing is asked before advice is.

    ``architecture`` takes a class of ComfyUI ("WAN21_T2V") and its configuration ({"dim": 5120}) and gives
    None for one that this version does not know; ``files`` are the model files in the host's folders.
    """

    name: str
    architecture: Callable[[str, Mapping[str, int]], HostArchitecture | None]
    files: Callable[[], Iterable[Path]]


def home_folder() -> Path:
    """The person's home; where nobody has one (a container's account, a service's), a folder that is not
    there, as such accounts have it: nothing is found in it, and what cannot be written says so.
    """
    with contextlib.suppress(RuntimeError):
        return Path.home()
    return Path(os.path.abspath(os.sep), "nonexistent")


def default_places() -> Places:
    """The per-user folder of this operating system, for scripts and the command line."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home_folder() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home_folder() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home_folder() / ".config")
    user = base / "vramwise"
    return Places(user_dir=user, models_dirs=(user / "models",))


def without_machine_paths(text: str) -> str:
    """``text`` of ours, for a file or workflow that travels: this machine's folders by their names only."""
    if "/" not in text and "\\" not in text:
        return text
    here = current_places()
    named = {
        Path(sys.executable): "<python>",
        Path(sys.prefix): "<python>",
        Path(__file__).resolve().parents[1]: "<VRAMwise>",
        here.user_dir: "<user folder>",
        **dict.fromkeys((*here.models_dirs, *here.checkpoint_dirs), "<models>"),
        Path.cwd(): "<here>",
    }
    named.setdefault(home_folder(), "<home>")
    for path in sorted(named, key=lambda path: len(path.parts), reverse=True):
        if len(path.parts) > 1:  # a root alone says nothing
            text = text.replace(str(path), named[path]).replace(path.as_posix(), named[path])
    return text


class _Host:
    """What has been announced; a script announces nothing."""

    places: Places | None = None
    memory: MemorySource | None = None
    out_of_memory: Callable[[Exception], bool] | None = None
    models: HostModels | None = None


def set_places(places: Places) -> None:
    """Called once by the ComfyUI bridge before the first node runs."""
    _Host.places = places


def current_places() -> Places:
    """The host's folders, or a script's own."""
    return _Host.places or default_places()


def set_memory_source(source: MemorySource) -> None:
    """Let ``source()`` say what is free and what could be evicted; the host's memory manager knows better."""
    _Host.memory = source


def host_memory() -> HostMemory | None:
    """What the host's memory manager knows now; None in a script."""
    return None if _Host.memory is None else _Host.memory()


def set_host_models(models: HostModels | None) -> None:
    """Let the running host say how it counts, and which model files it has."""
    _Host.models = models


def host_models() -> HostModels | None:
    """What the running host knows of diffusion models; None in a script."""
    return _Host.models


def set_out_of_memory_test(test: Callable[[Exception], bool]) -> None:
    """Let ``test`` say of an error whether memory ran out, where its text alone does not."""
    _Host.out_of_memory = test


def host_calls_it_out_of_memory(error: Exception) -> bool:
    """What the host says of ``error``; False in a script, and where the host's test itself fails."""
    if _Host.out_of_memory is None:
        return False
    try:
        return bool(_Host.out_of_memory(error))
    except Exception:
        return False
