"""The processor's name and whether it computes in bf16."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


@functools.cache
def processor_name() -> str:
    """What the maker calls it, as far as the system says ("AMD Ryzen 9 7950X 16-Core Processor")."""
    named = ""
    with suppress(OSError, AttributeError):
        if sys.platform == "linux":
            named = _cpuinfo("model name")
        elif sys.platform == "darwin":
            named = _sysctl("machdep.cpu.brand_string")
        elif sys.platform == "win32":
            named = _registry()
    return named or platform.processor() or platform.machine() or "CPU"


@functools.cache
def processor_has_bf16() -> bool | None:
    """Whether it has bf16 instructions; None where the system does not say. Without them torch takes each
    value to fp32 and back.
    """
    with suppress(OSError):
        if sys.platform == "linux":
            flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
            return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags)) if flags else None
    return None


def _cpuinfo(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _sysctl(name: str) -> str:
    libc = ctypes.CDLL(ctypes.util.find_library("c"))
    room, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    failed = libc.sysctlbyname(name.encode(), room, ctypes.byref(size), None, ctypes.c_size_t(0))
    return "" if failed else room.value.decode(errors="replace")


def _registry() -> str:
    winreg: Any = importlib.import_module("winreg")
    place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
