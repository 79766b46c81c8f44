"""Ports are free when they are picked, and a taken one is named."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dev.errors import DevError
from dev.ports import HOST, free_range, function_ports, is_free, near_range


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_range_is_consecutive_and_free() -> None:
    ports = free_range(4)
    assert ports == list(range(ports[0], ports[0] + 4))
    assert all(is_free(port) for port in ports)


def test_a_range_avoids_what_is_spoken_for() -> None:
    first = free_range(1)
    assert set(free_range(3, taken=first)).isdisjoint(first)


def test_the_first_port_decides_the_others() -> None:
    first = free_range(3)[0]
    assert function_ports(first, 3) == [first, first + 1, first + 2]


def test_zero_picks_any() -> None:
    assert len(function_ports(0, 2)) == 2


def test_the_next_free_port_is_taken_where_one_is_not(taken: int) -> None:
    assert near_range(taken, 1)[0] > taken
    free = free_range(2)
    assert near_range(free[0], 2) == free
    assert near_range(free[0], 1, taken=[free[0]]) == [free[1]]


def test_a_taken_port_is_named(taken: int) -> None:
    assert not is_free(taken)
    with pytest.raises(DevError, match=f"port {taken} is in use"):
        function_ports(taken - 1, 2)
