"""Every rule about fields, in many variations: nothing of it may be stored, none of it may be a failure of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared.core.turns import MultitaskStrategy
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, bearer

ID = "33333333-3333-4333-8333-333333333333"
NEVER_TEXT = [None, True, False, 0, 1.5, [], ["x"]]
CONTROLS = [
    "\x00",
    "\x01",
    "\x08",
    "\x1b",
    "\x1f",
    "\x7f",
    "\x80",
    "\x9f",
    "\ud800",
    "\udfff",
]
INVISIBLE = ["", " ", "\t\n", "\u00a0", "\u2003", "\u200b", "\u200d\u200c", "\ufeff", "\u2060", "\u202e", "\u00ad"]
INVISIBLE += ["\u2028", "\u3000", "\u115f", "\u3164", "\uffa0", "\u2800", "\ufe0f", "\U000e0041", "\u034f", "\u180e"]
NOT_UUIDS = [
    *("", "x", ID.upper().replace("3", "A"), f" {ID}", f"{ID}\n", f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", "")),
    *(ID[:-1], f"{ID}3", ID.replace("-", "_"), "g" + ID[1:], "\uff13" + ID[1:], f"{ID}%00", "../../etc/passwd", "null"),
]


async def post(http: httpx.AsyncClient, document: Any, **headers: str) -> httpx.Response:
    content = json.dumps(document).encode()
    return await http.post("/", content=content, headers=bearer() | {"content-type": "application/json"} | headers)


async def refused(http: httpx.AsyncClient, chat: FakeChat, document: Any, field: str | None, *, asked: int = 0) -> None:
    assert_error(await post(http, document), 422, "invalid_request", field)
    assert len(chat.asks) == asked


@pytest.mark.parametrize("document", [None, True, 1, 1.5, "text", [], [{"message": "x"}]])
async def test_the_body_is_an_object(http: httpx.AsyncClient, chat: FakeChat, document: Any) -> None:
    await refused(http, chat, document, None)


@pytest.mark.parametrize("value", [*NEVER_TEXT, *INVISIBLE, "x" * 32_001, "\U0001f600" * 16_001 + "x" * 16_000])
async def test_message_is_a_text_with_something_in_it(http: httpx.AsyncClient, chat: FakeChat, value: Any) -> None:
    await refused(http, chat, {"message": value}, "message")


async def test_message_must_be_there(http: httpx.AsyncClient, chat: FakeChat) -> None:
    await refused(http, chat, {}, "message")
    await refused(http, chat, {"metadata": {}}, "message")


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("place", ["message", "part", "metadata key", "metadata value", "scope key", "agent", "deep"])
async def test_control_and_half_characters_nowhere(
    http: httpx.AsyncClient, chat: FakeChat, control: str, place: str
) -> None:
    text = f"before{control}after"
    documents: dict[str, Any] = {
        "message": {"message": text},
        "part": {"message": {"parts": [{"type": "text", "text": text}]}},
        "metadata key": {"message": "x", "metadata": {text: "v"}},
        "metadata value": {"message": "x", "metadata": {"k": text}},
        "scope key": {"message": "x", "scope": {"kind": "topic", "key": text}},
        "agent": {"message": "x", "agent": text},
        "deep": {"message": {"parts": [{"type": "text", "text": "x", "providerMetadata": {"a": [text]}}]}},
    }
    error = assert_error(await post(http, documents[place]), 422, "invalid_request", PLACES[place])
    assert error["details"]["character"] == f"U+{ord(control):04X}"
    assert error["details"]["position"] == len("before") + 1
    assert error["details"]["character"] in error["message"]
    assert chat.asks == []


PLACES = {
    "message": "message",
    "part": "message.parts[0].text",
    "metadata key": "metadata",
    "metadata value": "metadata.k",
    "scope key": "scope.key",
    "agent": "agent",
    "deep": "message.parts[0].providerMetadata.a[0]",
}


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\x0b", "\x0c", "\x85", "\n"])
async def test_pasted_line_ends_are_newlines(http: httpx.AsyncClient, chat: FakeChat, newline: str) -> None:
    text = f"one{newline}two{newline}{newline}three"
    for message in (text, {"role": "user", "parts": [{"type": "text", "text": text}]}):
        metadata = {"note": text}
        assert_answer(await post(http, {"message": message, "metadata": metadata}), 200)
        assert chat.asks[-1][1].text == "one\ntwo\n\nthree"
        assert chat.asks[-1][1].metadata == {"note": "one\ntwo\n\nthree"}
    await refused(http, chat, {"message": "x", "scope": {"kind": "topic", "key": f"a{newline}b"}}, "scope.key", asked=2)


async def test_two_keys_that_become_one_are_refused(http: httpx.AsyncClient, chat: FakeChat) -> None:
    document = {"message": "x", "metadata": {"a\rb": "1", "a\x0bb": "2"}}
    assert_error(await post(http, document), 400, "invalid_json")
    assert chat.asks == []


@pytest.mark.parametrize("character", ["x", "\u6f22", "\U0001f600", "\u05e9", "\x85"])
async def test_a_text_of_any_script_may_have_32000_characters(
    http: httpx.AsyncClient, chat: FakeChat, character: str
) -> None:
    text = "x" + character * 31_999
    assert_answer(await post(http, {"message": text}), 200)
    assert chat.asks[-1][1].text == text.replace("\x85", "\n")
    error = assert_error(await post(http, {"message": text + "x"}), 422, "invalid_request", "message")
    assert error["details"]["limit"] == 32_000
    assert "32000" in error["message"]


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table turns; --",
        "<script>alert(1)</script>",
        "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
        "  leading and trailing  ",
        "tab\tand\nnewline",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\ufeffwith a mark",
        "${jndi:ldap://x} %s %00 \\u0000 {{7*7}}",
        "\ufffd\uffff\U0010ffff",
        "\u0301",
        "x" * 32_000,
        "\\",
        '"',
        "null",
        "0",
        "\ue000",
    ],
)
async def test_everything_else_is_kept_unchanged(http: httpx.AsyncClient, chat: FakeChat, text: str) -> None:
    for message in (text, {"role": "user", "parts": [{"type": "text", "text": text}]}):
        assert_answer(await post(http, {"message": message}), 200)
        assert chat.asks[-1][1].text == text


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "message.parts"),
        ({"parts": []}, "message.parts"),
        ({"parts": None}, "message.parts"),
        ({"parts": "text"}, "message.parts"),
        ({"parts": {"type": "text", "text": "x"}}, "message.parts"),
        ({"parts": ["x"]}, "message.parts"),
        ({"parts": [{"type": "text"}]}, "message.parts.text"),
        ({"parts": [{"text": "x"}]}, "message.parts.type"),
        ({"parts": [{"type": "text", "text": 1}]}, "message.parts.text"),
        ({"parts": [{"type": "text", "text": ["x"]}]}, "message.parts.text"),
        ({"parts": [{"type": ["text"], "text": "x"}]}, "message.parts.type"),
        ({"parts": [{"type": "file", "url": "https://x"}]}, "message.parts.type"),
        ({"parts": [{"type": "text", "text": "x"}, {"type": "reasoning", "text": "y"}]}, "message.parts.type"),
        ({"parts": [{"type": "text", "text": " "}]}, "message.parts.text"),
        ({"parts": [{"type": "text", "text": "x" * 16_001}, {"type": "text", "text": "y" * 16_000}]}, "message"),
        ({"role": "assistant", "parts": [{"type": "text", "text": "x"}]}, "message.role"),
        ({"role": "system", "parts": [{"type": "text", "text": "x"}]}, "message.role"),
        ({"role": None, "parts": [{"type": "text", "text": "x"}]}, "message.role"),
        ({"id": 5, "parts": [{"type": "text", "text": "x"}]}, "message.id"),
        ({"metadata": "x", "parts": [{"type": "text", "text": "x"}]}, "message.metadata"),
    ],
)
async def test_messages_of_the_ai_sdk(http: httpx.AsyncClient, chat: FakeChat, message: Any, field: str) -> None:
    await refused(http, chat, {"message": message}, field)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"message": "x", "user_id": ID}, "user_id"),
        ({"message": "x", "role": "service_role"}, "role"),
        ({"message": "x", "Message": "y"}, "Message"),
        ({"message": "x", "thread_id": "thread_1"}, "thread_id"),
        ({"message": "x", "__proto__": {}}, "__proto__"),
        ({"message": "x", "status": "completed"}, "status"),
        ({"message": "x", "": 1}, None),
        ({"message": "x", "a b": 1}, None),
        ({"message": "x", "m\u00e9": 1}, None),
        ({"message": "x", "y" * 65: 1}, None),
        ({"message": {"parts": [{"type": "text", "text": "x"}], "content": "y"}}, "message.content"),
        ({"message": {"parts": [{"type": "text", "text": "x", "url": "y"}]}}, "message.parts.url"),
        ({"message": "x", "scope": {"kind": "user", "user_id": ID}}, "scope.user_id"),
    ],
)
async def test_fields_nobody_knows(http: httpx.AsyncClient, chat: FakeChat, document: Any, field: str | None) -> None:
    response = await post(http, document)
    body = assert_error(response, 422, "unknown_field", field)
    if field is None:
        assert "details" not in body
    assert chat.asks == []


@pytest.mark.parametrize("value", [*NEVER_TEXT, {}, *NOT_UUIDS])
async def test_conversation_id_is_a_canonical_uuid(http: httpx.AsyncClient, chat: FakeChat, value: Any) -> None:
    await refused(http, chat, {"message": "x", "conversation_id": value}, "conversation_id")


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        (None, "scope"),
        ("user", "scope"),
        ([], "scope"),
        (True, "scope"),
        ({}, "scope.kind"),
        ({"key": "x"}, "scope.kind"),
        ({"kind": "tenant", "key": "x"}, "scope.kind"),
        ({"kind": "USER"}, "scope.kind"),
        ({"kind": None, "key": "x"}, "scope.kind"),
        ({"kind": ["user"]}, "scope.kind"),
        ({"kind": {}}, "scope.kind"),
        ({"kind": "topic"}, "scope.key"),
        ({"kind": "session", "key": ""}, "scope.key"),
        ({"kind": "user", "key": ""}, "scope.key"),
        ({"kind": "user", "key": None}, "scope.key"),
        ({"kind": "topic", "key": " "}, "scope.key"),
        ({"kind": "topic", "key": "\u200b"}, "scope.key"),
        ({"kind": "topic", "key": "a\nb"}, "scope.key"),
        ({"kind": "topic", "key": "a\tb"}, "scope.key"),
        ({"kind": "topic", "key": "x" * 256}, "scope.key"),
        ({"kind": "topic", "key": 7}, "scope.key"),
        ({"kind": "topic", "key": {}}, "scope.key"),
    ],
)
async def test_scope(http: httpx.AsyncClient, chat: FakeChat, scope: Any, field: str) -> None:
    await refused(http, chat, {"message": "x", "scope": scope}, field)


async def test_conversation_and_scope_exclude_each_other(http: httpx.AsyncClient, chat: FakeChat) -> None:
    await refused(http, chat, {"message": "x", "conversation_id": ID, "scope": {"kind": "user"}}, "scope")


@pytest.mark.parametrize(
    "value", [*NEVER_TEXT, {}, "", "Agent", "a-b", "a b", "_a", "a_", "a__b", "\u00e9", "a\n", "x" * 53, "../a", "a;--"]
)
async def test_agent_is_a_slug(http: httpx.AsyncClient, chat: FakeChat, value: Any) -> None:
    await refused(http, chat, {"message": "x", "agent": value}, "agent")


@pytest.mark.parametrize("value", [*NEVER_TEXT, {}, "", "Enqueue", "enqueue ", "drop", "MultitaskStrategy.REJECT"])
async def test_strategies_that_do_not_exist(http: httpx.AsyncClient, chat: FakeChat, value: Any) -> None:
    await refused(http, chat, {"message": "x", "multitask_strategy": value}, "multitask_strategy")


@pytest.mark.parametrize("strategy", list(MultitaskStrategy))
async def test_strategies_that_do_exist(http: httpx.AsyncClient, chat: FakeChat, strategy: MultitaskStrategy) -> None:
    assert_answer(await post(http, {"message": "x", "multitask_strategy": strategy.value}), 200)
    assert chat.asks[0][1].strategy is strategy


@pytest.mark.parametrize(
    "value", ["-1", "-0.001", "true", "false", "null", '"5"', "[]", "{}", "[1]", "1e999", "-1e999"]
)
async def test_wait_seconds_is_a_finite_number(http: httpx.AsyncClient, chat: FakeChat, value: str) -> None:
    content = f'{{"message": "x", "wait_seconds": {value}}}'.encode()
    response = await http.post("/", content=content, headers=bearer() | {"content-type": "application/json"})
    assert_error(response, 422, "invalid_request", "wait_seconds")
    assert chat.asks == []


@pytest.mark.parametrize("value", ["0", "0.0", "-0.0", "1", "1e2", "150", "151", "1e300", "9" * 400])
async def test_wait_seconds_that_are_fine(http: httpx.AsyncClient, chat: FakeChat, value: str) -> None:
    content = f'{{"message": "x", "wait_seconds": {value}}}'.encode()
    response = await http.post("/", content=content, headers=bearer() | {"content-type": "application/json"})
    assert_answer(response, 200)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, "x", [], [["k", "v"]]),
        *({"k": None}, {"k": 1}, {"k": True}, {"k": {}}, {"k": ["v"]}),
        *({"": "v"}, {" ": "v"}, {"k" * 65: "v"}, {"k": "v" * 513}, {"a\nb": "v"}),
        {f"k{number}": "v" for number in range(17)},
    ],
)
async def test_metadata_is_a_few_short_texts(http: httpx.AsyncClient, chat: FakeChat, value: Any) -> None:
    await refused(http, chat, {"message": "x", "metadata": value}, "metadata")


async def test_metadata_at_its_limits(http: httpx.AsyncClient, chat: FakeChat) -> None:
    value = {f"{number:064}": "v" * 512 for number in range(15)} | {"empty": ""}
    assert_answer(await post(http, {"message": "x", "metadata": value}), 200)
    assert chat.asks[0][1].metadata == value


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9", "a\tb", "\x7f", "k\x00"])
async def test_idempotency_keys_that_are_none(http: httpx.AsyncClient, chat: FakeChat, key: str) -> None:
    headers = [*bearer().items(), ("content-type", "application/json"), ("idempotency-key", key.encode())]
    response = await http.post("/", content=b'{"message":"x"}', headers=headers)  # type: ignore[arg-type]
    assert_error(response, 400, "invalid_idempotency_key")
    assert chat.asks == []


@pytest.mark.parametrize("key", ["1", "x" * 255, "!~\"'{}", ID])
async def test_idempotency_keys(http: httpx.AsyncClient, chat: FakeChat, key: str) -> None:
    assert_answer(await post(http, {"message": "x"}, **{"idempotency-key": key}), 200)
    assert chat.asks[0][1].idempotency_key == key


async def test_the_same_meaning_is_the_same_ask(http: httpx.AsyncClient, chat: FakeChat) -> None:
    one = b'{"message":"\\u0068i","metadata":{"a":"1","b":"2"},"wait_seconds":0}'
    two = b'  {"wait_seconds": 9,\n"metadata": {"b": "2", "a": "1"}, "message": "hi"}'
    other = b'{"message":"hi ","metadata":{"a":"1","b":"2"}}'
    for content in (one, two, other):
        headers = bearer() | {"content-type": "application/json", "idempotency-key": "k"}
        assert_answer(await http.post("/", content=content, headers=headers), 200)
    digests = [message.digest() for _, message, _ in chat.asks]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *(
            (f"/conversations?limit={value}", "limit")
            for value in ("0", "101", "-1", "1.0", "x", "", "+1", "01", "1e1")
        ),
        *((f"/conversations?limit={value}", "limit") for value in ("%31%00", "\uff11", "9" * 5000)),
        ("/conversations?limit=1&limit=2", "limit"),
        ("/conversations?before=1", "before"),
        (f"/conversations?before={ID.replace('3', 'A')}", "before"),
        (f"/conversations?before={ID}&before={ID}", "before"),
        (f"/conversations/{ID}/messages?after_seq=-1", "after_seq"),
        (f"/conversations/{ID}/messages?after_seq=1.5", "after_seq"),
        (f"/conversations/{ID}/messages?after_seq=99999999999999999", "after_seq"),
        (f"/conversations/{ID}/messages?limit=1000", "limit"),
        *(
            (f"/turns/{ID}?wait_seconds={value}", "wait_seconds")
            for value in ("-1", "nan", "inf", "1e3", "x", "", "1_0", ".")
        ),
    ],
)
async def test_query_parameters(http: httpx.AsyncClient, path: str, field: str) -> None:
    assert_error(await http.get(path, headers=bearer()), 422, "invalid_request", field)


@pytest.mark.parametrize(
    "value", [value for value in NOT_UUIDS if value.isascii() and not set(value) & set("/\n %?#{}")]
)
@pytest.mark.parametrize("pattern", ["/turns/{}", "/conversations/{}", "/conversations/{}/messages"])
async def test_ids_in_paths_that_are_none_do_not_exist(http: httpx.AsyncClient, pattern: str, value: str) -> None:
    assert_error(await http.get(pattern.format(value), headers=bearer(ALICE)), 404, "not_found")
