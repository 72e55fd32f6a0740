"""What an HTTP library's exception means, in a sentence: the certificate, the proxy, or the server itself."""

from __future__ import annotations

import datetime
import errno
import os
import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import without_bytes
from . import certificates
from .addresses import AddressRefused, place
from .proxies import Proxy

# OpenSSL's verify codes: not yet valid, has expired, and those for a name that is another's.
_TOO_EARLY, _EXPIRED = 9, 10
_OTHER_NAME = (62, 63, 64)
_STATUS = re.compile(r"(?:^|Tunnel connection failed: )([45]\d\d)\b")
_CALLED = re.compile(r"\[Errno (\d+)\] Connect call failed")
_REFUSED = (errno.ECONNREFUSED, 10061)  # and of Windows' sockets
_URL_USER = re.compile(r"(\w://)[^/\s@]+@")
LONGEST = 160


@dataclass(frozen=True)
class Failure:
    """``lasting``: no other try will help until somebody changes something. ``advised``: it says what."""

    sentence: str
    lasting: bool
    advised: bool = True


def failure(error: BaseException, url: str, proxy: Proxy | None, secrets: Iterable[str] = ()) -> Failure:
    """Why ``url`` could not be reached. No word of it holds one of ``secrets`` or the proxy's password."""
    chain = list(causes(error))
    where = place(url)
    hidden = (*secrets, *(proxy.secrets() if proxy else ()))
    for one in chain:
        if isinstance(one, AddressRefused):
            return Failure(str(one), True)
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return Failure(_certificate(one, where), True)
    words = [_words(one) for one in chain]
    if any("CERTIFICATE_VERIFY_FAILED" in word.upper() for word in words):
        return Failure(_certificate(None, where), True)
    if proxy is not None:
        found = _proxy(chain, words, where, proxy, hidden)
        if found is not None:
            return found
    said = next((word for word in reversed(words) if word), type(error).__name__)
    if any("WRONG_VERSION_NUMBER" in word or "HTTP_REQUEST" in word for word in words):
        return Failure(f"{where} does not speak TLS: is its address http:// and not https://?", True)
    return Failure(f"{where} cannot be reached ({shown(said, hidden)}).", False, advised=False)


def _words(error: BaseException) -> str:
    """asyncio writes the address in place of the system's words, and the sentence names it already."""
    said = str(error)
    called = _CALLED.findall(said)  # several for a name that is IPv4 and IPv6
    if not called:
        return said
    number = int(called[-1])
    return "Connection refused" if number in _REFUSED else os.strerror(number)


def asks_for_password(where: str, proxy: Proxy | None) -> str:
    """The sentence for HTTP 407."""
    if proxy is None:
        return f"{where} answers as a proxy that asks for a password (HTTP 407), and no proxy is set."
    return (
        f"The proxy {proxy.place}{_named(proxy)} asks for a name and a password, or for others than it was "
        f"given (HTTP 407). Write them into {proxy.variable or 'HTTPS_PROXY'} as "
        "http://NAME:PASSWORD@HOST:PORT, with signs such as @ as %40."
    )


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """A library's words on one line, without secrets, names and passwords in addresses, and addresses in
    memory.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _URL_USER.sub(r"\1***@", text)
    text = re.sub(r"<[^<>]{0,200} object at 0x[0-9a-f]+>:? ?", "", text)
    line = " ".join(printable(without_bytes(text)).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def printable(text: str) -> str:
    """Somebody else's words without what a terminal would obey; the ends of lines stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def _certificate(error: ssl.SSLCertVerificationError | None, where: str) -> str:
    code = error.verify_code if error is not None else 0
    reason = error.verify_message if error is not None else ""
    begin = f"The certificate of {where} cannot be checked"
    if code in _OTHER_NAME:
        return f"{begin}: it is for another name ({reason}). Check the address, and what stands in between."
    if code in (_TOO_EARLY, _EXPIRED):
        today = datetime.date.today().isoformat()
        return (
            f"{begin}: {reason}. This computer's clock says {today}: if that is wrong, set it; else the "
            "server needs a new certificate."
        )
    tail = " ".join(certificates.remarks())
    return (
        f"{begin}: {reason or 'nobody whom this machine trusts has signed it'}. Behind an office proxy, or "
        "for a certificate of your own, name its authority's file in the environment variable SSL_CERT_FILE "
        f"(REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are read too).{' ' if tail else ''}{tail}"
    )


def _proxy(
    chain: list[BaseException], words: list[str], where: str, proxy: Proxy, hidden: tuple[str, ...]
) -> Failure | None:
    """A failure of the proxy, None for one behind it."""
    refused = any(type(one).__name__ == "ProxyError" for one in chain)
    status = next((found[1] for word in words if refused and (found := _STATUS.search(word))), "")
    if status == "407":
        return Failure(asks_for_password(where, proxy), True)
    if status:
        return Failure(
            f"The proxy {proxy.place}{_named(proxy)} does not lead to {where} (HTTP {status}). Ask who runs "
            "it, or put the host into NO_PROXY if it can be reached directly.",
            status in ("403", "401", "405"),
        )
    connecting = any(
        "Connect" in type(one).__name__ or isinstance(one, ConnectionRefusedError) for one in chain
    )
    if refused or connecting:
        said = next((word for word in reversed(words) if word), "no answer")
        return Failure(
            f"The proxy {proxy.place}{_named(proxy)} cannot be reached ({shown(said, hidden)}). Correct or "
            f"unset {proxy.variable or 'that setting'}, or put {where} into NO_PROXY if no proxy is needed.",
            False,
        )
    return None


def _named(proxy: Proxy) -> str:
    return f" ({proxy.variable})" if proxy.variable else " (the system's setting)"


def causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that led to it, also what urllib3 keeps in its own fields."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        more = [
            one.__cause__,
            one.__context__,
            getattr(one, "reason", None),
            getattr(one, "original_error", None),
        ]
        waiting += [found for found in (*more, *one.args) if isinstance(found, BaseException)]
