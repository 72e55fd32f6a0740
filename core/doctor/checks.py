"""One function for each thing that an installation needs: what it found, whether that is well, what helps.

Each check stands alone: one that raises is itself a finding, and the others go on. Nothing is written and
nothing is downloaded; servers of config.yaml are asked for what they serve.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..catalog.words import words
from ..errors import VramwiseError
from ..hardware.capabilities import (
    TESTED_TRANSFORMERS,
    installed_version,
    overwritten_opencv,
    rapid_runtime,
    tesseract,
    untested_transformers,
)
from ..hardware.health import health
from ..host import home_folder
from ..models.place import machine_now
from ..settings import Settings, load_settings
from ..shell import pip_line
from ..units import figure, gb_text, gib_text

Severity = Literal["ok", "problem", "warning", "hint"]
PACK = Path(__file__).resolve().parents[2]
SAMPLE = PACK / "assets" / "vramwise_sample.png"
OLDEST_PYTHON = (3, 10)
# Room for the smallest larger model of the catalog in 16 bits, and a little: our choice.
_LITTLE_ROOM = 3 * 10**9
_LIBRARIES = ("transformers", "accelerate", "bitsandbytes", "flash-attn", "peft", "numpy", "pillow")


@dataclass(frozen=True)
class Check:
    """What was found about one thing.

    ``code`` is stable, for programs; ``subject`` is the thing in words. ``severity`` is "ok" (a fact),
    "problem" (something does not work), "warning" (it works badly) or "hint" (it could be better); ``remedy``
    is a sentence, empty for a fact.
    """

    code: str
    subject: str
    severity: Severity
    text: str
    remedy: str = ""


@dataclass
class _Looking:
    """The installation under the eye; ``settings`` are the built-in ones where config.yaml cannot be read."""

    say: Mapping[str, str]
    lang: str
    version: str
    settings: Settings = field(default_factory=Settings)
    comfyui: Path | None = None
    found: list[Check] = field(default_factory=list)

    def add(self, subject: str, code: str, severity: Severity = "ok", **facts: object) -> None:
        """A finding in the words ``doctor_CODE``; its remedy, if it has one, is ``doctor_CODE_remedy``."""
        remedy = self.say.get(f"doctor_{code}_remedy", "").format(**facts)
        self.add_text(subject, code, severity, self.say[f"doctor_{code}"].format(**facts), remedy)

    def add_text(self, subject: str, code: str, severity: Severity, text: str, remedy: str = "") -> None:
        self.found.append(Check(code, self.say[f"doctor_about_{subject}"], severity, text, remedy))


def examine(lang: str = "en", version: str = "?") -> list[Check]:
    """Every check of this installation, what is wrong first, the worst first; facts in the order in which one
    asks for them. Paths in the home folder are shortened to "~", so that the text can be shown to others.

    ``lang``: "en", "ru" or "zh" (UnknownName for another); ``version`` is the pack's.
    """
    looking = _Looking(words(lang), lang, version, comfyui=comfyui_around(PACK))
    for subject, check in _CHECKS.items():
        try:
            check(looking)
        except Exception as error:  # libraries and drivers may raise anything
            said = str(error).strip() or type(error).__name__
            looking.add(subject, "failed", "problem", said=said)
    order = ("problem", "warning", "hint", "ok")
    return sorted(looking.found, key=lambda check: order.index(check.severity))


def comfyui_around(pack: Path) -> Path | None:
    """The ComfyUI in whose custom_nodes ``pack`` lies, None for a copy elsewhere."""
    if pack.parent.name != "custom_nodes":
        return None
    root = pack.parent.parent
    return root if (root / "main.py").is_file() and (root / "comfy").is_dir() else None


def _python(looking: _Looking) -> None:
    version = platform.python_version()
    bits = 64 if sys.maxsize > 2**32 else 32
    portable = looking.say["doctor_portable"] if "python_embeded" in sys.executable else ""
    facts: dict[str, Any] = {
        "version": version,
        "bits": bits,
        "path": short(sys.executable),
        "portable": portable,
    }
    looking.add("python", "python", **facts)
    if sys.version_info < OLDEST_PYTHON:
        looking.add("python", "python_old", "problem", version=version)
    if bits == 32:
        looking.add("python", "python_32", "problem")


def _pack(looking: _Looking) -> None:
    looking.add("pack", "pack", version=looking.version, path=short(PACK))
    copies = sorted(_copies(PACK.parent)) if looking.comfyui else []
    if len(copies) > 1:
        looking.add("pack", "pack_twice", "problem", names=", ".join(copies))


def _copies(custom_nodes: Path) -> Iterator[str]:
    """Folders of custom_nodes in which this pack lies, ours among them."""
    for folder in custom_nodes.iterdir():
        try:
            if (folder / "core" / "doctor" / "checks.py").is_file() and (folder / "nodes").is_dir():
                yield folder.name
        except OSError:
            continue


def _comfyui(looking: _Looking) -> None:
    if looking.comfyui is None:
        looking.add("comfyui", "comfyui_none")
        return
    looking.add("comfyui", "comfyui", version=_comfyui_version(looking.comfyui), path=short(looking.comfyui))


def _comfyui_version(root: Path) -> str:
    try:
        text = (root / "comfyui_version.py").read_text(encoding="utf-8")
    except OSError:
        return "?"
    return text.partition("__version__")[2].strip(" =\r\n\"'") or "?"


def _machine(looking: _Looking) -> None:
    report = machine_now()
    ram = gib_text(report.ram_total_bytes)
    looking.add("system", "system", system=platform.platform(terse=True), ram=ram)
    if report.torch is None:
        looking.add("torch", "torch_none", "hint", pip=pip_line("torch", "torchvision"))
    else:
        looking.add("torch", "torch", version=report.torch, cuda=report.torch_cuda or "-")
        _torchvision(looking)
    for device in report.devices:
        code = "device_cpu" if device.kind == "cpu" else "device"
        total, driver = gib_text(device.total_bytes), device.driver or "-"
        looking.add("device", code, id=device.id, name=device.name, total=total, driver=driver)
    for finding in health(report, looking.lang):
        text = f"{finding.title}. {finding.detail} {finding.impact}"
        looking.add_text("device", finding.code, finding.severity, text, finding.remedy)


def _torchvision(looking: _Looking) -> None:
    """A torchvision of another torch fails at import, and transformers with it."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        looking.add("torch", "torchvision_none", "hint", pip=pip_line("torchvision"))
    except Exception as error:  # operators of another torch: RuntimeError, OSError, ...
        pip = pip_line("--upgrade", "torch", "torchvision")
        looking.add("torch", "torchvision", "problem", said=_first_line(error), pip=pip)


