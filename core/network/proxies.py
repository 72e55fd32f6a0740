"""Which proxy leads to an address: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, else the system's.

This machine itself is never asked for through a proxy, whatever the variables say.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from ..errors import VramwiseError
from ..shell import pip_line
from .addresses import host_of, is_loopback, literal

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """``url`` may hold a name and a password, and is for the HTTP client alone; ``variable`` is where it came
    from, ``place`` its host and port for sentences.
    """

    url: str = field(repr=False)
    variable: str
    place: str

    def secrets(self) -> tuple[str, ...]:
        """The name and password in the address, as written and as meant: never to be shown."""
        user, _, password = urlsplit(self.url).netloc.rpartition("@")[0].partition(":")
        found = (password, unquote(password), unquote(user) if password else "", user if password else "")
        return tuple(word for word in dict.fromkeys(found) if len(word) > 2)


def proxy_for(url: str) -> Proxy | None:
    """The proxy for ``url``, None for a direct way. Raises VramwiseError for one that cannot be used."""
    if is_loopback(url):
        return None
    parts = urlsplit(url)
    named = urllib.request.getproxies_environment()
    if named:
        value = named.get(parts.scheme) or named.get("all")
        if not value or _bypassed(host_of(url), parts.port or _PORTS.get(parts.scheme), named.get("no", "")):
            return None
        scheme = parts.scheme if named.get(parts.scheme) else "all"
        return _checked(value, _variable(f"{scheme}_proxy"))
    value = urllib.request.getproxies().get(parts.scheme)  # Windows' registry, macOS's settings
    if not value or urllib.request.proxy_bypass(host_of(url)):
        return None
    return _checked(value, "")


def _variable(name: str) -> str:
    return next((found for found in (name, name.upper()) if os.environ.get(found)), name.upper())


def _checked(value: str, variable: str) -> Proxy:
    # The value may hold a password, so no sentence repeats it.
    where = f"The environment variable {variable}" if variable else "The system's setting of a proxy"
    wrong = f"{where} does not hold the address of a proxy. Write http://HOST:PORT, or unset it."
    address = value.strip().strip("\"'")
    address = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(address)
        scheme = "socks5" if parts.scheme == "socks" else parts.scheme
        host, port = parts.hostname, parts.port
    except ValueError:
        raise VramwiseError(wrong) from None
    if scheme not in _SCHEMES or not host:
        raise VramwiseError(wrong)
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    return Proxy(f"{scheme}://{parts.netloc}", variable, place)


def require_socks(proxy: Proxy, package: str, module: str) -> None:
    """Raise VramwiseError where ``proxy`` is a SOCKS one and ``module`` of ``package`` is not installed."""
    if proxy.url.startswith("socks") and find_spec(module) is None:
        raise VramwiseError(
            f"The proxy {proxy.place} that {proxy.variable or 'the system'} names is a SOCKS proxy. That "
            f"needs the package {package}, which is not installed. Run: {pip_line(package)}"
        )


def _bypassed(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether NO_PROXY names ``host``: names with what ends in them, addresses, networks, "*", each maybe
    with a port.
    """
    address = literal(host)
    for entry in _entries(no_proxy):
        if entry == "*":
            return True
        name, wanted = entry, None
        if not entry.startswith("[") and entry.count(":") == 1:
            name, _, number = entry.partition(":")
            wanted = int(number) if number.isdecimal() else None
        elif entry.startswith("["):
            name, _, number = entry[1:].partition("]")
            wanted = int(number[1:]) if number[1:].isdecimal() else None
        if wanted is not None and wanted != port:
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(name, strict=False):
                    return True
            except (ValueError, TypeError):
                pass
        bare = name.lstrip("*").lstrip(".").rstrip(".")
        if bare and (host == bare or host.endswith(f".{bare}")):
            return True
    return False


def _entries(no_proxy: str) -> Iterator[str]:
    for entry in no_proxy.replace(",", " ").replace(";", " ").split():
        yield entry.strip().lower()
