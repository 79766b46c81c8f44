"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from dev.errors import DevError

HOST = "127.0.0.1"
# Below the range that kernels hand out for outgoing connections: a port picked from that range may be gone again
# before the child that is meant to have it has started.
_FIRST, _LAST = 20_000, 32_000
_ATTEMPTS = 200


def free_range(count: int, taken: Iterable[int] = ()) -> list[int]:
    """`count` consecutive ports that nothing listens on and that are not in `taken`."""
    avoid = set(taken)
    for _ in range(_ATTEMPTS):
        start = random.randrange(_FIRST, _LAST - count)  # noqa: S311 - spreads starts at the same time, no secret
        ports = list(range(start, start + count))
        if avoid.isdisjoint(ports) and all(is_free(port) for port in ports):
            return ports
    raise DevError(f"no {count} consecutive free ports between {_FIRST} and {_LAST}")


_NEAR = 100  # how far a port may be from the one that was wanted


def near_range(first: int, count: int, taken: Iterable[int] = ()) -> list[int]:
    """`count` consecutive free ports from `first` on, or as near behind it as there are any."""
    avoid = set(taken)
    for start in range(first, first + _NEAR):
        ports = list(range(start, start + count))
        if avoid.isdisjoint(ports) and all(is_free(port) for port in ports):
            return ports
    return free_range(count, avoid)


def function_ports(first: int, count: int) -> list[int]:
    """The ports of the function instances: `first` and following, or any free range when `first` is 0."""
    if first == 0:
        return free_range(count)
    ports = list(range(first, first + count))
    busy = [port for port in ports if not is_free(port)]
    if busy:
        raise DevError(f"port {busy[0]} is in use: stop what listens there, or choose others with --port (0: any free)")
    return ports


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
