"""Start and stop a real ComfyUI server on 127.0.0.1, with this pack linked into its custom_nodes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from devtools.ports import HeldPort

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / ".comfy" / "runs"
OLDEST_COMFYUI = (0, 3, 75)
# Newer versions colour their log and begin a line with its level; what it says is the same.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LEVEL = re.compile(r"^\[(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\] ", re.MULTILINE)
# By its folder in custom_nodes: the clone itself may lie in a folder of the same name.
PACK_IN_LOG = re.compile(r"custom_nodes[/\\]vramwise")
BASE_FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models")


class ComfyServerError(RuntimeError):
    """The server could not be started, or ended by itself. The message ends with the end of its log."""


def default_comfy_dir() -> Path:
    """The checkout to test against: `dev.py --comfy DIR` hands it over in VRAMWISE_COMFY_DIR."""
    chosen = os.environ.get("VRAMWISE_COMFY_DIR")
    return Path(chosen) if chosen else ROOT / ".comfy" / "ComfyUI"


def comfy_version(comfy_dir: Path) -> tuple[int, ...]:
    """The version a checkout says it is. Raises ComfyServerError where there is no usable ComfyUI."""
    version_file = comfy_dir / "comfyui_version.py"
    if not (comfy_dir / "main.py").is_file() or not version_file.is_file():
        raise ComfyServerError(
            f"{comfy_dir} is not a ComfyUI checkout: main.py or comfyui_version.py is missing. "
            "Run `python dev.py demo` once to fetch one, or give the right folder with --comfy DIR."
        )
    found = re.search(
        r"""__version__\s*=\s*["'](\d+)\.(\d+)\.(\d+)""", version_file.read_text(encoding="utf-8")
    )
    version = tuple(int(part) for part in found.groups()) if found else ()
    if version < OLDEST_COMFYUI:
        raise ComfyServerError(
            f"The ComfyUI in {comfy_dir} is version {'.'.join(map(str, version)) or 'unknown'}, "
            f"and VRAMwise needs {'.'.join(map(str, OLDEST_COMFYUI))} or newer. "
            "Update that checkout, or leave --comfy out."
        )
    return version


