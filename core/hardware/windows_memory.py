"""Memory that Windows has moved from a full card to RAM, from its performance counters.

There is no error when that happens, only a model ten times slower. Page-locked RAM is counted as well, so the
figure means something only beside a card that is full.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

_LARGE = 0x00000400  # PDH_FMT_LARGE
_MORE_DATA = 0x800007D2  # PDH_MORE_DATA
_VALID = (0, 1)  # PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA


class _Value(ctypes.Structure):  # PDH_FMT_COUNTERVALUE with its LONGLONG
    _fields_ = (("status", ctypes.c_uint32), ("large", ctypes.c_int64))


class _Item(ctypes.Structure):  # PDH_FMT_COUNTERVALUE_ITEM_W
    _fields_ = (("name", ctypes.c_wchar_p), ("value", _Value))


def shared_bytes(pdh: Any = None) -> int | None:
    """Bytes of shared GPU memory that this process uses, over all adapters; None where Windows does not say
    and on other systems. ``pdh`` stands in for pdh.dll in tests.
    """
    if pdh is None:
        if sys.platform != "win32":
            return None
        pdh = ctypes.WinDLL("pdh.dll")
    query = ctypes.c_void_p()
    if pdh.PdhOpenQueryW(None, None, ctypes.byref(query)):
        return None
    try:
        return _sum(pdh, query, rf"\GPU Process Memory(pid_{os.getpid()}_*)\Shared Usage")
    finally:
        pdh.PdhCloseQuery(query)


def _sum(pdh: Any, query: Any, path: str) -> int | None:
    counter = ctypes.c_void_p()
    if pdh.PdhAddEnglishCounterW(query, path, None, ctypes.byref(counter)) or pdh.PdhCollectQueryData(query):
        return None
    size, count = ctypes.c_uint32(0), ctypes.c_uint32(0)
    sizes = (ctypes.byref(size), ctypes.byref(count))
    if pdh.PdhGetFormattedCounterArrayW(counter, _LARGE, *sizes, None) & 0xFFFFFFFF != _MORE_DATA:
        return None
    # The names lie behind the items in the same buffer, hence bytes and not an array of items.
    room = (ctypes.c_byte * size.value)()
    if pdh.PdhGetFormattedCounterArrayW(counter, _LARGE, *sizes, ctypes.byref(room)):
        return None
    items = (_Item * count.value).from_buffer(room)
    valid = [item.value.large for item in items if item.value.status in _VALID]
    return sum(valid) if valid else None
