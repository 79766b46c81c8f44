"""The operators' pages on a real function: who may see them, what they show, and what the chat pays for them."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.stack import Stack
from tests.web import operators_scene
from tests.web.person import Person
from tests.web.test_access import PHONE, faults

WORD = "xylophone"


def token(running: Stack, **claims: object) -> str:
    told = {"sub": str(uuid.uuid4()), "role": "authenticated", "aud": "authenticated"}
    told |= {"iss": f"{running.supabase}/auth/v1", "exp": int(time.time()) + 3600}  # type: ignore[dict-item]
    return jwt.encode(told | claims, running.jwt_secret, algorithm="HS256")


@pytest.fixture
def turn(running: Stack) -> str:
    """One of any user, answered."""
    with httpx.Client(trust_env=False, timeout=60, headers={"authorization": f"Bearer {token(running)}"}) as client:
        answer = client.post(running.functions[0] + "/", json={"message": f"hello {WORD}"}).raise_for_status().json()
    return str(answer["turn_id"])


@pytest.fixture
def operator(signed_in: Person, running: Stack) -> Iterator[Page]:
    """A tab whose questions for operators carry an operator's token, as the project would have issued it."""
    wrong: list[str] = []
    page = signed_in.page.context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    bearer = f"Bearer {token(running, app_metadata={'role': 'operator'})}"

    def as_operator(route: Route) -> None:
        given = route.request.headers
        route.continue_(headers=given | {"authorization": bearer} if "authorization" in given else given)

    page.route("**/stats**", as_operator)
    yield page
    page.close()
    assert wrong == []


def test_a_user_who_is_no_operator_sees_none_of_it(signed_in: Person, running: Stack) -> None:
    page = signed_in.page.context.new_page()
    page.goto(f"{running.web}#operators")
    expect(page.get_by_role("alert").first).to_have_text("Only operators may see this.")
    expect(page.get_by_text("Turns", exact=True)).to_have_count(0)
    page.close()


def test_figures_the_queue_and_why_one_message_waited(operator: Page, running: Stack, turn: str) -> None:
    operator.goto(f"{running.web}#operators")
    tile = operator.locator(".tiles > div").filter(has_text="open now")
    expect(tile).to_have_text(re.compile(r"Turns[1-9]"))
    expect(
        operator.get_by_role("img", name=re.compile("From the message to its answer. p50: [1-9].* m?s"))
    ).to_be_visible()
    expect(operator.locator(".chart canvas")).to_have_count(4)
    expect(operator.get_by_role("table", name="Tokens by agent").get_by_role("rowheader").first).to_be_visible()
    operator.get_by_role("button", name="Failed").click()
    expect(operator.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")
    operator.goto(f"{running.web}#operators/turns/{turn}")
    bars = operator.get_by_role("list", name="What its time was spent on")
    expect(bars.get_by_text("run of orchestrator")).to_be_visible()
    expect(operator.get_by_role("rowheader", name="turn.accepted")).to_be_visible()
    expect(operator.get_by_text("completed").first).to_be_visible()
    assert WORD not in operator.content()
    operator.get_by_role("link", name="All turns").click()
    expect(operator.get_by_role("heading", name="What goes on")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_a_busy_day_has_no_faults(
    signed_in: Person, browser: Browser, running: Stack, scheme: str, device: dict[str, Any]
) -> None:
    context = browser.new_context(storage_state=signed_in.page.context.storage_state(), color_scheme=scheme, **device)  # type: ignore[arg-type]
    page = context.new_page()
    shut = {"provider": "responses", "model": None, "failures": 9, "code": "provider_auth", "open_ms": 61_000}
    operators_scene.serve(page, breakers=[shut, shut | {"model": "emulated-model", "open_ms": None}])
    page.goto(f"{running.web}#operators")
    expect(page.get_by_role("rowheader", name="0f0e0d0c…").first).to_be_visible()
    expect(page.locator("tr.bad")).to_have_count(2)
    expect(page.get_by_text("behind turn 7d3c21aa…")).to_be_visible()
    breakers = page.get_by_role("table", name="Models that fail")
    expect(breakers.get_by_role("row", name="all of responses 9, provider_auth in 1 min 1 s")).to_be_visible()
    expect(breakers.get_by_role("row", name="emulated-model 9, provider_auth all the time")).to_be_visible()
    assert faults(page) == []
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    page.get_by_role("link", name="0f0e0d0c…").first.click()
    expect(page.get_by_text("blocked by run resp_68f2a0").first).to_be_visible()
    assert faults(page) == []
    assert not page.evaluate(wide)
    context.close()


def test_the_chat_fetches_nothing_of_it(signed_in: Person, running: Stack) -> None:
    page, fetched = signed_in.page.context.new_page(), []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(running.web or "")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.wait_for_load_state("networkidle")
    page.close()
    assert any("SignedIn" in url for url in fetched)
    assert [url for url in fetched if "perators" in url] == []
