"""What the server knows of the database: its functions and its roles' settings, as they were when it last looked.

It looks again when the database says `notify pgrst, 'reload schema'`, as a hosted project does after every change of
its schema. Until then, and while it looks, calls of new functions are answered PGRST202.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psycopg

from dev.data_api.errors import ambiguous_function, no_schema_cache, no_such_function
from dev.data_api.pool import Connection, connect

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.2
_FUNCTIONS = """
select p.proname, p.provolatile = 'v', p.proretset, p.prorettype = 'void'::regtype,
  coalesce(p.proargnames[1:p.pronargs], '{}'), p.pronargdefaults, coalesce(p.proconfig, '{}'),
  array(select format_type(type, null) from unnest(p.proargtypes) with ordinality as _ (type, place) order by place)
from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
"""
# Settings that only a superuser may change are left to the server itself.
_ROLE_SETTINGS = """
select r.rolname, coalesce(r.rolconfig, '{}')
from pg_roles r
where pg_has_role(current_user, r.oid, 'member') and r.rolname <> current_user
"""
# What is taken off a function and set for its whole transaction: set within the function, it would be too late.
_HOISTED = ("statement_timeout", "default_transaction_isolation")


@dataclass(frozen=True)
class Routine:
    """One database function. `parameters` maps names to types, in the order in which they were declared."""

    name: str
    is_volatile: bool
    returns_set: bool
    returns_void: bool
    parameters: Mapping[str, str]
    required: frozenset[str]
    settings: Mapping[str, str]

    def takes(self, arguments: Iterable[str]) -> bool:
        return self.required <= set(arguments) <= set(self.parameters)


@dataclass(frozen=True)
class Snapshot:
    """One look at the database."""

    routines: Mapping[str, tuple[Routine, ...]]
    role_settings: Mapping[str, Mapping[str, str]]


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class SchemaCache:
    """The first look sets `loaded`, every further one `reloaded`.

    While `may_look` is cleared, a look that is due waits: at a large hosted database it takes its time.
    """

    dsn: str
    may_look: asyncio.Event = field(default_factory=_set_event)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    reloaded: asyncio.Event = field(default_factory=asyncio.Event)
    _snapshot: Snapshot | None = None

    def routine(self, name: str, arguments: list[str]) -> Routine:
        """The one of that name that takes these arguments. Raises ApiError (PGRST002, PGRST202, PGRST203)."""
        found = [each for each in self._current().routines.get(name, ()) if each.takes(arguments)]
        if not found:
            raise no_such_function(name, arguments)
        if len(found) > 1:
            raise ambiguous_function(name)
        return found[0]

    def settings_of(self, role: str) -> Mapping[str, str]:
        return self._current().role_settings.get(role, {})

    async def keep(self) -> None:
        """Look, listen, look again, until cancelled. A database that is away is asked again."""
        while True:
            try:
                async with await connect(self.dsn) as connection:
                    await connection.execute("listen pgrst")
                    self._snapshot = await _read(connection)
                    self.loaded.set()
                    while True:
                        # The connection takes no statement while it listens, so one notice at a time.
                        async for _ in connection.notifies(stop_after=1):
                            pass
                        await self.may_look.wait()
                        self._snapshot = await _read(connection)
                        self.reloaded.set()
            except psycopg.Error as error:
                log.info("the schema cache waits for the database: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _current(self) -> Snapshot:
        if self._snapshot is None:
            raise no_schema_cache()
        return self._snapshot


async def _read(connection: Connection) -> Snapshot:
    routines: dict[str, tuple[Routine, ...]] = {}
    for row in await (await connection.execute(_FUNCTIONS)).fetchall():
        name, is_volatile, returns_set, returns_void, names, defaults, config, types = row
        routine = Routine(
            name=name,
            is_volatile=is_volatile,
            returns_set=returns_set,
            returns_void=returns_void,
            parameters=dict(zip(names, types, strict=True)),
            required=frozenset(names[: len(names) - defaults]),
            settings={key: value for key, value in _settings(config).items() if key in _HOISTED},
        )
        routines[name] = (*routines.get(name, ()), routine)
    roles = await (await connection.execute(_ROLE_SETTINGS)).fetchall()
    return Snapshot(routines, {name: _settings(config) for name, config in roles})


def _settings(config: list[str]) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in config)
