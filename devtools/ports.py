"""Ports of 127.0.0.1 that stay one's own while no server listens on them."""

from __future__ import annotations

import socket
import sys


class HeldPort:
    """A free port, or the one that is named, kept from everybody who asks the system for one, connections
    included, until `release`.

    On Linux sockets may be bound to one port while at most one of them listens, if all allow it as servers
    do: so a server takes it as if nobody had it. Elsewhere the port is only chosen.
    """

    def __init__(self, number: int = 0) -> None:
        self._socket = socket.socket()
        if sys.platform == "linux":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", number))
            self.number = int(self._socket.getsockname()[1])
        except OSError:
            self.release()
            raise
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        self.release()
