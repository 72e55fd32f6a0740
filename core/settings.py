"""What the machine's owner has decided: config.yaml and the environment, never the workflow.

The file is ``config.yaml`` in the pack's user folder (inside ComfyUI that is ``user/__vramwise``, which the
server does not serve over HTTP), or the file named by ``VRAMWISE_CONFIG``. The environment wins over the
file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import VramwiseError, nearest
from .host import Places, current_places, default_places
from .shell import own_line

CONFIG_NAME = "config.yaml"
DOWNLOAD_SOURCES = ("huggingface", "modelscope")
PICTURES = ("png", "jpeg")
MAX_CONCURRENCY = 256
MOST_BYTES = 64_000  # of config.yaml: PyYAML takes a second for that much
MOST_BRACKETS = 500  # in it: for those that lie in each other PyYAML takes the square of their number
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class ModelSettings:
    """Defaults of one model, from ``models: <id>:`` in config.yaml; None where the file says nothing."""

    precision: str | None = None
    use_flash_attention: bool | None = None
    attention: str | None = None
    quantise_vision: bool | None = None
    fast_decode: bool | None = None


@dataclass(frozen=True)
class EndpointSettings:
    """A server elsewhere, from ``endpoints: <name>:`` in config.yaml.

    ``key_env`` names the environment variable that holds the key; the key itself is never in the file.
    ``concurrency`` is pages in flight over all ``urls``, ``pictures`` what they are sent as.
    """

    urls: tuple[str, ...]
    key_env: str = ""
    model: str = ""
    family: str = "auto"
    concurrency: int = 8
    pictures: str = "png"


@dataclass(frozen=True)
class MemoryByHand:
    """What a person says of a device's memory, from ``memory: <device>:`` in config.yaml: all of it, and what
    is kept back from models; None where the file says nothing.
    """

    total_gib: float | None = None
    reserve_gib: float | None = None

    def text(self) -> str:
        """What was set, in the file's own words."""
        named = {"total_gib": self.total_gib, "reserve_gib": self.reserve_gib}
        return ", ".join(f"{name} {size:g}" for name, size in named.items() if size is not None)


