"""What PostgREST answers when a call fails: codes of its own, and Postgres' SQLSTATEs with the status it gives them.

The table is read off PostgREST's source, `src/PostgREST/Error.hs`.
"""

from __future__ import annotations

import json
import re

import psycopg

_WHOLE_CODES = {
    "21000": 500,
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42501": 403,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
_CLASSES = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


class ApiError(Exception):
    """One answer that is no result: HTTP status, code, message, and where Postgres says more, details and hint."""

    def __init__(
        self, status: int, code: str, message: str, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.details, self.hint = status, code, message, details, hint

    def body(self) -> bytes:
        return json.dumps(
            {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}
        ).encode()


def no_connection(reason: str) -> ApiError:
    return ApiError(503, "PGRST000", "Database connection error. Retrying the connection.", reason)


def connection_lost(reason: str) -> ApiError:
    return ApiError(503, "PGRST001", "Database client error. Retrying the connection.", reason)


def no_schema_cache() -> ApiError:
    return ApiError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")


def pool_exhausted() -> ApiError:
    return ApiError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def invalid_body() -> ApiError:
    return ApiError(400, "PGRST102", "Empty or invalid json")


def method_refused(method: str) -> ApiError:
    return ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")


def no_such_path() -> ApiError:
    return ApiError(404, "PGRST125", "Invalid path specified in request URL")


def no_such_function(name: str, arguments: list[str]) -> ApiError:
    shown = f"({', '.join(arguments)})" if arguments else " without parameters"
    sought = f"with parameter{'s' if len(arguments) > 1 else ''} {', '.join(arguments)}"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function public.{name}{shown} in the schema cache",
        f"Searched for the function public.{name} {sought if arguments else 'without parameters'}, but no matches "
        "were found in the schema cache.",
    )


def ambiguous_function(name: str) -> ApiError:
    return ApiError(300, "PGRST203", f"Could not choose the best candidate function between: public.{name}")


def token_refused(message: str) -> ApiError:
    """The token cannot be decoded."""
    return ApiError(401, "PGRST301", message)


def claims_refused(message: str) -> ApiError:
    """The token is a token, and what it says does not hold."""
    return ApiError(401, "PGRST303", message)


def database_error(error: psycopg.Error, *, authenticated: bool) -> ApiError:
    """The answer to what Postgres said. An error without an SQLSTATE is one of the connection."""
    if error.sqlstate is None:
        return connection_lost(str(error).strip())
    said = error.diag
    message = said.message_primary or str(error)
    status = status_of(error.sqlstate, message, authenticated=authenticated)
    return ApiError(status, error.sqlstate, message, said.message_detail, said.message_hint)


def status_of(code: str, message: str, *, authenticated: bool) -> int:
    """The HTTP status of an SQLSTATE. `PTnnn` is chosen by the function that raises it."""
    if own := re.fullmatch(r"PT([1-5]\d\d)", code):
        return int(own[1])
    if code == "42501" and not authenticated:
        return 401
    if code == "22023" and message.startswith("role") and message.endswith("does not exist"):
        return 401
    return _WHOLE_CODES.get(code) or _CLASSES.get(code[:2], 400)
