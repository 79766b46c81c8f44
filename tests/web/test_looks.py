"""An answer has one look: while it is being given, at its end and after a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.canned import Canned
from tests.web.person import Person, until

pytestmark = pytest.mark.timeout(120)

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
CUT = "Cut off here"
FORGET = "localStorage.removeItem(Object.keys(localStorage).find((name) => name.endsWith(':turns')))"


def test_an_answer_with_tools_looks_the_same_live_at_its_end_and_after_a_reload(writer: Person) -> None:
    one = writer
    one.say("[[slow 4]] [[aside before the tool]] [[tool read_project {}]] [[say after the tool]]")
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("after the")
    expect(reply).to_have_attribute("data-state", "growing")
    live = one.shape()
    assert live[:3] == ("before the tool", "Used read project", "{}")
    assert "after the tool".startswith(live[4])
    one.expect_idle()
    whole = (*live[:4], "after the tool")
    assert one.shape() == whole
    one.page.reload()
    expect(reply.get_by_text("after the tool")).to_be_visible()
    assert one.shape() == whole
    one.page.evaluate(FORGET)
    one.page.reload()  # as in another browser
    expect(reply.get_by_text("after the tool")).to_be_visible()
    assert one.shape() == whole


def test_an_answer_that_was_handed_over_looks_the_same_at_its_end_and_after_a_reload(writer: Person) -> None:
    one = writer
    one.say("Write a script about a heron.")
    one.hears("It ends with a picture.")
    expect(one.messages.locator('.reply[data-state="growing"]')).to_have_count(0)
    one.expect_idle()
    whole = one.shape()
    one.page.evaluate(FORGET)
    one.page.reload()
    one.hears("Emulated script")
    expect(one.messages.locator(".handed").first).to_contain_text(":")  # why, which is asked for by itself
    assert one.shape() == whole


def test_a_stopped_answer_with_tools_looks_the_same_after_a_reload(writer: Person) -> None:
    one = writer
    one.say(f"[[slow 8]] [[aside before the tool]] [[tool read_project {{}}]] [[say {LONG}]]")
    expect(one.messages.locator(".reply")).to_contain_text("two three")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.sees("Stopped.")
    expect(one.messages.locator(".reply")).to_contain_text(CUT)
    one.expect_idle()
    whole = one.shape()
    assert whole[:2] == ("before the tool", "Used read project")
    one.page.reload()
    expect(one.messages.locator(".reply")).to_contain_text(CUT)
    assert one.shape() == whole


def test_calls_stand_at_their_place_among_characters_of_every_kind_and_sources_below(reader: Person) -> None:
    one = reader
    canned = Canned.of("what?", "\N{OWL}\N{OWL} one\n\ntwo")
    call = {"call_id": "c", "name": "look_up", "state": "done", "input": {}, "output": "seen", "at": 6}
    canned.lines[1] |= {
        "calls": [call],
        "sources": [
            {"url": "https://owls.example/barn", "title": "Barn owls"},
            {"url": "javascript:alert(1)", "title": "No page"},
            {"file_id": "file-1", "title": "owls.pdf"},
        ],
    }
    canned.serve(one.page)
    one.page.reload()
    one.hears("two")
    assert one.shape() == ("\N{OWL}\N{OWL} one", "Used look up", "{}", "seen", "two")
    sources = one.messages.get_by_role("list", name="Sources").get_by_role("listitem")
    expect(sources).to_have_text(["Barn owls", "No page", "owls.pdf"])
    expect(sources.get_by_role("link")).to_have_count(1)
    expect(sources.get_by_role("link")).to_have_attribute("href", "https://owls.example/barn")


def test_what_an_answer_cites_stands_below_it_live_and_after_a_reload(writer: Person) -> None:
    one = writer
    one.say("[[cite https://owls.example/barn Barn owls]] [[say They hunt by ear.]]")
    one.hears("They hunt by ear.")
    sources = one.messages.get_by_role("list", name="Sources").get_by_role("listitem")
    expect(sources).to_have_text(["Barn owls"])
    one.expect_idle()
    expect(sources).to_have_text(["Barn owls"])
    one.page.reload()
    one.hears("They hunt by ear.")
    expect(sources).to_have_text(["Barn owls"])


def test_an_image_is_shown_live_and_after_a_reload(writer: Person) -> None:
    one = writer
    one.say("[[image a red fox]] [[say]]")
    image = one.messages.get_by_role("img", name="a red fox")
    expect(image).to_be_visible()
    one.expect_idle()
    until(one.page, "document.querySelector('.reply img')?.naturalWidth === 256")
    one.page.evaluate(FORGET)
    one.page.reload()
    expect(one.messages.get_by_role("link")).to_have_attribute("download", "a red fox.png")
    until(one.page, "document.querySelector('.reply img')?.naturalWidth === 256")
    expect(one.messages.get_by_role("button", name="Answer again")).to_have_count(1)


def test_an_image_that_is_not_there_says_so(reader: Person) -> None:
    one = reader
    canned = Canned.of("what?", "Look:")
    lost = {"image_id": "00000000-0000-8000-a000-000000000000", "bytes": 1, "media_type": "image/png"}
    left_out = {"image_id": "b", "bytes": 9, "error": {"code": "image_too_large", "message": "It is too large."}}
    canned.lines[1] |= {"images": [lost | {"url": f"/images/{lost['image_id']}"}, left_out]}
    canned.serve(one.page)
    one.page.reload()
    one.sees("It is too large.")
    one.sees("The image could not be loaded.")
    expect(one.messages.get_by_role("button", name="Try again")).to_be_visible()
