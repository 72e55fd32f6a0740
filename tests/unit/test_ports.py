"""A port that is held for a server is nobody else's meanwhile."""

from __future__ import annotations

import socket
import struct
import sys

import pytest

from devtools.ports import HeldPort

IP_LOCAL_PORT_RANGE = 51  # of Linux from 6.3 on: which ports the system may choose for a socket


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere a port is only chosen.")
@pytest.mark.parametrize("listens", [False, True])
def test_who_asks_the_system_for_a_port_does_not_get_the_held_one(listens: bool) -> None:
    held = HeldPort()
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as asking:
        only = struct.pack("I", held.number << 16 | held.number)
        try:
            asking.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, only)
        except OSError:
            pytest.skip("This Linux is older than 6.3.")
        with pytest.raises(OSError, match=r"in use|Cannot assign"):
            asking.bind(("127.0.0.1", 0)) if listens else asking.connect(other.getsockname())
        with socket.create_server(("127.0.0.1", held.number)), pytest.raises(OSError, match="in use"):
            HeldPort(held.number)
        again = HeldPort(held.number)  # for the server that comes back there
        held.release()
        again.release()
        asking.connect(other.getsockname())
        assert asking.getsockname()[1] == held.number
