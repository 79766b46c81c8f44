"""The AI SDK's own request: what reaches the service of it, how it is answered, and its transcript."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from functions.multi_agent_chat import render_conversations, ui_transcript
from functions.multi_agent_chat.chat_body import conversation_of
from shared.core.model import Message, PlacedCall, User
from shared.core.new_message import ChatRequest, Trigger
from shared.core.turns import MultitaskStrategy, TurnStatus
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.test_bad_fields import CONTROLS, INVISIBLE
from tests.http.tokens import ALICE, BOB, bearer

CHAT = "33333333-3333-4333-8333-333333333333"


def said(text: str, message_id: str = "m1") -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}


def sent(**changes: Any) -> dict[str, Any]:
    """What DefaultChatTransport sends for a message."""
    return {"id": CHAT, "messages": [said("hello")], "trigger": "submit-message"} | changes


async def post(http: httpx.AsyncClient, document: Any, user: str = ALICE, **headers: str) -> httpx.Response:
    return await http.post("/", json=document, headers=bearer(user) | headers)


async def test_what_a_message_becomes(http: httpx.AsyncClient, chat: FakeChat) -> None:
    earlier = [{"anything": [None]}, 1, said("before", "m0")]
    document = sent(messages=[*earlier, said("hello")], agent="writer", metadata={"a": "b"}, wait_seconds=3)
    assert (await post(http, document)).status_code == 200
    message = chat.asks[0][1]
    assert (message.text, message.conversation_id, message.agent, message.metadata) == (
        "hello",
        CHAT,
        "writer",
        {"a": "b"},
    )
    assert message.chat == ChatRequest(Trigger.SUBMIT, None, "m1")
    assert (message.replaces, message.strategy) == (None, MultitaskStrategy.ENQUEUE)


@pytest.mark.parametrize("trigger", Trigger)
async def test_it_may_name_a_message(http: httpx.AsyncClient, chat: FakeChat, trigger: Trigger) -> None:
    await post(http, sent(trigger=trigger.value, messageId="m0"))
    assert chat.asks[0][1].chat == ChatRequest(trigger, "m0", "m1")


async def test_another_answer_may_be_wanted_behind_an_earlier_one(http: httpx.AsyncClient, chat: FakeChat) -> None:
    """Of two messages sent at once the first one's answer stands behind both in the chat."""
    answered = {"id": "a1", "role": "assistant", "parts": []}
    document = sent(messages=[said("one"), said("two", "m2"), answered], trigger="regenerate-message", messageId="a2")
    assert (await post(http, document)).status_code == 200
    assert (chat.asks[0][1].text, chat.asks[0][1].chat) == ("two", ChatRequest(Trigger.REGENERATE, "a2", "m2"))


async def test_the_messages_id_is_its_key_unless_there_is_another(http: httpx.AsyncClient, chat: FakeChat) -> None:
    """A regeneration has none: a page sends the same message with the same key once more, and means another answer."""
    await post(http, sent())
    await post(http, sent(id=CHAT.replace("3", "4")))
    await post(http, sent(), **{"idempotency-key": "mine"})
    await post(http, sent(trigger="regenerate-message"), **{"idempotency-key": "mine"})
    keys = [message.idempotency_key for _, message, _ in chat.asks]
    assert keys[0] != keys[1]
    assert (keys[0], keys[2:]) == (f"{CHAT}/m1", ["mine", None])
    digests = [message.digest() for _, message, _ in chat.asks]
    assert digests[0] == digests[2] == digests[3] != digests[1], "sent once more it means what its first attempt meant"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/event-stream"),
        ("*/*", "text/event-stream"),
        ("text/event-stream", "text/event-stream"),
        ("application/json", "application/json"),
        ("application/json, */*;q=0.5", "application/json"),
    ],
)
async def test_it_is_streamed_unless_json_is_asked_for(
    http: httpx.AsyncClient, accept: str | None, media_type: str
) -> None:
    request = http.build_request("POST", "/", json=sent(), headers=bearer())
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = await http.send(request)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type