@dataclass(frozen=True)
class Settings:
    """The machine's decisions. ``origin`` says where they were read, for error messages and reports.

    ``allow_downloads`` is for what a reading turns out to need, ``download_button`` for what a person asks
    for in the browser. With ``learn_peaks`` what ComfyUI's sampling takes is remembered. ``allowed_hosts``
    are further names by which browsers reach this machine.
    """

    allow_downloads: bool = False
    download_button: bool = True
    download_mirror: str | None = None
    tessdata_dirs: tuple[Path, ...] = ()
    models_dirs: tuple[Path, ...] = ()
    download_source: str = "huggingface"
    quantised_cache: bool = False
    learn_peaks: bool = True
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    endpoints: Mapping[str, EndpointSettings] = field(default_factory=dict)
    memory: Mapping[str, MemoryByHand] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()
    origin: str = "built-in defaults"
    places: Places = field(default_factory=default_places)

    @property
    def all_models_dirs(self) -> tuple[Path, ...]:
        """Folders of config.yaml first, then VRAMWISE_MODELS, then the host's own."""
        return (*self.models_dirs, *self.places.models_dirs)

    @property
    def config_path(self) -> Path:
        """The file that a person edits to change these."""
        return self.places.user_dir / CONFIG_NAME

    def command(self, *words: str) -> str:
        """A command line of ours that works where this runs (core.shell.own_line); inside ComfyUI with this
        ComfyUI's models folder."""
        if not self.places.hosted:
            return own_line(*words)
        return own_line(*words, "--models-dir", self.all_models_dirs[0], hosted=True)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read config.yaml and the environment.

    Raises VramwiseError when the file cannot be parsed, holds an unknown key (the nearest right one is named)
    or a value of the wrong kind. The file is read at each call, so an edit counts from the next run on.
    """
    here = current_places()
    named = environ.get("VRAMWISE_CONFIG")
    path = Path(named) if named else here.user_dir / CONFIG_NAME
    settings = Settings(places=here)
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
        if (size := path.stat().st_size) > MOST_BYTES:
            raise VramwiseError(
                f"{path} has {size:,} bytes, and no configuration needs more than {MOST_BYTES:,}. "
                "Mend or remove the file."
            )
        text = path.read_text(encoding="utf-8")
        if text.count("[") + text.count("{") > MOST_BRACKETS:
            raise VramwiseError(
                f"{path} has more than {MOST_BRACKETS} brackets. Write lists with a value a line instead."
            )
        # An alias (*name) may stand for all before it, so that ten lines become a thousand million values
        # wherever they are printed. Nothing here needs one.
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise VramwiseError(f"{path} has an alias (*name) in it. Write the value itself in its place.")
        data = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise VramwiseError(
            f"{path} is not written in UTF-8 (byte {error.start + 1} is none of it). Save it as UTF-8."
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise VramwiseError(f"{path} cannot be read as YAML: {error}. Mend or remove the file.") from error
    except (RecursionError, ValueError) as error:  # lists in lists; a date that is none, 5,000 digits
        raise VramwiseError(
            f"{path} cannot be read as YAML: it is nested too deeply or holds a value that is none "
            f"({str(error)[:80]}). Mend or remove the file."
        ) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise VramwiseError(
            f"{path} must hold keys and values such as 'allow_downloads: true', not a plain value."
        )
    return data


def _from_mapping(data: dict[str, Any], path: Path, settings: Settings) -> Settings:
    _refuse_unknown(data, _KEYS, str(path))
    mirror = data.get("download_mirror", settings.download_mirror)
    source = data.get("download_source", settings.download_source)
    if source not in DOWNLOAD_SOURCES:
        raise VramwiseError(
            f"{path}: download_source must be one of {', '.join(DOWNLOAD_SOURCES)}, not {source!r}."
        )
    return replace(
        settings,
        allow_downloads=_switch(data, "allow_downloads", settings.allow_downloads, path),
        download_button=_switch(data, "download_button", settings.download_button, path),
        quantised_cache=_switch(data, "quantised_cache", settings.quantised_cache, path),
        learn_peaks=_switch(data, "learn_peaks", settings.learn_peaks, path),
        download_source=source,
        models=_models(data.get("models"), path),
        endpoints=_endpoints(data.get("endpoints"), path),
        memory=_memory(data.get("memory"), path),
        download_mirror=_mirror(mirror, str(path)),
        tessdata_dirs=_folders(data.get("tessdata_dir"), "tessdata_dir", path),
        models_dirs=_folders(data.get("models_dir"), "models_dir", path),
        allowed_hosts=_names(data.get("allowed_hosts"), "allowed_hosts", path),
        origin=str(path),
    )


_KEYS = (
    "allow_downloads",
    "allowed_hosts",
    "download_button",
    "download_mirror",
    "download_source",
    "endpoints",
    "learn_peaks",
    "memory",
    "models",
    "models_dir",
    "quantised_cache",
    "tessdata_dir",
)


def _refuse_unknown(data: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            raise VramwiseError(
                f'{where} has the unknown key "{key}".{nearest(str(key), known)} '
                f"Known keys: {', '.join(known)}."
            )


def _switch(data: Mapping[str, Any], key: str, default: bool, path: Path) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise VramwiseError(f"{path}: {key} must be true or false, not {value!r}.")
    return value


def _models(value: Any, path: Path) -> dict[str, ModelSettings]:
    """The ``models:`` section: "
    "``{model id: {precision, use_flash_attention, attention, quantise_vision, fast_decode}}``."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(section, dict) for section in value.values()):
        raise VramwiseError(
            f"{path}: models must hold model names, each with keys such as 'precision: int8' below it."
        )
    known = tuple(key.name for key in fields(ModelSettings))
    found: dict[str, ModelSettings] = {}
    for name, section in value.items():
        _refuse_unknown(section, known, f"{path}: models: {name}:")
        for key in ("precision", "attention"):
            if key in section and not isinstance(section[key], str):
                raise VramwiseError(f"{path}: models: {name}: {key} must be a word, not {section[key]!r}.")
        for key in ("use_flash_attention", "quantise_vision", "fast_decode"):
            if key in section:
                _switch(section, key, False, path)
        found[str(name)] = ModelSettings(**section)
    return found


