"""What the machine's owner has decided: config.yaml and the environment, never the workflow.

The file is ``config.yaml`` in the pack's user folder (inside ComfyUI that is ``user/__vramwise``, which the
server does not serve over HTTP), or the file named by ``VRAMWISE_CONFIG``. The environment wins over the
file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import VramwiseError, nearest

CONFIG_NAME = "config.yaml"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


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
class Settings:
    """The machine's decisions. ``origin`` says where they were read, for error messages and reports."""

    allow_downloads: bool = False
    download_mirror: str | None = None
    tessdata_dirs: tuple[Path, ...] = ()
    models_dirs: tuple[Path, ...] = ()
    origin: str = "built-in defaults"
    places: Places = field(default_factory=lambda: default_places())

    @property
    def all_models_dirs(self) -> tuple[Path, ...]:
        """Folders of config.yaml first, then VRAMWISE_MODELS, then the host's own."""
        return (*self.models_dirs, *self.places.models_dirs)

    @property
    def config_path(self) -> Path:
        """The file that a person edits to change these."""
        return self.places.user_dir / CONFIG_NAME

    def command(self, *words: str) -> str:
        """A command line of ours that works where this runs: ``vramwise download eslav`` from a script;
        inside ComfyUI, where nothing is installed, this interpreter, our script and this ComfyUI's models
        folder are spelt out."""
        if not self.places.hosted:
            return " ".join(("vramwise", *words))
        script = Path(__file__).resolve().parents[1] / "scripts" / "vramwise.py"
        return f'"{sys.executable}" "{script}" {" ".join(words)} --models-dir "{self.all_models_dirs[0]}"'


def default_places() -> Places:
    """The per-user folder of this operating system, for scripts and the command line."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    user = base / "vramwise"
    return Places(user_dir=user, models_dirs=(user / "models",))


class _Host:
    """Holds the places the host application (ComfyUI) announced; a script never sets them."""

    places: Places | None = None


def set_places(places: Places) -> None:
    """Called once by the ComfyUI bridge before the first node runs."""
    _Host.places = places


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read config.yaml and the environment.

    Raises VramwiseError when the file cannot be parsed, holds an unknown key (the nearest right one is named)
    or a value of the wrong kind. The file is read at each call, so an edit counts from the next run on.
    """
    places = _Host.places or default_places()
    named = environ.get("VRAMWISE_CONFIG")
    path = Path(named) if named else places.user_dir / CONFIG_NAME
    settings = Settings(places=places)
    if path.is_file():
        settings = _from_mapping(_read_yaml(path), path, settings)
    elif named:
        raise VramwiseError(
            f"VRAMWISE_CONFIG names {path}, but there is no such file. Create it or unset the variable."
        )
    return _from_environment(environ, settings)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise VramwiseError(f"{path} cannot be read as YAML: {error}. Mend or remove the file.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise VramwiseError(
            f"{path} must hold keys and values such as 'allow_downloads: true', not a plain value."
        )
    return data


def _from_mapping(data: dict[str, Any], path: Path, settings: Settings) -> Settings:
    known = ("allow_downloads", "download_mirror", "tessdata_dir", "models_dir")
    for key in data:
        if key not in known:
            raise VramwiseError(
                f'{path} has the unknown key "{key}".{nearest(str(key), known)} '
                f"Known keys: {', '.join(known)}."
            )
    allow = data.get("allow_downloads", settings.allow_downloads)
    if not isinstance(allow, bool):
        raise VramwiseError(f"{path}: allow_downloads must be true or false, not {allow!r}.")
    mirror = data.get("download_mirror", settings.download_mirror)
    return replace(
        settings,
        allow_downloads=allow,
        download_mirror=_mirror(mirror, str(path)),
        tessdata_dirs=_folders(data.get("tessdata_dir"), "tessdata_dir", path),
        models_dirs=_folders(data.get("models_dir"), "models_dir", path),
        origin=str(path),
    )


def _folders(value: Any, key: str, path: Path) -> tuple[Path, ...]:
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item.strip() for item in values):
        raise VramwiseError(f"{path}: {key} must be a folder or a list of folders, not {value!r}.")
    return tuple(Path(item).expanduser() for item in values)


def _mirror(value: Any, origin: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise VramwiseError(f"{origin}: download_mirror must start with https:// or http://, not {value!r}.")
    return value.rstrip("/")


def _from_environment(environ: Mapping[str, str], settings: Settings) -> Settings:
    changes: dict[str, Any] = {}
    allow = environ.get("VRAMWISE_ALLOW_DOWNLOADS")
    if allow is not None:
        if allow.lower() not in _TRUE | _FALSE:
            raise VramwiseError(f"VRAMWISE_ALLOW_DOWNLOADS must be 1 or 0, not {allow!r}.")
        changes["allow_downloads"] = allow.lower() in _TRUE
    if environ.get("VRAMWISE_DOWNLOAD_MIRROR"):
        changes["download_mirror"] = _mirror(environ["VRAMWISE_DOWNLOAD_MIRROR"], "VRAMWISE_DOWNLOAD_MIRROR")
    if environ.get("VRAMWISE_TESSDATA"):
        folders = tuple(Path(p) for p in environ["VRAMWISE_TESSDATA"].split(os.pathsep) if p)
        changes["tessdata_dirs"] = (*settings.tessdata_dirs, *folders)
    if environ.get("VRAMWISE_MODELS"):
        folders = tuple(Path(p) for p in environ["VRAMWISE_MODELS"].split(os.pathsep) if p)
        changes["models_dirs"] = (*settings.models_dirs, *folders)
    return replace(settings, **changes)
