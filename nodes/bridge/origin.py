"""Who may ask: this machine's own pages and programs, and nobody's page elsewhere.

A page of a foreign site can make a browser send requests here in two ways. It sends them across origins: then
``Origin`` or ``Sec-Fetch-Site``, which no script can forge, says so. Or it has its own name resolve to this
machine (DNS rebinding): then the browser takes both for one origin, and only ``Host`` shows the foreign name.
ComfyUI's own check sees the first where Host is a loopback address. A program (curl, a script) sends neither
header and is no browser that was lured.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

# Endings of which no public name can be: RFC 6762, RFC 8375, RFC 6761, ICANN's .internal, and what home
# routers hand out.
LOCAL_ENDINGS = (
    ".localhost",
    ".local",
    ".lan",
    ".home",
    ".home.arpa",
    ".internal",
    ".localdomain",
    ".intranet",
)
LOOKS = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}


def refusal(
    method: str,
    headers: Mapping[str, str],
    arrived_at: str,
    allowed: Callable[[], Collection[str]],
    cors: str | None = None,
) -> str | None:
    """Why this request is not answered; None where it may be.

    ``headers`` may hold a name more than once (``getall``). ``arrived_at`` is the address of this machine
    that took the connection. ``allowed()`` gives the further host names of config.yaml; it is asked only
    where they matter. ``cors`` is what ComfyUI was given as --enable-cors-header.
    """
    hosts, origins = _all(headers, "Host"), _all(headers, "Origin")
    if len(hosts) > 1 or len(origins) > 1:
        return "The request names its Host or its Origin twice. It is not answered."
    host = _parts(f"//{hosts[0]}") if hosts else None
    if hosts and (host is None or not host.hostname):
        return f"The request's Host {_shown(hosts[0])} is no host name. It is not answered."
    if host is not None and not _ours(str(host.hostname), arrived_at, allowed):
        return (
            f"The request is for the host {_shown(hosts[0])}, which is not a name of this machine. If you "
            "reach ComfyUI by that name, add it to allowed_hosts in config.yaml or to VRAMWISE_ALLOWED_HOSTS."
        )
    site = headers.get("Sec-Fetch-Site", "")
    if not origins:
        if method in LOOKS or site in ("", "same-origin", "none"):
            return None
        return _foreign(f"a page of another site (Sec-Fetch-Site {_shown(site)})")
    if method in LOOKS and cors == "*":
        return None  # whoever started ComfyUI lets every page read; orders are another thing
    if cors not in (None, "", "*") and origins[0] == cors:
        return None
    origin = _parts(origins[0])
    if origin is None or origin.scheme not in _PORTS or not origin.hostname:
        return _foreign(f"a page without an address (Origin {_shown(origins[0])})")
    if host is None:
        return _foreign(f"{_shown(origins[0])}, to no host")
    if _same(origin, host):
        return None
    if site == "same-origin" and not _loopback(str(host.hostname)):
        return None  # the browser saw one origin: a proxy before us has put its own name for Host
    if _named(str(origin.hostname), allowed()):
        return None
    return _foreign(_shown(origins[0]))


def host_names(words: Collection[str]) -> frozenset[str]:
    """Names as config.yaml has them, for comparing: "Comfy.example.com", "comfy.example.com:8443", with all
    below one ".trycloudflare.com", and "*" for every name.
    """
    bare = (word.strip().removeprefix("*") if word.strip() != "*" else "*" for word in words)
    found = (_parts(f"//{word}") for word in bare)
    return frozenset(part.hostname for part in found if part is not None and part.hostname)


def _named(name: str, names: Collection[str]) -> bool:
    return name in names or "*" in names or any(one[0] == "." and name.endswith(one) for one in names)


def _foreign(whose: str) -> str:
    return (
        f"This was asked by {whose}, not by ComfyUI's own page. If that page is yours, add its host to "
        "allowed_hosts in config.yaml or to VRAMWISE_ALLOWED_HOSTS."
    )


def _all(headers: Mapping[str, str], name: str) -> list[str]:
    every: Any = getattr(headers, "getall", None)
    if every is not None:
        return list(every(name, []))
    return [headers[name]] if name in headers else []


def _parts(address: str) -> SplitResult | None:
    """The address in parts; None where it is none: a port that is no number, half a bracket."""
    try:
        found = urlsplit(address)
        found.port  # noqa: B018  asked for its ValueError
    except ValueError:
        return None
    return None if "@" in found.netloc or found.path not in ("", "/") else found


def _ours(name: str, arrived_at: str, allowed: Callable[[], Collection[str]]) -> bool:
    """Whether a request for ``name`` can be meant for this machine. A rebound name is a public one and, to
    reach a server that listens for this machine only, arrives at a loopback address.
    """
    bare = name.rstrip(".")
    if _address(bare) is not None or "." not in bare or bare.endswith(LOCAL_ENDINGS):
        return True
    if bare == socket.gethostname().lower():
        return True
    names = allowed()
    return _named(bare, names) or (not names and not _loopback(arrived_at))


def _same(origin: SplitResult, host: SplitResult) -> bool:
    if origin.hostname != host.hostname:
        return False
    usual = _PORTS[origin.scheme]
    return (origin.port or usual) == (host.port or usual)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _loopback(name: str) -> bool:
    address = _address(name.rstrip("."))
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _shown(word: str) -> str:
    """Somebody's text in a sentence of ours: short, and nothing in it that a terminal would obey."""
    said = ascii(word)
    return said if len(said) <= 80 else f"{said[:77]}...'"
