from __future__ import annotations

from tests.db.conftest import db, server  # noqa: F401  # fixtures
from tests.http.conftest import _protocol, app, chat, http, make_app  # noqa: F401  # fixtures
from tests.service.conftest import emulator, instances, wire  # noqa: F401  # fixtures