def _memory(value: Any, path: Path) -> dict[str, MemoryByHand]:
    """The ``memory:`` section: ``{device: {total_gib, reserve_gib}}``. Whether the device is here is for the
    probe to say.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(section, dict) for section in value.values()):
        raise VramwiseError(
            f"{path}: memory must hold devices such as cuda:0, each with keys such as 'total_gib: 96' below "
            "it."
        )
    found: dict[str, MemoryByHand] = {}
    for name, section in value.items():
        device = _device_id(name, path)
        if device in found:
            raise VramwiseError(f"{path}: memory names {device} twice. Keep one of the two.")
        found[device] = _by_hand(section, f"{path}: memory: {name}:")
    return found


_KINDS = ("cuda", "xpu", "mps", "cpu")
_MOST_GIB = 65_536


def _device_id(name: Any, path: Path) -> str:
    """``name`` as reports spell it: "cuda" is the first card."""
    kind, _, index = str(name).strip().lower().partition(":")
    if kind in ("mps", "cpu") and index in ("", "0"):
        return kind
    if kind in ("cuda", "xpu") and (index or "0").isdecimal():
        return f"{kind}:{int(index or 0)}"
    raise VramwiseError(
        f'{path}: memory: "{name}" is no device.{nearest(kind, _KINDS)} Name it as `vramwise check-gpu` '
        "does: cuda:0, xpu:0, mps or cpu."
    )


def _by_hand(section: dict[str, Any], where: str) -> MemoryByHand:
    _refuse_unknown(section, tuple(key.name for key in fields(MemoryByHand)), where)
    if not section:
        raise VramwiseError(f"{where} says nothing. Give it total_gib, reserve_gib or both, or remove it.")
    for key, least in (("total_gib", 0), ("reserve_gib", -1)):
        size: Any = section.get(key)
        number = isinstance(size, int | float) and not isinstance(size, bool)
        if key in section and not (number and least < size <= _MOST_GIB and size >= 0):
            above = "more than 0" if least == 0 else "0 or more"
            raise VramwiseError(
                f"{where} {key} must be a number of GiB such as 12.5, {above} and at most {_MOST_GIB}, not "
                f"{size!r}."
            )
    made = MemoryByHand(**section)
    if made.total_gib is not None and made.reserve_gib is not None and made.reserve_gib >= made.total_gib:
        raise VramwiseError(
            f"{where} reserve_gib {made.reserve_gib:g} leaves nothing of total_gib {made.total_gib:g}. "
            "Keep less back."
        )
    return made


def _endpoints(value: Any, path: Path) -> dict[str, EndpointSettings]:
    """The ``endpoints:`` section: ``{name: {urls, key_env, model, family, concurrency, pictures}}``. What the
    addresses may be is decided where they are used.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(section, dict) for section in value.values()):
        raise VramwiseError(
            f"{path}: endpoints must hold names, each with keys such as 'urls: [http://gpu1:8000]' below it."
        )
    known = tuple(key.name for key in fields(EndpointSettings))
    return {
        str(name): _endpoint(section, f"{path}: endpoints: {name}:", known) for name, section in value.items()
    }


def _endpoint(section: dict[str, Any], where: str, known: tuple[str, ...]) -> EndpointSettings:
    _refuse_unknown(section, known, where)
    urls = section.get("urls")
    several = [urls] if isinstance(urls, str) else urls
    if not isinstance(several, list) or not several or not all(isinstance(url, str) for url in several):
        raise VramwiseError(f"{where} urls must be an address or a list of addresses, not {urls!r}.")
    for key in ("key_env", "model", "family"):
        if not isinstance(section.get(key, ""), str):
            raise VramwiseError(f"{where} {key} must be a word, not {section[key]!r}.")
    count = section.get("concurrency", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_CONCURRENCY:
        raise VramwiseError(f"{where} concurrency must be from 1 to {MAX_CONCURRENCY}, not {count!r}.")
    if section.get("pictures", PICTURES[0]) not in PICTURES:
        raise VramwiseError(f"{where} pictures must be {' or '.join(PICTURES)}, not {section['pictures']!r}.")
    return EndpointSettings(**{**section, "urls": tuple(several)})


def _folders(value: Any, key: str, path: Path) -> tuple[Path, ...]:
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item.strip() for item in values):
        raise VramwiseError(f"{path}: {key} must be a folder or a list of folders, not {value!r}.")
    return tuple(Path(os.path.expanduser(item)) for item in values)


def _names(value: Any, key: str, path: Path) -> tuple[str, ...]:
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item.strip() and "/" not in item for item in values):
        raise VramwiseError(f"{path}: {key} must be host names such as comfy.example.com, not {value!r}.")
    return tuple(values)


def _mirror(value: Any, origin: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise VramwiseError(f"{origin}: download_mirror must start with https:// or http://, not {value!r}.")
    return value.rstrip("/")


def _from_environment(environ: Mapping[str, str], settings: Settings) -> Settings:
    changes: dict[str, Any] = {}
    for key in ("allow_downloads", "download_button", "learn_peaks"):
        name = f"VRAMWISE_{key.upper()}"
        said = environ.get(name)
        if said is not None:
            if said.lower() not in _TRUE | _FALSE:
                raise VramwiseError(f"{name} must be 1 or 0, not {said!r}.")
            changes[key] = said.lower() in _TRUE
    if environ.get("VRAMWISE_DOWNLOAD_MIRROR"):
        changes["download_mirror"] = _mirror(environ["VRAMWISE_DOWNLOAD_MIRROR"], "VRAMWISE_DOWNLOAD_MIRROR")
    if environ.get("VRAMWISE_TESSDATA"):
        folders = tuple(Path(p) for p in environ["VRAMWISE_TESSDATA"].split(os.pathsep) if p)
        changes["tessdata_dirs"] = (*settings.tessdata_dirs, *folders)
    if environ.get("VRAMWISE_MODELS"):
        folders = tuple(Path(p) for p in environ["VRAMWISE_MODELS"].split(os.pathsep) if p)
        changes["models_dirs"] = (*settings.models_dirs, *folders)
    if environ.get("VRAMWISE_ALLOWED_HOSTS"):
        further = environ["VRAMWISE_ALLOWED_HOSTS"].replace(",", " ").split()
        changes["allowed_hosts"] = (*settings.allowed_hosts, *further)
    return replace(settings, **changes)