async def test_an_id_that_is_no_uuid_names_one_conversation_of_each_user(
    http: httpx.AsyncClient, chat: FakeChat
) -> None:
    for user, chat_id in ((ALICE, "my chat/1"), (ALICE, "my chat/1"), (BOB, "my chat/1"), (ALICE, "my chat/2")):
        await post(http, sent(id=chat_id), user)
    ids = [str(message.conversation_id) for _, message, _ in chat.asks]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    chat.add(ALICE, conversation_id=ids[0], status=TurnStatus.RUNNING, reply=None)
    for headers, status in ((bearer(ALICE), 200), (bearer(BOB), 204)):
        assert (await http.get("/my%20chat%2F1/stream", headers=headers)).status_code == status
    for path in ("/conversations/my%20chat%2F1/stream", "/conversations/my%20chat%2F1"):
        assert (await http.get(path, headers=bearer())).status_code in (404, 406)


@pytest.mark.parametrize("chat_id", ["conversations", "turns", "%", "a" * 200, "\u00e4 \U0001f600", "..."])
async def test_a_chats_id_may_be_almost_anything(http: httpx.AsyncClient, chat: FakeChat, chat_id: str) -> None:
    conversation = conversation_of(User(ALICE, "authenticated"), chat_id)
    chat.add(ALICE, conversation_id=conversation, status=TurnStatus.RUNNING, reply=None)
    path = f"/{httpx.URL('http://x').copy_with(params={'v': chat_id}).query.decode()[2:].replace('+', '%20')}/stream"
    assert (await http.get(path, headers=bearer())).status_code == 200


NO_ID: list[Any] = [None, 1, "", "a" * 201]
NO_MESSAGES: list[Any] = [None, [], {}, "x", [said("x"), "x"], [None]]
BAD: list[tuple[dict[str, Any], str]] = [
    *((sent(trigger=value), "trigger") for value in (None, "", "submit", "resume-stream", 1, ["submit-message"])),
    ({"id": CHAT, "messages": [said("x")]}, "trigger"),
    *((sent(messages=value), "messages") for value in NO_MESSAGES),
    *((sent(id=value), "id") for value in (*NO_ID, [CHAT], *CONTROLS[:-2], *INVISIBLE)),
    *((sent(messageId=value), "messageId") for value in NO_ID),
    *((sent(messages=[said("x") | {"id": value}]), "messages.id") for value in NO_ID),
    (sent(messages=[said("x") | {"role": "assistant"}], trigger="regenerate-message"), "messages.role"),
    (sent(messages=[said("x") | {"parts": [{"type": "file", "url": "x"}]}]), "messages.parts.type"),
    (sent(messages=[said(" ")]), "messages.parts.text"),
    (sent(messages=[said("x" * 32_001)]), "messages.parts.text"),
    ({"trigger": "submit-message", "messages": [said("x")]}, "id"),
    ({"trigger": "submit-message", "id": CHAT}, "messages"),
]


@pytest.mark.parametrize(("document", "field"), BAD)
async def test_what_cannot_be_meant_is_refused(
    http: httpx.AsyncClient, chat: FakeChat, document: dict[str, Any], field: str
) -> None:
    assert_error(await post(http, document), 422, "invalid_request", field)
    assert chat.asks == []


@pytest.mark.parametrize(
    "field", ["message", "conversation_id", "scope", "replaces", "regenerate", "user_id", "messageID"]
)
async def test_the_fields_of_the_other_way_do_not_go_with_it(http: httpx.AsyncClient, field: str) -> None:
    assert_error(await post(http, sent() | {field: CHAT}), 422, "unknown_field", field)


async def test_the_transcript_as_messages(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE)
    path = f"/conversations/{turn.conversation_id}/messages?format=ui"
    page = assert_answer(await http.get(path, headers=bearer()), 200)
    assert [(one["role"], len(one["parts"])) for one in page["messages"]] == [("user", 1), ("assistant", 2)] * 2
    user, assistant = page["messages"][:2]
    assert user["id"] == f"{user['metadata']['turn_id']}:user"
    assert assistant["id"] == assistant["metadata"]["turn_id"]
    assert assistant["parts"][0] == {"type": "text", "text": "hello", "state": "done"}
    assert assistant["parts"][1]["data"] == {"from": "project_manager", "to": "script_writer"}
    newest = assert_answer(await http.get(f"{path}&limit=3", headers=bearer()), 200)
    found = [(one["role"], one["metadata"]["seq"]) for one in newest["messages"]]
    assert found == [("user", 3), ("assistant", 4)], "an answer without its question is left to the next page"
    assert newest["next_before_seq"] == 3
    assert_error(await http.get(f"{path}x", headers=bearer()), 422, "invalid_request", "format")