def link_folder(link: Path, target: Path) -> str:
    """Make `link` lead to the folder `target`; answers "symlink", or "junction" where those are refused."""
    unlink_folder(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(target, target_is_directory=True)
        return "symlink"
    except OSError:
        if sys.platform != "win32":
            raise
    import _winapi

    _winapi.CreateJunction(str(target), str(link))
    return "junction"


def unlink_folder(link: Path) -> None:
    """Remove a link made by link_folder, never what it leads to."""
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        os.rmdir(link)  # removes a junction; a real folder with anything in it is refused


def end_tree(process: subprocess.Popen[bytes], grace_s: float = 10.0) -> None:
    """End a process that this program started, and all of its children, by their ids."""
    import psutil

    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        process.wait()
        return
    for kill in (psutil.Process.terminate, psutil.Process.kill):
        for member in family:
            try:
                kill(member)
            except psutil.NoSuchProcess:
                continue
        _, family = psutil.wait_procs(family, timeout=grace_s)
        if not family:
            break
    process.wait()


def pack_import_problem(log: str) -> str:
    """The part of a ComfyUI log that says why this pack did not load, or "" where it loaded."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if not PACK_IN_LOG.search(line):
            continue
        if "comfy_entrypoint" in line and "Error" in line:
            return line  # ComfyUI 0.3.75 tells this one without a traceback
        if "Cannot import" in line:
            start = next((n for n in range(number, -1, -1) if lines[n].startswith("Traceback")), number)
            return "\n".join(lines[start : number + 1])
    return ""


def remove_leftovers() -> None:
    """Remove the run folders of programs that were killed before they could."""
    import psutil

    RUNS.mkdir(parents=True, exist_ok=True)
    for folder in RUNS.glob("run-*-*"):
        if not psutil.pid_exists(int(folder.name.split("-")[1])):
            unlink_folder(folder / "custom_nodes" / "vramwise")
            shutil.rmtree(folder, ignore_errors=True)


class ComfyServer:
    """A ComfyUI server as a context manager: `with ComfyServer() as server: server.wait_ready()`.

    Each server has a base folder of its own (input, output, user, temp, models, custom_nodes), so a checkout
    that belongs to a person is only read. Without `base_dir` the folder is made under .comfy/runs and removed
    on exit; the log is then kept in `log` for whoever asks afterwards.
    `env` is laid over this process's environment; a value of None takes a variable away.
    """

    def __init__(
        self,
        python: str | Path | None = None,
        comfy_dir: str | Path | None = None,
        base_dir: str | Path | None = None,
        extra_args: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
        *,
        pack: Path | None = ROOT,
        cpu: bool = True,
        port: int | None = None,
        echo: bool = False,
    ) -> None:
        self.python = str(python or sys.executable)
        self.comfy_dir = Path(comfy_dir).resolve() if comfy_dir else default_comfy_dir().resolve()
        self.extra_args = list(extra_args)
        self.pack = pack
        self.cpu = cpu
        self._held_port = HeldPort()  # the server listens only once it has imported everything
        self.port = port or self._held_port.number
        self.echo = echo
        self.link_kind = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._last_log = ""
        self._keep_base = base_dir is not None
        self._base_dir = Path(base_dir).resolve() if base_dir else None
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        if self.comfy_dir != ROOT / ".comfy" / "ComfyUI":
            self._env["PYTHONDONTWRITEBYTECODE"] = "1"  # the checkout is somebody else's
        for name, value in (env or {}).items():
            if value is None:
                self._env.pop(name, None)
            else:
                self._env[name] = value

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_dir(self) -> Path:
        if self._base_dir is None:
            raise ComfyServerError("The server has no base folder yet: start() makes it.")
        return self._base_dir

    @property
    def input_dir(self) -> Path:
        return self.base_dir / "input"

    @property
    def user_dir(self) -> Path:
        return self.base_dir / "user"

    @property
    def log_path(self) -> Path:
        return self.base_dir / "comfy.log"

    @property
    def log(self) -> str:
        """Everything the server has printed so far, without colours and levels."""
        if self._base_dir is None or not self.log_path.exists():
            return self._last_log
        return LEVEL.sub("", COLOURS.sub("", self.log_path.read_text(encoding="utf-8", errors="replace")))

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ComfyServerError("The server is not running.")
        return self.process.pid

    def start(self) -> ComfyServer:
        comfy_version(self.comfy_dir)
        if self._base_dir is None:
            remove_leftovers()
            self._base_dir = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=RUNS)).resolve()
        for name in BASE_FOLDERS:
            (self.base_dir / name).mkdir(parents=True, exist_ok=True)
        if self.pack is not None:
            self.link_kind = link_folder(self.base_dir / "custom_nodes" / "vramwise", self.pack)
        command = [
            self.python,
            str(ROOT / "devtools" / "comfy" / "launch.py"),
            str(self.comfy_dir),
            *("--listen", "127.0.0.1", "--port", str(self.port)),
            *("--base-directory", str(self.base_dir)),
            # its default is a file in the checkout's own user folder
            *("--database-url", f"sqlite:///{(self.base_dir / 'user' / 'comfyui.db').as_posix()}"),
            *("--disable-api-nodes", "--disable-auto-launch"),
            *(("--cpu",) if self.cpu else ()),
            *self.extra_args,
        ]
        out = None if self.echo else self.log_path.open("wb")
        try:
            # a group of its own: Ctrl-C in a terminal reaches the starter, which then ends the server
            if sys.platform == "win32":
                self.process = subprocess.Popen(
                    command,
                    cwd=self.comfy_dir,
                    env=self._env,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
                )
            else:
                self.process = subprocess.Popen(
                    command,
                    cwd=self.comfy_dir,
                    env=self._env,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            if out is not None:
                out.close()
        return self

    def wait_ready(
        self, timeout_s: float = 600.0, progress: Callable[[float], None] | None = None
    ) -> ComfyServer:
        """Return once the server answers; `progress` is told the seconds waited, twice a second."""
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            if self.process is None or self.process.poll() is not None:
                code = None if self.process is None else self.process.returncode
                raise ComfyServerError(
                    f"ComfyUI ended with exit code {code} before it answered.{self._hint()}\n{self.tail()}"
                )
            if self.answers("/system_stats"):
                return self
            if waited > timeout_s:
                raise ComfyServerError(
                    f"ComfyUI did not answer on {self.url} within {timeout_s:.0f} s. "
                    f"The end of its log:\n{self.tail()}"
                )
            if progress is not None:
                progress(waited)
            time.sleep(0.4)

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def has_node(self, node_id: str) -> bool:
        with urllib.request.urlopen(f"{self.url}/object_info/{node_id}", timeout=300) as reply:
            return node_id in json.loads(reply.read())

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.splitlines()[-lines:])

    def _hint(self) -> str:
        missing = re.search(r"ModuleNotFoundError: No module named '([^']+)'", self.log)
        if missing is None:
            return " The end of its log:"
        return (
            f" This checkout needs the module {missing.group(1)}, which is not in .venv. "
            f'Install what it lists: "{self.python}" -m pip install '
            f'-r "{self.comfy_dir / "requirements.txt"}". '
            "The end of its log:"
        )

    def stop(self) -> None:
        if self.process is not None:
            if self.process.stdin is not None:
                self.process.stdin.close()
            end_tree(self.process)
            self.process = None
        self._held_port.release()
        if self._base_dir is not None:
            unlink_folder(self.base_dir / "custom_nodes" / "vramwise")
            if not self._keep_base:
                self._last_log = self.log
                # Windows lets go of a dead process's files a moment late
                for _ in range(20):
                    shutil.rmtree(self.base_dir, ignore_errors=True)
                    if not self.base_dir.exists():
                        break
                    time.sleep(0.1)

    def __enter__(self) -> ComfyServer:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