def _libraries(looking: _Looking) -> None:
    versions = {name: version for name in _LIBRARIES if (version := installed_version(name))}
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    looking.add("libraries", "libraries", named=named or "-")
    if untested_transformers():
        facts = {"version": versions["transformers"], "tested": TESTED_TRANSFORMERS}
        looking.add("libraries", "transformers_new", "hint", **facts)
    lost = overwritten_opencv()
    if lost is not None:
        builds, wanted = lost
        pip = pip_line("--force-reinstall", "--no-deps", wanted)
        looking.add("libraries", "opencv", "problem", builds=", ".join(builds), pip=pip)


def _built_in(looking: _Looking) -> None:
    """The engine that needs no download reads the sample, as the first workflow does."""
    from ..models.handle import ocr_handle
    from ..ocr.engines.protocol import ReadOptions
    from ..ocr.images import load_picture

    runtime = rapid_runtime()
    (page,) = ocr_handle("rapid").read([load_picture(str(SAMPLE))], ReadOptions())
    lines = len(page.text.splitlines())
    if not lines:
        looking.add("builtin", "builtin_blank", "problem", runtime=runtime)
        return
    looking.add("builtin", "builtin", runtime=runtime, lines=lines, seconds=figure(page.seconds, ".1f"))


def _tesseract(looking: _Looking) -> None:
    from ..ocr.engines.tesseract import tessdata_folders

    if not tesseract().usable:
        looking.add("tesseract", "tesseract_none", "hint", pip=pip_line("tesserocr"))
        return
    settings = looking.settings
    folders = [folder for folder in tessdata_folders(settings) if folder.is_dir()]
    languages = sorted({file.stem for folder in folders for file in folder.glob("*.traineddata")})
    if not languages:
        where = short(settings.all_models_dirs[0] / "tessdata")
        looking.add("tesseract", "tesseract_bare", "warning", where=where)
        return
    looking.add(
        "tesseract",
        "tesseract",
        version=installed_version("tesserocr") or "?",
        languages=", ".join(languages),
    )


