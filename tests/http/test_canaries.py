"""Nothing that people or providers wrote, no key and no token appears in a log or in an error."""

from __future__ import annotations

import io
import json

import httpx
import pytest

from shared import logs
from shared.core.errors import OutcomeUnknown, ProviderRefused, StoreUnavailable
from shared.core.turns import TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.tokens import SECRET, bearer, token

CANARY = "canary-41ab"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        ProviderRefused(f"bad key sk-{CANARY}", status=401),
        OutcomeUnknown(CANARY),
        StoreUnavailable(f"https://x.supabase.co?apikey={CANARY}"),
        KeyError(CANARY),
        UnicodeEncodeError("utf-8", f"{CANARY}\ud800", 0, 1, CANARY),
    ],
)
async def test_planted_words_stay_where_they_are(make_app: MakeApp, chat: FakeChat, error: Exception) -> None:
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    chat.error = error
    transport = httpx.ASGITransport(app=make_app(GOOGLE_CLOUD_PROJECT="my-project"))
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        document = {"message": CANARY, "metadata": {"k": CANARY}, "scope": {"kind": "topic", "key": CANARY}}
        trace = {"x-cloud-trace-context": f"{'a' * 32}/1;o=1", "idempotency-key": CANARY}
        responses = [
            await http.post(f"/?q={CANARY}", json=document, headers=bearer() | trace),
            await http.get(f"/turns/{CANARY}?token={CANARY}", headers=bearer()),
            await http.get("/agents", headers={"authorization": f"Bearer {CANARY}"}),
            await http.post("/", json=document | {CANARY + " x": 1}, headers=bearer()),
            await http.post("/", content=CANARY.encode(), headers=bearer() | {"content-type": "application/json"}),
        ]
        chat.error, chat.taken = None, {"status": TurnStatus.FAILED, "error": {"code": CANARY, "message": CANARY}}
        responses.append(await http.post("/", json=document, headers=bearer()))
    for response in responses:
        assert response.status_code >= 400
        assert CANARY not in response.text, response.text
        assert "Traceback" not in response.text
    logged = stream.getvalue()
    for secret in (CANARY, SECRET, token()[:20], "sk-canary", "sb_secret"):
        assert secret not in logged
    lines = [json.loads(line) for line in logged.splitlines()]
    failures = [line for line in lines if line["message"] == "request.failed"]
    assert len(failures) == 1  # once for the failure of ours, and none for what the caller did wrong
    assert failures[0]["logging.googleapis.com/trace"] == f"projects/my-project/traces/{'a' * 32}"
    answered = [line for line in lines if line["message"] == "request.answered"]
    assert [line["request_id"] for line in answered] == [response.headers["x-request-id"] for response in responses]
    assert answered[0]["route"] == "/"
    assert answered[1]["route"] == "/turns/{id}"
