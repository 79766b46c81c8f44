"""Bodies beside the recorded ones: every wrapping, every spelling, and texts that only look like a conflict."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import (
    ActiveRun,
    NotCancellable,
    NotFoundAtProvider,
    OutcomeUnknown,
    ProviderRefused,
    RateLimited,
    ThreadGone,
    UnansweredCalls,
)
from shared.providers.refusals.classify import from_answer
from shared.providers.text import ID_CHARS

BUSY = "Thread thread_abc already has an active run run_XYZ."


def body(
    message: str, *, code: str | None = None, kind: str | None = "invalid_request_error", param: str | None = None
) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(body(BUSY), id="vendor"),
        pytest.param(json.dumps({"detail": BUSY}), id="detail"),
        pytest.param(json.dumps({"detail": {"error": {"message": BUSY}}}), id="detail-object"),
        pytest.param(json.dumps({"detail": {"message": BUSY}}), id="detail-message"),
        pytest.param(json.dumps({"detail": [{"msg": BUSY}]}), id="detail-list"),
        pytest.param(json.dumps({"detail": [BUSY]}), id="detail-list-of-text"),
        pytest.param(
            json.dumps({"detail": [{"loc": ["body"], "msg": BUSY, "type": "value_error"}]}), id="detail-of-a-framework"
        ),
        pytest.param(json.dumps({"error": BUSY}), id="error-text"),
        pytest.param(json.dumps({"message": BUSY}), id="bare-message"),
        pytest.param(json.dumps({"errors": [{"message": BUSY}]}), id="errors"),
        pytest.param(json.dumps([{"error": {"message": BUSY}}]), id="list"),
        pytest.param(json.dumps(BUSY), id="json-string"),
        pytest.param(BUSY, id="prose"),
        pytest.param("HTTP 400: " + BUSY, id="prose-with-status"),
        pytest.param(json.dumps({"error": body(BUSY)}), id="json-in-string"),
        pytest.param(json.dumps({"error": {"message": body(BUSY), "code": "400"}}), id="json-in-message"),
        pytest.param(body("litellm.BadRequestError: OpenAIException - " + body(BUSY), kind=None), id="gateway"),
        pytest.param(body("Error code: 400 - " + str(json.loads(body(BUSY)))), id="repr-in-message"),
        pytest.param(str({"detail": BUSY}), id="repr"),
        pytest.param(f"event: error\ndata: {body(BUSY)}\n\ndata: [DONE]\n\n", id="stream-frame"),
        pytest.param("\ufeff" + body(BUSY), id="byte-order-mark"),
        pytest.param(body(BUSY)[:110], id="cut-off"),
        pytest.param(body(BUSY) + " " * 500_000, id="huge"),
        pytest.param(body("Fehler: " + BUSY + " Bitte warten."), id="german-around"),
        pytest.param(body("\u9519\u8bef\uff1a" + BUSY[:-1] + "\u3002\u8bf7\u7a0d\u540e\u518d\u8bd5"), id="chinese"),
        pytest.param(body(BUSY, code="conflict"), id="code-conflict"),
        pytest.param(body(BUSY, code="invalid_request_error"), id="code-neutral"),
        pytest.param(json.dumps({"error": {"code": "BadRequest", "message": BUSY}}), id="azure"),
        pytest.param(body("Can't add messages to thread_abc while a run run_XYZ is active."), id="message"),
        pytest.param(body("Can\u2019t add messages to thread_abc while a run run_XYZ is active"), id="apostrophe"),
        pytest.param(body("Thread 'thread_abc' already has an active run 'run_XYZ'."), id="quoted-ids"),
        pytest.param(body("Thread `thread_abc` already has an active run `run_XYZ`"), id="ticked-ids"),
        pytest.param(body("Thread thread_abc already has an active run: run_XYZ, wait for it"), id="colon"),
        pytest.param(body("Thread thread_abc already has an active run (run_XYZ)."), id="brackets"),
        pytest.param(
            body("Thread thread_abc already has an active run with id run_XYZ and status queued"), id="with-id"
        ),
        pytest.param(body("A run (run_XYZ) is already in progress on thread thread_abc"), id="run-first"),
        pytest.param(body("Cannot create run because another run run_XYZ is active on thread_abc."), id="because"),
        pytest.param(body("Thread thread_run_1 already has an active run run_XYZ."), id="run-in-thread-id"),
        pytest.param(body(BUSY + " It was asked for by run_OTHER."), id="two-runs"),
        pytest.param(body("Thread  thread_abc\n already has\u00a0an active run run_XYZ."), id="white-space"),
    ],
)
@pytest.mark.parametrize("status", [400, 409])
def test_a_conflict_is_found_in_every_wrapping_with_its_holder(text: str, status: int) -> None:
    error = from_answer(status, {}, text.encode())

    assert isinstance(error, ActiveRun)
    assert error.run_id == "run_XYZ"


def test_a_quoted_id_may_be_long() -> None:
    run_id = "run_" + "a1" * 2000

    error = from_answer(400, {}, body(f"Thread 'thread_abc' already has an active run '{run_id}'."))

    assert isinstance(error, ActiveRun)
    assert error.run_id == run_id


def test_case_does_not_matter() -> None:
    upper, lower = from_answer(400, {}, body(BUSY.upper())), from_answer(400, {}, body(BUSY.lower()))

    assert isinstance(upper, ActiveRun)
    assert upper.run_id == "RUN_XYZ"
    assert isinstance(lower, ActiveRun)
    assert lower.run_id == "run_xyz"


@pytest.mark.parametrize(
    "run_id",
    [
        "run_" + "a1" * 1000,
        "run_a.b-c/d:e",
        "550e8400-e29b-41d4-a716-446655440000",
        "abcdef",
        "run_\u65e5\u672c\u8a9e",
        "R",
        "7",
        "projects/p/threads/t/runs/r",
    ],
)
@pytest.mark.parametrize("end", [".", "", " ", "!", "\u3002\u8bf7"])
def test_ids_are_opaque(run_id: str, end: str) -> None:
    create = from_answer(400, {}, body(f"Thread thread_abc already has an active run {run_id}{end}"))
    message = from_answer(400, {}, body(f"Can't add messages to thread_abc while a run {run_id} is active{end}"))

    assert isinstance(create, ActiveRun)
    assert create.run_id == run_id
    assert isinstance(message, ActiveRun)
    assert message.run_id == run_id


@pytest.mark.parametrize(
    "message",
    [
        "Thread already has an active run.",
        "Thread already has an active run",
        "Thread thread_abc already has an active run. Please wait.",
        "Thread thread_abc already has an active run in progress.",
        "Thread thread_abc already has an active run somewhere else",
        "Can't add messages to thread_abc while a run is active.",
        "Thread is already running a task.",
        "The thread is currently locked",
        "Another process is currently operating on this conversation.",
        "There is already a run in progress for this conversation",
        "Thread thread_abc already has an active run " + "x" * (ID_CHARS + 1),
    ],
)
def test_a_conflict_may_name_no_run(message: str) -> None:
    error = from_answer(400, {}, body(message))

    assert isinstance(error, ActiveRun)
    assert error.run_id is None


@pytest.mark.parametrize(
    "code",
    [
        "conversation_locked",
        "CONVERSATION_LOCKED",
        "ConversationLocked",
        "conversation-locked",
        "thread_locked",
        "active_run",
        "thread_has_active_run",
        "run_in_progress",
        "conversation_already_has_active_response",
        "THREAD_LOCK_FAILED",
        "thread_busy",
        "ThreadLockedError",
    ],
)
@pytest.mark.parametrize("status", [400, 409, 422, 423, 429])
def test_a_code_needs_no_words(code: str, status: int) -> None:
    shapes = [
        body("\u5404\u4f4d", code=code),
        body("x", kind=code),
        json.dumps({"code": code, "message": "x"}),
        json.dumps({"detail": {"code": code}}),
        json.dumps({"type": "error", "error": {"code": code}}),
        json.dumps({"error": {"code": "BadRequest", "message": "x", "innererror": {"code": code}}}),
        f'{{"error":{{"code":"{code}","mess',
    ]
    for shape in shapes:
        assert isinstance(from_answer(status, {}, shape), ActiveRun), shape


def test_a_bare_string_is_a_code() -> None:
    assert isinstance(from_answer(409, {}, '{"error": "run_in_progress"}'), ActiveRun)
    assert isinstance(from_answer(409, {}, '{"detail": "conversation_locked"}'), ActiveRun)


@pytest.mark.parametrize(
    "text",
    [
        body("Conversation is busy"),
        json.dumps({"detail": "Another request is being processed"}),
        json.dumps({"detail": "Locked"}),
        json.dumps({"message": "Das Gespr\u00e4ch ist gerade locked"}),
    ],
)
def test_a_423_needs_little_else(text: str) -> None:
    assert isinstance(from_answer(423, {}, text), ActiveRun)


@pytest.mark.parametrize(
    "text",
    [
        body('Invalid input: {"code": "conversation_locked"}', code="invalid_value"),
        'Invalid input: {"code": "conversation_locked"}',
        body("Invalid input: {'code': 'conversation_locked', \"code\": \"thread_locked\"}")[:100],
        json.dumps({"detail": [{"loc": ["body", "x"], "msg": "no", "type": "v", "input": {"code": "thread_locked"}}]}),
        json.dumps({"error": {"message": "no", "code": "invalid_value", "metadata": {"code": "conversation_locked"}}}),
        body("Assistant with this name already exists", code="already_exists"),
        body("x", code="run_not_active"),
        body("x", code="thread_not_found_or_locked_max"),
        body('Runs in status "in_progress" do not accept tool outputs.'),
        body("Run creation requires a Thread with a user message.", code="invalid_thread"),
        body("Thread is archived."),
        "",
        "null",
        "[]",
    ],
)
@pytest.mark.parametrize("status", [400, 409, 422])
def test_what_a_user_wrote_is_never_taken_for_a_conflict(text: str, status: int) -> None:
    assert not isinstance(from_answer(status, {}, text), ActiveRun)


@pytest.mark.parametrize(
    "text",
    [
        body("Invalid value: 'Thread x already has an active run y'"),
        body("Invalid value: Thread x already has an active run y."),
        body("'Thread x already has an active run y' is not allowed here"),
        body('Message "Thread x already has an active run y" was flagged'),
        body("\u201cThread x already has an active run y\u201d is not allowed"),
        body("Thread x already has an active run y.", code="invalid_value"),
        body("Thread x already has an active run y.", param="messages[0].content"),
        body("Your message was flagged: Thread x already has an active run y."),
        body("Could not parse: Can't add messages to thread_x while a run y is active."),
        json.dumps({"detail": [{"loc": ["body", "input"], "msg": BUSY, "type": "value_error"}]}),
        "<html><body>Thread t already has an active run r</body></html>",
        json.dumps({"error": {"message": json.dumps({"error": {"message": BUSY}}), "code": "upstream_error"}}),
        json.dumps({"outer": {"inner": [{"text": "Can't add messages to thread_x while a run run_y is active."}]}}),
        "Upstream said:\nCan't add messages to `thread_x`\nwhile a run\n`run_y` is active.",
        "already has an active run",
    ],
)
@pytest.mark.parametrize("status", [400, 409])
def test_the_two_sentences_about_an_active_run_are_a_conflict_anywhere(text: str, status: int) -> None:
    assert isinstance(from_answer(status, {}, text), ActiveRun)
    assert not isinstance(from_answer(status + 100, {}, text), ActiveRun)


@given(
    before=st.text("ab \n\t\u00e4:{}[]\"'\\", max_size=12),
    after=st.text("ab \n\u00e4{}[]\"'\\", max_size=12),
    run_id=st.from_regex(r"run_[A-Za-z0-9]{4,24}", fullmatch=True),
    sentence=st.sampled_from(
        ["Thread t already has an active run {}.", "Can't add messages to t while a run {} is active."]
    ),
    wraps=st.lists(st.sampled_from(["error", "string", "detail", "list", "repr"]), max_size=3),
)
def test_an_active_run_is_found_in_any_wrapping(
    before: str, after: str, run_id: str, sentence: str, wraps: list[str]
) -> None:
    value: Any = f"{before} {sentence.format(run_id)} {after}"
    for wrap in wraps:
        value = {
            "error": {"error": {"message": value, "code": None}},
            "string": json.dumps(value),
            "detail": {"detail": value},
            "list": [value],
            "repr": repr(value),
        }[wrap]
    error = from_answer(400, {}, value if isinstance(value, str) else json.dumps(value))

    assert isinstance(error, ActiveRun)
    assert error.run_id == run_id


@pytest.mark.parametrize(
    "text",
    [
        body("No thread found with id 'thread_x'."),
        json.dumps({"detail": "Conversation with id 'conv_x' not found."}),
        json.dumps({"detail": "Thread not found"}),
        json.dumps({"error": "conversation_not_found"}),
        body("Conversation conv_1 does not exist"),
        body("Conversation 'conv_1' was deleted"),
        body("x", code="thread_not_found"),
    ],
)
def test_a_thread_that_is_gone(text: str) -> None:
    assert isinstance(from_answer(404, {}, text), ThreadGone)


def test_a_previous_response_that_is_gone() -> None:
    words = "Previous response with id 'resp_x' not found."

    assert isinstance(from_answer(400, {}, body("x", code="previous_response_not_found")), ThreadGone)
    assert isinstance(from_answer(400, {}, body(words, param="previous_response_id")), ThreadGone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>404 No thread found</body></html>",
        body("Invalid URL (POST /v1/threads)"),
        body("Unknown request URL: POST /v1/threads/thread_x/runs. Please check the URL for typos."),
        json.dumps({"detail": "Not Found"}),
        json.dumps({"error": {"code": "404", "message": "Resource not found"}}),
        body("The Assistants API has been shut down. Thread support was removed."),
        "404 page not found",
    ],
)
def test_an_api_that_is_absent_is_not_a_thread_that_is_gone(text: str) -> None:
    error = from_answer(404, {}, text)

    assert isinstance(error, ProviderRefused)
    assert error.code == "provider_api_absent"


@pytest.mark.parametrize(
    "text",
    [
        body("No run found with id 'run_x'."),
        body("Response with id 'resp_x' not found."),
        json.dumps({"detail": "Response 'resp_x' not found. Use 'client.responses.list()' to list."}),
        body("x", code="response_not_found"),
    ],
)
def test_a_run_that_is_unknown_says_nothing_of_its_thread(text: str) -> None:
    assert isinstance(from_answer(404, {}, text), NotFoundAtProvider)


@pytest.mark.parametrize("call_id", ["call_X", "fc-1/2:3.x", "call_" + "z" * 500, "7"])
@pytest.mark.parametrize("end", [".", ""])
def test_an_unanswered_call_is_named(call_id: str, end: str) -> None:
    for param in (None, "input"):
        error = from_answer(400, {}, body(f"No tool output found for function call {call_id}{end}", param=param))

        assert isinstance(error, UnansweredCalls)
        assert error.call_id == call_id


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, body("Cannot cancel run with status 'completed'.")),
        (400, body("Cannot cancel a synchronous response.", param="response_id")),
        (409, json.dumps({"detail": "Only background responses can be cancelled"})),
        (400, body("x", code="run_not_cancellable")),
        (409, body("Cannot cancel run with status 'in_progress'.")),
    ],
)
def test_what_cannot_be_cancelled(status: int, text: str) -> None:
    assert isinstance(from_answer(status, {}, text), NotCancellable)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (401, body("Incorrect API key provided: sk-abc.", code="invalid_api_key"), "provider_auth"),
        (401, "", "provider_auth"),
        (403, "<html>", "provider_auth"),
        (403, body("x", code="account_locked"), "provider_auth"),
        (429, body("x", code="insufficient_quota"), "provider_quota"),
        (429, body("x", kind="insufficient_quota"), "provider_quota"),
        (429, body("You exceeded your current quota, please check your plan."), "provider_quota"),
        (402, "", "provider_quota"),
        (404, body("The model `gpt-9` does not exist or you do not have access to it."), "provider_model"),
        (400, body("x", code="model_not_found"), "provider_model"),
        (403, body("x", code="model_not_found"), "provider_model"),
        (404, body("No assistant found with id 'asst_x'."), "provider_refused"),
        (405, "", "provider_api_absent"),
        (400, body("x", code="context_length_exceeded"), "context_too_long"),
        (400, body("Your input exceeds the context window of this model."), "context_too_long"),
        (400, body("Run creation requires a Thread with a user message.", code="invalid_thread"), "provider_refused"),
        (400, "", "provider_refused"),
        (413, "<html>", "provider_refused"),
        (302, "", "provider_refused"),
        (409, body("Assistant with this name already exists", code="already_exists"), "provider_refused"),
    ],
)
def test_a_definite_no_has_a_code(status: int, text: str, code: str) -> None:
    error = from_answer(status, {}, text)

    assert isinstance(error, ProviderRefused)
    assert error.code == code
    assert not error.retryable


@pytest.mark.parametrize("text", ["", "<html>", body("slow down"), body("x", code="rate_limit_exceeded")])
def test_too_many(text: str) -> None:
    error = from_answer(429, {"retry-after": "7"}, text)

    assert isinstance(error, RateLimited)
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 520, 529, 599, 0, -1])
@pytest.mark.parametrize("text", ["", body(BUSY), body("x", code="conversation_locked"), "<html>"])
def test_a_failure_of_the_server_decides_nothing(status: int, text: str) -> None:
    error = from_answer(status, {"retry-after": "3"}, text)

    assert isinstance(error, OutcomeUnknown)
    assert error.retry_after == 3


def test_an_error_inside_a_success_is_believed_only_by_its_code() -> None:
    assert isinstance(from_answer(200, {}, body("x", code="conversation_locked")), ActiveRun)
    assert isinstance(from_answer(200, {}, body(BUSY)), OutcomeUnknown)
    assert isinstance(from_answer(200, {}, "<html>"), OutcomeUnknown)
    assert isinstance(from_answer(200, {}, body("x", code="server_error")), OutcomeUnknown)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"code": "rate_limit_exceeded", "type": "tokens"}, "provider_rate_limited"),
        ({"code": "content_filter"}, "content_flagged"),
        ({"code": "context_length_exceeded"}, "context_too_long"),
        ({"code": "insufficient_quota"}, "provider_quota"),
        ({"code": None, "status": 400}, "provider_refused"),
        ({"code": "invalid_value"}, "provider_refused"),
    ],
)
def test_a_typed_refusal_inside_a_success_is_definite(fields: dict[str, Any], code: str) -> None:
    text = json.dumps({"error": {"message": "No.", **fields}})

    error = from_answer(200, {}, text)

    assert not isinstance(error, OutcomeUnknown)
    assert error.code == code


def test_a_refusal_of_background_says_so() -> None:
    for text in (
        body("no", param="background"),
        body("Background mode is not available here."),
    ):
        assert from_answer(400, {}, text).details["about"] == "background"
    assert "about" not in from_answer(400, {}, body("Invalid input")).details
