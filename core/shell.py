"""What is typed into a shell here: this Python, its pip, this command line. Every hint is made of these and
runs as it stands: in portable ComfyUI, which is not on PATH; from custom_nodes, where nothing of ours is
installed; in folders with blanks and Cyrillic; in PowerShell, cmd and sh.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
SCRIPT = PACK / "scripts" / "vramwise.py"
COMMAND = "vramwise"
BACKSLASH = "\\"
IN_CMD = " (in PowerShell; in cmd without the &)"
# What cmd, PowerShell and sh take as it is, in the middle of a word. A comma parts words in the first two.
_PLAIN = re.compile(r"[\w.:\\/+-]+")
_PLAIN_POSIX = re.compile(r"[\w@%+=:,./-]+")
_WRITTEN = re.compile(r"`vramwise ([a-z-]+[^`]*)`")
_ALIVE = re.compile(r'["$`\\!]')  # to sh, within double quotes too
_ALIVE_IN_POWERSHELL = re.compile("[$`]")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # C:\..., \\server\..., \\?\C:\...


def is_portable() -> bool:
    """Whether this is the embedded Python of ComfyUI's portable build for Windows."""
    return "/python_embed" in sys.executable.replace("\\", "/")


def quoted(word: object) -> str:
    """One word of a command line, in double quotes if it needs any: cmd, PowerShell and sh all take those."""
    text = str(word)
    windows = _is_windows(text)
    if (_PLAIN if windows else _PLAIN_POSIX).fullmatch(text):
        return text
    if windows:
        # programs take a backslash before the closing quote as part of the text, and the quote with it
        return f'"{text.rstrip(BACKSLASH) if len(text) > 3 else text}"'
    return shlex.quote(text) if _ALIVE.search(text) else f'"{text}"'


def line(program: object, *words: object) -> str:
    """A command line. PowerShell runs what is quoted only behind an "&", at which cmd stumbles: where the
    program's path needs quotes on Windows, both are said.
    """
    begin = quoted(program)
    whole = " ".join((begin, *map(quoted, words)))
    if not _is_windows(str(program)):
        return whole
    called = "& " if begin.startswith('"') else ""
    if _ALIVE_IN_POWERSHELL.search(whole):
        whole_there = _ALIVE_IN_POWERSHELL.sub(lambda found: f"`{found[0]}", whole)
        return f"{called}{whole_there} (in PowerShell; in cmd: {whole})"
    return f"{called}{whole}{IN_CMD if called else ''}"


def python_line(*words: object) -> str:
    """This interpreter with ``words``; a portable build's with -s, as ComfyUI's own .bat files start it."""
    return line(sys.executable, *(["-s"] if is_portable() else []), *words)


def pip_line(*requirements: str) -> str:
    """The command that installs into THIS interpreter; one whose environment was made without pip (by uv) is
    given to uv, or gets its pip first.
    """
    if _has_pip():
        return python_line("-m", "pip", "install", *requirements)
    import shutil

    if shutil.which("uv"):
        return line("uv", "pip", "install", "--python", sys.executable, *requirements)
    return f"{python_line()} -m ensurepip, then {python_line('-m', 'pip', 'install', *requirements)}"


def own_line(*words: object, hosted: bool = False) -> str:
    """``vramwise WORDS`` as it is called here: by the word that was typed, by the command that pip has
    installed, or by the script in this folder. ``hosted``: inside ComfyUI, by the script.
    """
    called = re.split(r"[\\/]", sys.argv[0])[-1] if sys.argv else ""
    by_script = called in ("vramwise.py", "check_gpu.py", "main.py") or hosted
    if by_script and SCRIPT.is_file():
        return python_line(SCRIPT, *words)
    if called.removesuffix(".exe") == COMMAND or (_is_installed() and not is_portable()):
        return line(COMMAND, *words)
    if SCRIPT.is_file():
        return python_line(SCRIPT, *words)
    return python_line("-m", COMMAND, *words)  # the Scripts folder of a portable build is on no PATH


def update_line() -> str:
    """How this copy gets newer without ComfyUI-Manager: a clone by git, an installed package by pip."""
    if (PACK / ".git").exists() or SCRIPT.is_file():
        return line("git", "-C", PACK, "pull")
    return pip_line("--upgrade", COMMAND)


def as_called(text: str) -> str:
    """``text`` with the command lines in it, written as "`vramwise VERB ...`", as they are called here."""
    return _WRITTEN.sub(lambda found: f"`{own_line(*found[1].split())}`", text)


def as_called_template(template: str, sign: str = "{}") -> str:
    """``as_called`` for what is filled in later: of a command line the signs of ``sign`` are doubled."""
    if "`vramwise " not in template:
        return template
    kept = template.translate({ord(one): 0xE000 + place for place, one in enumerate(sign)})
    called = as_called(kept).translate({ord(one): 2 * one for one in sign})
    return called.translate({0xE000 + place: one for place, one in enumerate(sign)})


def program() -> str:
    """How a person has called this command line, for its usage: ``vramwise``, or the script in short."""
    called = re.split(r"[\\/]", sys.argv[0])[-1] if sys.argv else ""
    return f"python {sys.argv[0]}" if called == "vramwise.py" else COMMAND


def _is_windows(path: str) -> bool:
    return sys.platform == "win32" or _WINDOWS_PATH.match(path) is not None


@functools.cache
def _has_pip() -> bool:
    try:
        return importlib.util.find_spec("pip") is not None
    except Exception:  # an import hook of somebody's may raise anything
        return False


@functools.cache
def _is_installed() -> bool:
    """Whether pip has made the command ``vramwise``."""
    from importlib import metadata

    try:
        return bool(metadata.version(COMMAND))
    except metadata.PackageNotFoundError:
        return False
