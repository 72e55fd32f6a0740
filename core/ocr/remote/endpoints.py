"""From the name in a workflow to the addresses of this machine's config.yaml, or a refusal.

A workflow never carries an address: one from the internet could otherwise send pictures to a stranger, or a
key to whoever asks. Nothing here opens a socket or resolves a host name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import UnknownName, VramwiseError, nearest
from ...network.addresses import place as place
from ...settings import EndpointSettings, Settings

# What the servers listen at unless told otherwise: vLLM and transformers serve, SGLang, llama.cpp, Ollama.
LOCAL = ("localhost:8000", "localhost:30000", "localhost:8080", "localhost:11434")
_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?")
_ADDRESS = re.compile(r"[/\\@?#]|^\w+:|\d\.\d{1,9}\.\d{1,9}\.\d|^\[|:\d{1,9}$")
DEFAULT_TIMEOUT = 300.0  # seconds a page may take


@dataclass(frozen=True)
class Endpoint:
    """A name with its addresses; ``key_env`` names the variable that holds the key, empty for none."""

    name: str
    urls: tuple[str, ...]
    key_env: str = ""
    model: str = ""
    family: str = "auto"
    concurrency: int = 8
    pictures: str = "png"

    def key(self, environ: Mapping[str, str]) -> str:
        """The key, read anew each time and kept nowhere; empty for an endpoint without one."""
        if not self.key_env:
            return ""
        key = environ.get(self.key_env, "").strip()
        if not key:
            raise VramwiseError(
                f"The endpoint {self.name} wants a key in the environment variable {self.key_env}, which is "
                "not set. Set it where this program is started, or remove key_env from config.yaml."
            )
        if not key.isascii() or not key.isprintable():
            raise VramwiseError(
                f"The environment variable {self.key_env} holds characters that no key has. Set it again."
            )
        return key


def endpoint_names(settings: Settings) -> list[str]:
    """What a selector shows: the endpoints of config.yaml, then servers on this machine."""
    return [*settings.endpoints, *(name for name in LOCAL if name not in settings.endpoints)]


def said_to_serve(settings: Settings) -> dict[str, str]:
    """The endpoints of config.yaml with the model that each names, "" where it names none."""
    return {name: found.model for name, found in settings.endpoints.items()}


def resolve(name: str, settings: Settings) -> Endpoint:
    """The endpoint ``name``: one of config.yaml, or this machine's own as "localhost" or "localhost:PORT".

    Raises UnknownName for any other name and VramwiseError for an address or a wrong entry.
    """
    name = str(name)  # a workflow may hold anything
    found = settings.endpoints.get(name)
    if found is not None:
        return _configured(name, found, settings)
    local = _LOOPBACK.fullmatch(name)
    if local and int(local[2] or 8000) <= 65535:
        return Endpoint(name, (f"http://{local[1]}:{local[2] or 8000}/v1",))
    if _ADDRESS.search(name):
        raise VramwiseError(
            f'"{name}" is an address. A workflow only names an endpoint; addresses stand in '
            f"{settings.config_path}, under endpoints. Without an entry only this machine is reached: "
            "localhost:8000."
        )
    known = endpoint_names(settings)
    raise UnknownName(
        f'There is no endpoint "{name}" on this machine.{nearest(name, known)} Known: {", ".join(known)}. '
        f"Endpoints are added to {settings.config_path}."
    )


def _configured(name: str, found: EndpointSettings, settings: Settings) -> Endpoint:
    where = f"{settings.origin}: endpoints: {name}:"
    urls = tuple(_base(url, where) for url in found.urls)
    return Endpoint(
        name, urls, found.key_env, found.model, found.family or "auto", found.concurrency, found.pictures
    )


def _base(url: str, where: str) -> str:
    """``url`` as a base address of the protocol: without a path it gets /v1, as all servers have it."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise VramwiseError(f"{where} an address cannot be read: {error}. Write http://host:port.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise VramwiseError(
            f"{where} urls must start with http:// or https:// and name a host; {parts.scheme or 'this'}: is "
            "not taken. Write http://host:port."
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise VramwiseError(
            f"{where} the address of {host} holds more than a host and a path. A key goes into an "
            "environment variable that key_env names."
        )
    shown = f"[{host}]" if ":" in host else host
    number = f":{port}" if port is not None else ""
    return f"{parts.scheme}://{shown}{number}{parts.path.rstrip('/') or '/v1'}"
