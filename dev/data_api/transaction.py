"""One call of one function in one transaction, sent as PostgREST sends it.

The whole transaction goes out in one pipeline, so a call costs one round trip; every statement is prepared once per
connection.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import cache

import psycopg

from dev.data_api.api_keys import Caller
from dev.data_api.errors import connection_lost, database_error
from dev.data_api.pool import Connection
from dev.data_api.schema_cache import Routine

_SEARCH_PATH = '"public", "extensions"'


async def run(
    connection: Connection,
    caller: Caller,
    routine: Routine,
    given: list[str],
    body: str,
    role_settings: Mapping[str, str],
) -> str:
    """The function's result as JSON text. Raises ApiError; the transaction is then rolled back."""
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
    access = "read write" if routine.is_volatile else "read only"
    try:
        async with connection.pipeline():
            await connection.execute(f"begin isolation level read committed {access}", prepare=True)
            await connection.execute(_set_statement(tuple(settings)), list(settings.values()), prepare=True)
            statement = _call_statement(_Shape.of(routine, given))
            cursor = await connection.execute(statement, [body] if given else [], prepare=True)
            await connection.execute("commit", prepare=True)
        row = await cursor.fetchone()
    except psycopg.Error as error:
        with contextlib.suppress(psycopg.Error):
            await connection.execute("rollback")
        raise database_error(error, authenticated=caller.authenticated) from None
    if row is None:
        raise connection_lost("no row came back")
    return str(row[0])


class _Shape(tuple[str, bool, tuple[tuple[str, str], ...]]):
    """All that the text of a call depends on: the function, whether it returns a set, names and types given."""

    __slots__ = ()

    @classmethod
    def of(cls, routine: Routine, given: list[str]) -> _Shape:
        types = tuple((name, kind) for name, kind in routine.parameters.items() if name in given)
        return cls((routine.name, routine.returns_set, types))


@cache
def _set_statement(names: tuple[str, ...]) -> bytes:
    calls = ", ".join(f"set_config({_literal(name)}, %s, true)" for name in names)
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
            f"(select * from json_to_record(%s::json) as _({columns}) limit 1) arguments, "  # noqa: S608 - identifiers are quoted
            f"lateral (select {function}({passed}) as result) call"
        )
    else:
        source = f"(select {function}() as result) call"
    every = "coalesce(json_agg(call.result), '[]')" if returns_set else "coalesce(json_agg(call.result)->0, 'null')"
    return f"select {every}::text from {source}".encode()  # noqa: S608 - identifiers are quoted


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"
