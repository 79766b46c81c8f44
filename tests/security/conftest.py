from __future__ import annotations

# The app around fakes, on a real socket with the protocol of the deployed server.
from tests.http.conftest import (  # noqa: F401
    _logs_as_before,
    _protocol,
    app,
    chat,
    http,
    make_app,
    port,
    settings,
)
