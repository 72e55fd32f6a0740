"""Whom this machine trusts: the system's authorities, and those that the usual variables name.

One TLS context for hub and endpoints. SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's, REQUESTS_CA_BUNDLE and
CURL_CA_BUNDLE those of requests and curl; each adds to the system's (docs/decisions.md says why).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import ssl
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_MOST_FILES = 2000  # of a folder of certificates
_MOST_BYTES = 1 << 24
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*CERTIFICATE-----.*?-----END [A-Z0-9 ]*CERTIFICATE-----", re.DOTALL)
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def tls_context() -> ssl.SSLContext:
    """A context that checks certificates and names. A variable that names nothing usable is passed over here
    and named by ``remarks`` once a certificate cannot be checked.
    """
    return _context(tuple((str(path), _changed(path)) for _, path in _named()))


@functools.lru_cache(maxsize=4)
def _context(named: tuple[tuple[str, int], ...]) -> ssl.SSLContext:
    """Made once for what the variables name: reading all authorities takes a tenth of a second."""
    context = _system()
    for path, _ in named:
        _problem(context, Path(path))
    return context


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def remarks() -> list[str]:
    """What the variables hold, a sentence each: which file is missing or broken, which was read."""
    said = []
    for name, path in _named():
        problem = _problem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path)
        if problem:
            said.append(f"The environment variable {name} names {path}, {problem}: correct or unset it.")
        else:
            said.append(f"{name} names {path}, which does not vouch for it.")
    return said


def _system() -> ssl.SSLContext:
    """The system's authorities and, where certifi is installed, Mozilla's, as requests has it."""
    try:
        context: ssl.SSLContext = import_module("truststore").SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except ImportError:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
    # Office authorities often lack what X.509 demands since Python 3.13 (python/cpython #107562).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with contextlib.suppress(ImportError, OSError):
        context.load_verify_locations(cafile=import_module("certifi").where())
    return context


def _named() -> Iterator[tuple[str, Path]]:
    """(variable, path) of all that the variables name."""
    for name in VARIABLES:
        value = os.environ.get(name, "").strip().strip("\"'")
        parts = value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value]
        for part in parts:
            if part.strip():
                yield name, Path(os.path.expanduser(part.strip()))


def _problem(context: ssl.SSLContext, path: Path) -> str:
    """Load ``path``, a file or folder, into ``context``; what is wrong with it, "" for nothing."""
    try:
        if path.is_dir():
            return _folder(context, path)
        if not path.exists():
            return "and there is no such file"
        _load(context, path)
    except ssl.SSLError:
        return "which holds no certificate (PEM or DER is read)"
    except (OSError, ValueError) as error:
        return f"which cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    return ""


def _folder(context: ssl.SSLContext, path: Path) -> str:
    """A folder as OpenSSL has it, with hashes for names; other folders are read file by file."""
    files = sorted(file for file in path.iterdir() if file.is_file())[:_MOST_FILES]
    if any(_HASHED.fullmatch(file.name) for file in files):
        context.load_verify_locations(capath=str(path))
        return ""
    loaded = 0
    for file in files:
        try:
            _load(context, file)
        except (OSError, ValueError):  # SSLError is an OSError
            continue
        loaded += 1
    return "" if loaded else "a folder that holds no certificate (PEM or DER is read)"


def _load(context: ssl.SSLContext, file: Path) -> None:
    with file.open("rb") as stream:
        data = stream.read(_MOST_BYTES)
    if data[:1] == b"\x30":  # DER, as Windows exports a certificate
        context.load_verify_locations(cadata=data)
    else:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
        blocks = _PEM.findall(text)
        if not blocks:
            raise ssl.SSLError("no certificate")
        context.load_verify_locations(cadata="\n".join(blocks))
