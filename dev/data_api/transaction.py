"""One call of one function in one transaction, sent as PostgREST sends it.

The whole transaction goes out at once, so a call costs one round trip.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import cache

import psycopg

from dev.data_api.api_keys import Caller
from dev.data_api.errors import database_error
from dev.data_api.round_trip import Session
from dev.data_api.schema_cache import Routine

_BEGIN_READ_WRITE = b"begin isolation level read committed read write"
_BEGIN_READ_ONLY = b"begin isolation level read committed read only"
_SEARCH_PATH = '"public", "extensions"'


async def run(
    session: Session,
    caller: Caller,
    routine: Routine,
    given: list[str],
    body: bytes,
    role_settings: Mapping[str, str],
) -> bytes:
    """The function's result as JSON. Raises ApiError; the transaction is then rolled back."""
    settings = {
        "search_path": _SEARCH_PATH,
        **role_settings,
        "role": caller.role,
        "request.jwt.claims": json.dumps(caller.claims),
        "request.method": "POST",
        "request.path": f"/rpc/{routine.name}",
        "request.headers": "{}",
        "request.cookies": "{}",
        **routine.settings,
    }
    begin = _BEGIN_READ_WRITE if routine.is_volatile else _BEGIN_READ_ONLY
    call = _call_statement(_Shape.of(routine, given))
    values = [value.encode() for value in settings.values()]
    try:
        _, _, result, _ = await session.run(
            (begin, ()), (_set_statement(tuple(settings)), values), (call, [body] if given else []), (b"commit", ())
        )
    except psycopg.Error as error:
        with contextlib.suppress(psycopg.Error):
            await session.run((b"rollback", ()))
        raise database_error(error, authenticated=caller.authenticated) from None
    return result.get_value(0, 0) or b"null"


class _Shape(tuple[str, bool, tuple[tuple[str, str], ...]]):
    """All that the text of a call depends on: the function, whether it returns a set, names and types given."""

    __slots__ = ()

    @classmethod
    def of(cls, routine: Routine, given: list[str]) -> _Shape:
        types = tuple((name, kind) for name, kind in routine.parameters.items() if name in given)
        return cls((routine.name, routine.returns_set, types))


@cache
def _set_statement(names: tuple[str, ...]) -> bytes:
    calls = ", ".join(f"set_config({_literal(name)}, ${place}, true)" for place, name in enumerate(names, start=1))
    return f"select {calls}".encode()


@cache
def _call_statement(shape: _Shape) -> bytes:
    """Arguments get the types of the parameters by `json_to_record`, which refuses what cannot be cast."""
    name, returns_set, types = shape
    function = f"public.{_identifier(name)}"
    if types:
        columns = ", ".join(f"{_identifier(parameter)} {kind}" for parameter, kind in types)
        passed = ", ".join(f"{_identifier(parameter)} := arguments.{_identifier(parameter)}" for parameter, _ in types)
        source = (
            f"(select * from json_to_record($1::json) as _({columns}) limit 1) arguments, "  # noqa: S608 - identifiers are quoted
            f"lateral (select {function}({passed}) as result) call"
        )
    else:
        source = f"(select {function}() as result) call"
    every = "coalesce(json_agg(call.result), '[]')" if returns_set else "coalesce(json_agg(call.result)->0, 'null')"
    return f"select {every}::text from {source}".encode()  # noqa: S608 - identifiers are quoted


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
