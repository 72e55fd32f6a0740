"""An OCR model that is served elsewhere, by anything that speaks the OpenAI chat protocol.

Names are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endpoints import Endpoint, endpoint_names, resolve
    from .handle import RemoteHandle, open_remote
    from .trouble import EndpointError

_HOME = {
    "Endpoint": "endpoints",
    "EndpointError": "trouble",
    "RemoteHandle": "handle",
    "endpoint_names": "endpoints",
    "open_remote": "handle",
    "resolve": "endpoints",
}
__all__ = ["Endpoint", "EndpointError", "RemoteHandle", "endpoint_names", "open_remote", "resolve"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
