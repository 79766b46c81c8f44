"""The web page as a child process: `python -m dev.web PORT DIRECTORY CONFIG` serves the built files and the config."""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dev.ports import HOST


class Page(SimpleHTTPRequestHandler):
    """Static files, and the configuration of this start as /config.json. Nothing is cached: it is being worked on."""

    def __init__(self, *arguments: Any, config: str, **named: Any) -> None:
        self._config = config.encode()
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/config.json":
            super().do_GET()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self._config)))
        self.end_headers()
        self.wfile.write(self._config)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def serve(port: int, directory: str, config: str) -> None:
    """Serve until the process ends."""
    ThreadingHTTPServer((HOST, port), partial(Page, directory=directory, config=config)).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3])
