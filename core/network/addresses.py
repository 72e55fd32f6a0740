"""Which addresses may be spoken to.

A name is somebody else's word: it may resolve to this machine, or to the address at which a cloud hands out
its credentials. So the address is judged that a connection has really reached, before anything is sent.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from ..errors import VramwiseError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds serve credentials to whoever asks from inside: AWS, Azure, Google and others (link-local),
# AWS by IPv6, Alibaba, Azure's wire server, Oracle's older one.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_METADATA_NAMES = ("metadata.google.internal", "metadata.goog", "metadata", "instance-data")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
THIS_MACHINE, LOCAL_NETWORK, INTERNET = range(3)


class AddressRefused(VramwiseError):
    """A place that is not spoken to, with the reason."""


def host_of(url: str) -> str:
    """The host of ``url`` in lower case, "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def place(url: str) -> str:
    """Host and port of ``url``, for sentences; never a name and password in it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def literal(host: str) -> Address | None:
    """``host`` as an address in any spelling that the system takes (127.1, 0x7f000001), None for a name."""
    bare = host.strip("[]").partition("%")[0]
    try:
        return _embedded(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        if bare[:1].isdigit():
            return ipaddress.ip_address(socket.inet_aton(bare))
    except (OSError, ValueError, UnicodeError):
        pass
    return None


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: then no proxy is asked."""
    host = host_of(url)
    address = literal(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def reach(address: Address) -> int:
    """THIS_MACHINE, LOCAL_NETWORK or INTERNET."""
    if address.is_loopback or address.is_unspecified:
        return THIS_MACHINE
    return INTERNET if address.is_global else LOCAL_NETWORK


def check_url(url: str) -> None:
    """Refuse what can be told without asking anybody: for names that a proxy will look up. AddressRefused."""
    host, address = host_of(url), literal(host_of(url))
    if host in _METADATA_NAMES or (address is not None and _never(address, host)):
        raise _refused(host, str(address or host))


def check_peer(host: str, peer: str, least_reach: int = THIS_MACHINE) -> Address:
    """``peer``, the address that a connection to ``host`` has reached, where it may be spoken to.

    ``least_reach``: an answer from the internet may not send anybody into the local network. Raises
    AddressRefused.
    """
    address = literal(peer)
    if address is None:
        raise AddressRefused(f"{host} was reached at {peer}, which is no address. Nothing was sent.")
    if _never(address, host):
        raise _refused(host, peer)
    if reach(address) < least_reach:
        raise AddressRefused(
            f"{host} is at {peer}, inside the local network, and a server outside it named that place. "
            "Nothing was sent there."
        )
    return address


def check_name(host: str, port: int | None, least_reach: int = THIS_MACHINE) -> None:
    """Refuse ``host`` before a connection where any of its addresses would be refused afterwards."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the connection will say it
        return
    for *_, place in found:
        check_peer(host, str(place[0]), least_reach)


def _never(address: Address, host: str) -> bool:
    """Link-local is refused unless somebody wrote that very address, or a name of their own network."""
    if address in _METADATA or address.is_multicast:
        return True
    meant = literal(host) == address or host.lower().endswith(".local")
    return address.is_link_local and not meant


def _refused(host: str, peer: str) -> AddressRefused:
    return AddressRefused(
        f"{host} is at {peer}, an address that only this machine's own network or cloud uses. Nothing was "
        "sent there. Check the name, and who answers for names in this network."
    )


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address
