"""GET by ``requests``, with our certificates, our proxies, and redirects that are looked at one by one.

requests and not another client: it is in every environment that this pack runs in (RapidOCR brings it).
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import urllib.parse
from collections.abc import Iterable, Mapping
from http.client import RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from ..errors import VramwiseError
from .addresses import (
    INTERNET,
    THIS_MACHINE,
    AddressRefused,
    check_name,
    check_peer,
    check_url,
    host_of,
    place,
    reach,
)
from .certificates import tls_context
from .failures import asks_for_password, causes, failure, shown
from .log_redaction import HiddenInLogs
from .proxies import Proxy, proxy_for, require_socks

if TYPE_CHECKING:
    import requests

MOST_REDIRECTS = 8
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
_REDIRECTS = (301, 302, 303, 307, 308)


class Unreached(Exception):
    """No answer; ``lasting``: another try will not help; ``advised``: the sentence says what would."""

    def __init__(self, sentence: str, lasting: bool, advised: bool = True) -> None:
        super().__init__(sentence)
        self.lasting, self.advised = lasting, advised


class Session:
    """Connections of one download. Used by one thread at a time; ``abort`` may be called from any."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = tuple(secrets)
        self._lines = Lines()
        self._http: requests.Session | None = None
        self._tls = False
        self._hidden = HiddenInLogs(self.secrets)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.abort()
        if self._http is not None:
            self._http.close()
        self._hidden.end()

    def abort(self) -> None:
        """Break all connections, also one that another thread waits on."""
        self._lines.cut()

    def get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """The answer with its body unread. A key in ``headers`` goes to the host of ``url`` and to no other.

        Raises Unreached, and VramwiseError for a place that is not spoken to or a proxy that cannot be used.
        """
        sent = dict(headers)
        self._lines.least_reach = THIS_MACHINE
        for hop in range(MOST_REDIRECTS + 1):
            proxy = proxy_for(url)
            answer = self._one(url, sent, proxy)
            if answer.status_code == 407:
                answer.close()
                raise Unreached(asks_for_password(place(url), proxy), True)
            target = answer.headers.get("Location", "")
            if answer.status_code not in _REDIRECTS or not target:
                return answer
            answer.close()
            if hop == 0:
                # Where the first answer came from is where its word may lead: a mirror inside the local
                # network may send there, one in the internet may not.
                self._lines.least_reach = (
                    INTERNET if proxy else self._lines.reached.get(host_of(url), INTERNET)
                )
            following = self._followed(url, target)
            if urllib.parse.urlsplit(following)[:2] != urllib.parse.urlsplit(url)[:2]:
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = following
        raise Unreached(f"{place(url)} redirects in circles ({MOST_REDIRECTS} times).", True)

    def _followed(self, url: str, target: str) -> str:
        following = urllib.parse.urljoin(url, target)
        parts = urllib.parse.urlsplit(following)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            said = shown(target, self.secrets)
            raise AddressRefused(f"{place(url)} redirects to {said}, which is not followed.")
        if url.startswith("https:") and parts.scheme == "http":
            raise AddressRefused(
                f"{place(url)} redirects to {place(following)} without TLS, which is not followed: nobody "
                "could tell who answers there."
            )
        return following

    def _one(self, url: str, headers: Mapping[str, str], proxy: Proxy | None) -> requests.Response:
        import requests
        import urllib3

        if proxy is not None:
            require_socks(proxy, "PySocks", "socks")
            check_url(url)
        ask = functools.partial(
            self._client(url.startswith("https:") or bool(proxy and proxy.url.startswith("https:"))).get,
            url,
            headers=dict(headers),
            stream=True,
            allow_redirects=False,
            proxies={"http": proxy.url, "https": proxy.url} if proxy else {},
            timeout=(CONNECT_SECONDS, READ_SECONDS),
        )
        try:
            try:
                return ask()
            except requests.ConnectionError as error:
                if not any(isinstance(one, RemoteDisconnected) for one in causes(error)):
                    raise
                return ask()  # the other side had closed a connection that was kept
        except VramwiseError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            found = failure(error, url, proxy, self.secrets)
            raise Unreached(found.sentence, found.lasting, found.advised) from None

    def _client(self, tls: bool) -> requests.Session:
        """``tls``: certificates are needed; reading the system's list takes a while."""
        if self._http is None:
            import requests

            self._http = requests.Session()
            self._http.trust_env = False  # certificates and proxies are ours, and no password of a .netrc
            self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._http.mount("http://", _adapter(self._lines, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
        if tls and not self._tls:
            self._tls = True
            adapter = _adapter(self._lines, tls_context())
            self._http.mount("https://", adapter)
            self._http.mount("http://", adapter)  # a proxy for plain HTTP may be spoken to by TLS
        return self._http


class Lines:
    """The connections of a session as the system has them: judged when they are made, and cut at will."""

    def __init__(self) -> None:
        self.least_reach = THIS_MACHINE
        self.reached: dict[str, int] = {}  # by host: a connection that is kept is not made again
        self._open: list[socket.socket] = []

    def made(self, line: socket.socket, host: str) -> None:
        """Raises AddressRefused, and then the connection is closed with nothing sent."""
        try:
            peer = check_peer(host, str(line.getpeername()[0]), self.least_reach)
        except AddressRefused:
            line.close()
            raise
        self.reached[host.lower().rstrip(".")] = reach(peer)
        self.kept(line)

    def kept(self, line: socket.socket) -> None:
        self._open.append(line.dup())  # TLS takes the socket itself over

    def cut(self) -> None:
        while self._open:
            line = self._open.pop()
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


def _adapter(lines: Lines, context: ssl.SSLContext) -> Any:
    """An adapter of requests whose connections are judged by ``lines`` and use our certificates."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Judging(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            if self.proxy is not None:
                line = super()._new_conn()
                lines.kept(line)
                return line
            check_name(self._dns_host, self.port, lines.least_reach)
            line = super()._new_conn()
            lines.made(line, self.host)
            return line

    class JudgingTLS(Judging, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Judging

    class PoolTLS(HTTPSConnectionPool):
        ConnectionCls = JudgingTLS

    pools = {"http": Pool, "https": PoolTLS}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            if proxy.startswith("https:"):
                options["proxy_ssl_context"] = context
            manager = super().proxy_manager_for(proxy, ssl_context=context, **options)
            if not proxy.startswith("socks"):
                manager.pool_classes_by_scheme = pools
            return manager

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None

    return Adapter(max_retries=0)
