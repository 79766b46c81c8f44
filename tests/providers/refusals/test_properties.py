"""Any body gives one error of the tree, and nothing of the body shows in it."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import ActiveRun, OutcomeUnknown, ProviderError
from shared.providers.refusals.classify import from_answer, from_transport
from shared.providers.text import clean, clean_json, excerpt

STATUSES = st.one_of(st.sampled_from([200, 302, 400, 401, 404, 408, 409, 422, 423, 429, 500]), st.integers(-5, 1000))
WORDS = st.sampled_from(
    [
        "thread",
        "already has an active run",
        "error",
        "message",
        "code",
        "detail",
        "conversation_locked",
        "run_a",
        "'",
        "{",
    ]
)
TEXT = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["error", "detail", "message", "code", "type", "param", "loc", "status"]), TEXT),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date", "x"]), st.text(max_size=40))


def check(error: ProviderError, status: int) -> None:
    assert isinstance(error, ProviderError)
    assert len(error.message) <= 300
    assert "\n" not in error.message
    assert error.retry_after is None or 0 <= error.retry_after <= 60
    if status == 408 or status >= 500 or status < 100:
        assert isinstance(error, OutcomeUnknown)
    json.dumps([error.message, error.code, error.details]).encode()


@settings(max_examples=300)
@given(STATUSES, HEADERS, st.one_of(st.none(), st.binary(max_size=300), TEXT))
def test_any_bytes(status: int, headers: dict[str, str], body: bytes | str | None) -> None:
    check(from_answer(status, headers, body), status)


@settings(max_examples=300)
@given(STATUSES, JSON)
def test_any_json(status: int, value: Any) -> None:
    check(from_answer(status, {}, json.dumps(value)), status)
    check(from_answer(status, {}, repr(value)), status)
    check(from_answer(status, {}, json.dumps(value)[:-1]), status)


def test_what_is_nested_without_end_is_read_no_further() -> None:
    for deep in ("[" * 100_000, '{"error":' * 50_000, "{'error':" * 5_000, "(" * 60_000, json.dumps("{" * 60_000)):
        check(from_answer(400, {}, deep), 400)


@given(st.from_regex(r"run_[A-Za-z0-9\-]{1,40}", fullmatch=True), st.from_regex(r"thread_\w{1,20}", fullmatch=True))
def test_any_id_of_the_vendors_alphabet_is_found(run_id: str, thread_id: str) -> None:
    error = from_answer(400, {}, f"Thread {thread_id} already has an active run {run_id}.")

    assert isinstance(error, ActiveRun)
    assert error.run_id == run_id


@given(st.text(min_size=1, max_size=80))
def test_a_quoted_text_decides_nothing(text: str) -> None:
    quoted = json.dumps({"error": {"message": f"Invalid value: {json.dumps(text)}", "code": None}})

    assert not isinstance(from_answer(400, {}, quoted), ActiveRun)


SECRETS = [
    "sk-proj-abcdefghijklmnop",
    "sk_live_12345678",
    "Bearer abc.def.ghi",
    "eyJhbGciOiJIUzI1NiJ9.e30.x",
    "api_key=hunter22",
]


def test_no_secret_and_no_message_of_a_user_gets_out() -> None:
    for secret in SECRETS:
        for text in (f"Incorrect API key provided: {secret}.", f"no {secret} here", f"'{secret}'"):
            for status in (400, 401, 404, 429, 500):
                error = from_answer(
                    status, {}, json.dumps({"error": {"message": text, "code": secret, "param": secret}})
                )
                assert secret.split()[-1].split("=")[-1] not in f"{error.message} {error.details}"
    said = from_answer(400, {}, json.dumps({"detail": "Invalid value: 'my secret diary' is too much"}))
    assert "diary" not in said.message
    assert "is too much" in said.message


@given(st.text(alphabet=st.characters(), max_size=200))
def test_clean_text_is_what_postgres_takes(text: str) -> None:
    cleaned = clean(text + "\x00\ud800\udc00\udfff")

    assert "\x00" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned
    excerpt(text).encode()


def test_clean_text_keeps_what_is_whole() -> None:
    assert clean("na\u00efve \U0001f600 \u05e9") == "na\u00efve \U0001f600 \u05e9"
    assert clean("\ud83d\ude00") == "\U0001f600"
    assert clean("a\ud800b\x00c") == "a\ufffdbc"


@given(
    st.recursive(TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=6),
    st.lists(st.sampled_from(["\x00", "\ud800", "\udc00", "\\", "\\u0000", "\U0001f600", "a", '"']), max_size=8),
)
def test_clean_json_is_clean_when_parsed(value: Any, odd: list[str]) -> None:
    given_text = json.dumps([value, "".join(odd)])

    parsed = json.loads(clean_json(given_text))

    json.dumps(parsed, ensure_ascii=False).encode()
    assert "\\u0000" not in json.dumps(parsed).replace("\\\\", "")
    if "\\u0000" not in given_text:  # dropped from between two halves it makes them one
        assert parsed == cleaned(json.loads(given_text))


def cleaned(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else [cleaned(each) for each in value]


def test_transport_errors_of_any_kind_are_read() -> None:
    for error in (ValueError("x"), OSError(104, "reset"), RuntimeError(), EOFError()):
        assert isinstance(from_transport(error), OutcomeUnknown)