def _settings(looking: _Looking) -> None:
    try:
        settings = load_settings()
    except VramwiseError as error:
        looking.add_text("settings", "settings_wrong", "problem", short(error))
        settings = Settings()
    else:
        own = settings.origin != Settings().origin
        looking.add("settings", "settings" if own else "settings_none", origin=short(settings.origin))
    if looking.comfyui is not None and not settings.places.hosted:  # the nodes use ComfyUI's folder
        settings = replace(settings, models_dirs=(*settings.models_dirs, looking.comfyui / "models"))
    looking.settings = settings


def _models(looking: _Looking) -> None:
    from ..weights.checkpoints import local_checkpoints, odd_folders
    from ..weights.folder_search import searched_model_folders

    settings = looking.settings
    looking.add("models", "models", count=len(local_checkpoints(settings)))
    for folder in searched_model_folders(settings):
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            looking.add("models", "models_closed", "problem", path=short(folder))
    for odd in odd_folders(settings):
        looking.add_text("models", "models_odd", "warning", f"{odd.name}: {short(odd.reason)}")


def _disk(looking: _Looking) -> None:
    settings = looking.settings
    target = settings.all_models_dirs[0]
    there = next(folder for folder in (target, *target.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    facts: dict[str, Any] = {"free": gb_text(free), "path": short(target)}
    looking.add("disk", "disk", **facts)
    if free < _LITTLE_ROOM:
        looking.add("disk", "disk_full", "warning", **facts)
    if not os.access(there, os.W_OK):
        looking.add("disk", "disk_closed", "warning", path=short(there))


def _network(looking: _Looking) -> None:
    from ..network.proxies import proxy_for
    from ..weights.hub_listing import offline_variables

    set_here = offline_variables()
    proxy = proxy_for("https://huggingface.co")
    way = looking.say["doctor_direct"] if proxy is None else f"{proxy.place} ({proxy.variable or 'system'})"
    looking.add("network", "network", way=way)
    if set_here:
        looking.add("network", "offline", "hint", names=", ".join(set_here))


def _endpoints(looking: _Looking) -> None:
    from ..ocr.remote.endpoints import resolve
    from ..ocr.remote.health import check

    settings = looking.settings
    for name in settings.endpoints:
        endpoint = resolve(name, settings)
        for server in check(endpoint, endpoint.key(os.environ)):
            if server.problem:
                looking.add_text("endpoints", "endpoint_down", "warning", f"{name}: {server.problem}")
            else:
                ms, models = figure(server.seconds * 1000, ".0f"), ", ".join(server.models) or "-"
                looking.add("endpoints", "endpoint", name=name, place=server.place, ms=ms, models=models)


def short(path: object) -> str:
    """``path``, or a sentence with paths in it, with the home folder as "~"."""
    text = str(path)
    home = str(home_folder())
    return text.replace(home, "~") if len(Path(home).parts) > 1 else text


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


# Settings first: the others ask it for folders. By the subject under which a check that raises is told.
_CHECKS: dict[str, Callable[[_Looking], None]] = {
    "settings": _settings,
    "pack": _pack,
    "comfyui": _comfyui,
    "python": _python,
    "system": _machine,
    "libraries": _libraries,
    "builtin": _built_in,
    "tesseract": _tesseract,
    "models": _models,
    "disk": _disk,
    "network": _network,
    "endpoints": _endpoints,
}
