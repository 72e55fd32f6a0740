"""An OCR model that is served elsewhere, by anything that speaks the OpenAI chat protocol.

Names are imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy_imports import from_modules

if TYPE_CHECKING:
    from .endpoints import Endpoint, endpoint_names, resolve
    from .errors import EndpointError
    from .handle import RemoteHandle, open_remote

_HOME = {
    "Endpoint": "endpoints",
    "EndpointError": "errors",
    "RemoteHandle": "handle",
    "endpoint_names": "endpoints",
    "open_remote": "handle",
    "resolve": "endpoints",
}
__all__ = ["Endpoint", "EndpointError", "RemoteHandle", "endpoint_names", "open_remote", "resolve"]

__getattr__ = from_modules(__name__, _HOME)