def test_calls_stand_among_the_words_of_a_message() -> None:
    failed = '{"error": {"code": "unknown_tool", "message": "x"}}'
    calls = (
        PlacedCall("a", "read_project", "", '{"title": "Owls"}', 0),
        PlacedCall("b", "ask_clerk", '{"question": "?"}', failed, 6),
        PlacedCall("c", "write_project", "no JSON", None, 6),
    )
    line = Message("m", 2, "t", 1, "assistant", "boss", "First.\n\nDone.", "", partial=True, calls=calls)
    (message,) = ui_transcript.ui_message_list([line], 9, backwards=False)["messages"]
    tool = {"type": "dynamic-tool", "providerExecuted": True}
    assert message["parts"] == [
        tool
        | {"toolName": "read_project", "toolCallId": "m:a", "input": {}}
        | {"state": "output-available", "output": {"title": "Owls"}},
        {"type": "text", "text": "First.", "state": "done"},
        tool
        | {"toolName": "ask_clerk", "toolCallId": "m:b", "input": {"question": "?"}}
        | {"state": "output-error", "errorText": failed},
        tool
        | {"toolName": "write_project", "toolCallId": "m:c", "input": "no JSON"}
        | {"state": "output-error", "errorText": "It was not answered."},
        {"type": "text", "text": "Done.", "state": "done"},
    ]
    assert [call["state"] for call in render_conversations.transcript_line(line)["calls"]] == ["done", "failed", "open"]
    assert render_conversations.transcript_line(line)["calls"][1]["output"] == failed


@pytest.mark.parametrize("known", [True, False])
def test_calls_that_needed_the_users_word_show_it_to_those_who_know_such_parts(known: bool) -> None:
    late = '{"error": {"code": "expired", "message": "The user did not answer in time."}}'
    cut = '{"error": {"code": "denied", "message": "Because'
    calls = (
        PlacedCall("a", "send", "{}", '"sent"', 0, approved=True),
        PlacedCall("b", "send", "{}", late, 0, approved=False),
        PlacedCall("c", "send", "{}", cut, 0, approved=False),
    )
    line = Message("m", 2, "t", 1, "assistant", "boss", "", "", calls=calls)
    (message,) = ui_transcript.ui_message_list([line], 9, backwards=False, approvals=known)["messages"]
    shown = [(part["state"], part.get("approval")) for part in message["parts"]]
    assert shown == (
        [
            ("output-available", {"id": "a", "approved": True}),
            ("output-denied", {"id": "b", "approved": False, "reason": "The user did not answer in time."}),
            ("output-denied", {"id": "c", "approved": False, "reason": cut}),
        ]
        if known
        else [("output-available", None), ("output-error", None), ("output-error", None)]
    )


def test_an_answer_behind_a_steered_message_has_that_ones_id() -> None:
    """As its stream names it: two messages of one id would be one to a page."""
    asked = Message("1", 1, "t", 1, "user", None, "go", "")
    before = Message("2", 2, "t", 1, "assistant", "boss", "Let me look.", "")
    steered = Message("3", 3, "u", 2, "user", None, "in green", "", steered_into="t")
    after = Message("4", 4, "t", 1, "assistant", "boss", "Done.", "", answers_turn_id="u")
    lines = [asked, before, steered, after]
    shown = ui_transcript.ui_message_list(lines, 9, backwards=False)["messages"]
    assert [one["id"] for one in shown] == ["t:user", "t", "u:user", "u"]
    assert render_conversations.transcript_line(steered)["steered_into"] == "t"


async def test_a_chat_that_is_sent_whole_may_be_long(http: httpx.AsyncClient, chat: FakeChat) -> None:
    history = [said("x" * 1000, f"m{number}") for number in range(900)]
    assert (await post(http, sent(messages=[*history, said("last", "m900")]))).status_code == 200
    assert len(json.dumps(history)) > 900_000
    assert chat.asks[0][1].text == "last"
