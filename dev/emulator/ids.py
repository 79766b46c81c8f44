"""Ids and times in the vendor's forms."""

import secrets
import string
import time

_ALPHABET = string.ascii_letters + string.digits


def thread_wire_id(prefix: str) -> str:
    """For threads, runs, messages, assistants and calls. Random, so that no id of an earlier process returns."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def response_wire_id(prefix: str) -> str:
    """For responses, conversations and items."""
    return f"{prefix}_" + secrets.token_hex(24)


def now() -> float:
    """Seconds since 1970. Bodies carry whole ones, `/_emulator/state` all digits."""
    return time.time()
