"""Resets a connection, as a network does that fails in the middle."""

from __future__ import annotations

import socket
import struct

from starlette.types import Scope

NO_LINGER = struct.pack("ii", 1, 0)


def reset_connection(scope: Scope) -> None:
    """A reset, not an orderly end: closing without lingering makes the kernel send RST."""
    transport = scope["state"]["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
