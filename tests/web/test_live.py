"""Changes are heard of where there is Realtime, and asked for where there is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Request, Route, WebSocketRoute, expect

from tests.web.canned import Canned
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

USER = """JSON.parse(localStorage.getItem(Object.keys(localStorage).find((one) => one.endsWith("-auth-token"))))"""


class Realtime:
    """As a page hears it: a socket that lets it join a topic and then says what has changed."""

    def __init__(self) -> None:
        self.joined: dict[str, Any] = {}
        self._socket: WebSocketRoute | None = None

    def serve(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._answer)

    def _answer(self, text: str | bytes) -> None:
        join, number, topic, event, payload = json.loads(text)
        if event == "phx_join":
            self.joined = {"topic": topic, **payload}
        self._send([join, number, topic, "phx_reply", {"status": "ok", "response": {"postgres_changes": []}}])

    def tell(self, **change: Any) -> None:
        message = {"type": "broadcast", "event": "changed", "payload": change}
        self._send([None, None, self.joined["topic"], "broadcast", message])

    def _send(self, message: list[Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def end(self) -> None:
        assert self._socket is not None
        self._socket.close()


def test_a_page_that_hears_of_changes_does_not_ask_and_one_that_hears_no_more_does(reader: Person) -> None:
    one, realtime = reader, Realtime()
    canned = Canned.of("a question", "its answer")
    canned.serve(one.page)

    def configure(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "realtime": True})

    one.page.route("**/config.json", configure)
    one.page.route_web_socket(re.compile("/realtime/v1/"), realtime.serve)
    one.page.clock.install()
    one.page.reload()
    one.hears("its answer")
    asked: list[Request] = []
    one.page.on("request", lambda request: asked.append(request) if "/conversations/" in request.url else None)
    while not realtime.joined:
        one.page.clock.run_for(100)
    session = one.page.evaluate(USER)
    assert realtime.joined["topic"] == f"realtime:chat:{session['user']['id']}"
    assert realtime.joined["config"]["private"] is True
    assert realtime.joined["access_token"] == session["access_token"]
    one.page.clock.run_for(1000)

    asked.clear()
    one.page.clock.run_for(24_000)  # in which one that does not hear would ask four times
    assert asked == []
    canned.add("from another browser", "heard of at once")
    realtime.tell(conversation_id=one.conversation, status="idle", seq=4, messages=4)
    with one.page.expect_request(lambda request: "/messages?" in request.url):
        one.page.clock.resume()
    one.hears("heard of at once")

    realtime.end()
    canned.add("once more", "found by asking")
    one.page.clock.fast_forward(100_000)
    one.hears("found by asking")
    expect(one.page.get_by_text("The server does not answer.")).to_have_count(0)
