"""What can go wrong on a developer's machine; every message is one a person can act on."""

from __future__ import annotations


class DevError(Exception):
    """The stack cannot be started. The message is printed as it is, without a traceback."""
