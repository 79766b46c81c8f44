"""Reads what a provider refused with, once, into the tree of core/errors.py.

Codes decide where there is one, sentences only where there is none, and the HTTP status says how sure we may be that
nothing was started: a 4xx is definite, a 408 or 5xx is not. Reads use the same table as creates; the caller knows
what an unknown outcome means for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ActiveRun,
    NotCancellable,
    NotFoundAtProvider,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ThreadGone,
    UnansweredCalls,
)
from shared.core.redaction import shown_code
from shared.providers.refusals import codes
from shared.providers.refusals.busy import told_active_run
from shared.providers.refusals.error_body import BODY_CHARS, Fault, read_error, snake
from shared.providers.refusals.sentences import Sentence
from shared.providers.retry_after import retry_seconds, told_seconds
from shared.providers.text import clean, excerpt, is_path_step

_LOCK_STATUSES = frozenset({400, 409, 412, 422, 423, 425, 428, 429})
_SENTENCE_STATUSES = frozenset({400, 409, 422, 423})
_REQUEST_PARAMS = re.compile(
    r"^(?:body\W+\w+|input|messages?|additional_messages|content|metadata|instructions|tools?)\b"
)

DISPENSABLE = (
    *("metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"),
    *("temperature", "top_p", "reasoning_effort", "verbosity"),
)
"""What a create can do without, by our names. What bounds a run or is promised of its reply is none of them."""
_OUR_NAMES = {"effort": "reasoning_effort", "reasoning": "reasoning_effort"}
_ACTIVE_RUN_STATUSES = frozenset({400, 409})

_AUTH_STATUSES = frozenset({401, 403, 407})
_THREAD_WORDS = re.compile(r"thread|conversation|session", re.IGNORECASE)

# By class name, along the whole family tree: httpx, its successor and httpcore name their errors alike.
_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}
    | {"ConnectionRefusedError", "gaierror", "SSLCertVerificationError"}
)


def from_answer(status: int, headers: Mapping[str, str] | None, body: bytes | str | None) -> ProviderError:
    """The error that this answer means. Never raises.

    `headers` in lower case or case-insensitive, as httpx has them; `body` is read up to a bound.
    """
    try:
        fault = read_error(body)
        if status in _ACTIVE_RUN_STATUSES and (told := told_active_run(_text(body))) is not None:
            run_id = Sentence(fault.message).active_run_id() or told
            common = _common(status, headers or {}, fault)
            return ActiveRun("Another run is active on the thread.", run_id=_bounded(run_id), **common)
        return _read(status, headers or {}, fault)
    except Exception:  # a reader of foreign bytes must not become the failure itself
        return OutcomeUnknown(f"The provider answered {status} with something unreadable.", status=status)


def from_transport(error: BaseException) -> ProviderError:
    """The error that a failed exchange means: NotSent only where no byte of the request can have left."""
    seen: BaseException | None = error
    for _ in range(5):  # SDKs wrap what the transport raised
        if seen is None:
            break
        family = {kind.__name__ for kind in type(seen).__mro__}
        if family & _NEVER_SENT:
            return NotSent(f"The provider could not be reached ({type(seen).__name__}).")
        if "TransportError" in family:
            break  # the transport's own word stands; its causes say less
        seen = seen.__cause__ or seen.__context__
    return OutcomeUnknown(f"The exchange with the provider broke off ({type(error).__name__}).")


def _read(status: int, headers: Mapping[str, str], fault: Fault) -> ProviderError:
    sentence = Sentence(fault.message)
    if 200 <= status < 300:
        # A gateway's way to fail, and a stream's: the error inside a 200. It is definite where it is typed.
        meant = _status_of(fault)
        if meant is None:
            return OutcomeUnknown(_line(status, fault, "could not be read"), **_common(status, headers, fault))
        return _read(meant, headers, fault)
    common = _common(status, headers, fault)
    if status == 408 or status >= 499 or status < 100:
        return OutcomeUnknown(_line(status, fault, "failed at the provider"), **common)
    return (
        _lock(status, fault, sentence, common)
        or _missing(status, fault, sentence, common)
        or _unusable(status, fault, sentence, common)
        or ProviderRefused(_line(status, fault, "was refused"), **common)
    )


def run_refusal(code: str, message: str) -> ProviderError:
    """The error that a run's own failure means, as if the provider had refused its create with it."""
    fault = Fault(codes=(snake(code),) if code else (), message=message, structured=True)
    status = 429 if _has(fault, codes.RATE) else 500 if not code or _has(fault, codes.SERVER) else 400
    return _read(status, {}, fault)


def _status_of(fault: Fault) -> int | None:
    """The HTTP status that an error inside a 200 stands for; None where it is not typed, so that nothing is sure."""
    if fault.status is not None:
        return fault.status
    if _has(fault, codes.RATE):
        return 429
    if _has(fault, codes.SERVER) or all(codes.SAYS_NOTHING.fullmatch(code) for code in fault.codes):
        return 400 if any(map(_is_lock, fault.codes)) else None
    return 400


def _text(body: bytes | str | None) -> str:
    return body[: BODY_CHARS * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body or ""


def _lock(status: int, fault: Fault, sentence: Sentence, common: dict[str, Any]) -> ProviderError | None:
    """Another run is in the way, or function calls have no output."""
    locked = status in _LOCK_STATUSES and any(map(_is_lock, fault.codes))
    if not locked and status in _SENTENCE_STATUSES and _may_be_read(fault):
        call_id = sentence.unanswered_call()
        if call_id is None and _has(fault, codes.UNANSWERED):
            call_id = ""
        if call_id is not None:
            text = "A function call in the conversation has no output."
            return UnansweredCalls(text, call_id=_bounded(call_id), **common)
        locked = sentence.busy() or (status in (409, 423) and sentence.held())
    if not locked:
        return None
    return ActiveRun("Another run is active on the thread.", run_id=_bounded(sentence.active_run_id()), **common)


def _missing(status: int, fault: Fault, sentence: Sentence, common: dict[str, Any]) -> ProviderError | None:
    """The thread, the run or the whole API is not there."""
    readable = status in (404, 410) or (status in (400, 422) and _may_be_read(fault))
    if _has(fault, codes.THREAD_GONE) or (readable and sentence.thread_gone()):
        return ThreadGone("The provider does not have the thread.", **common)
    if _has(fault, codes.RUN_GONE) or (status in (404, 410) and sentence.run_gone()):
        return NotFoundAtProvider("The provider does not know the run.", **common)
    if status == 405 or (status in (404, 410) and not _about_an_object(fault, sentence)):
        line = _line(status, fault, "has no such address at the provider")
        return ProviderRefused(line, **{"code": ErrorCode.PROVIDER_API_ABSENT, **common})
    return None


def _unusable(status: int, fault: Fault, sentence: Sentence, common: dict[str, Any]) -> ProviderError | None:
    """Everything else that has a name of its own."""
    if _has(fault, codes.NOT_CANCELLABLE) or (status in (400, 404, 409, 422) and sentence.not_cancellable()):
        return NotCancellable(_line(status, fault, "cannot be cancelled"), **common)
    code: ErrorCode | None = None
    if status == 402 or _has(fault, codes.QUOTA) or (status in (400, 403, 429) and sentence.no_quota()):
        code = ErrorCode.PROVIDER_QUOTA
    elif _has(fault, codes.MODEL) or (status in (400, 404) and _may_be_read(fault) and sentence.no_model()):
        code = ErrorCode.PROVIDER_MODEL
    elif _has(fault, codes.FLAGGED) or (status in (400, 403, 422, 451) and sentence.flagged()):
        code = ErrorCode.CONTENT_FLAGGED
    elif _has(fault, codes.LENGTH) or (status in (400, 413, 422, 429) and sentence.too_long()):
        code = ErrorCode.CONTEXT_TOO_LONG
    elif status == 429:
        return RateLimited(_line(status, fault, "came too soon"), **common)
    elif status in _AUTH_STATUSES or _has(fault, codes.AUTH):
        code = ErrorCode.PROVIDER_AUTH
    return ProviderRefused(_line(status, fault, "was refused"), **{**common, "code": code}) if code else None


def _is_lock(code: str) -> bool:
    return codes.LOCK.search(code) is not None and codes.NOT_A_LOCK.search(code) is None


def _has(fault: Fault, pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(code) for code in fault.codes)


def _may_be_read(fault: Fault) -> bool:
    """Whether the sentence decides: no code that says otherwise, no complaint about a field of the request."""
    if fault.param is not None and _REQUEST_PARAMS.match(fault.param.lower()) and not _THREAD_WORDS.search(fault.param):
        # The Responses wire names `input` for a call without an output: that sentence quotes no user.
        return fault.param.lower() == "input" and Sentence(fault.message).unanswered_call() is not None
    return all(codes.SAYS_NOTHING.fullmatch(code) for code in fault.codes)


def _about_an_object(fault: Fault, sentence: Sentence) -> bool:
    """Whether a 404 speaks of something that was looked for, an assistant or a model, and not of its own address."""
    return _has(fault, codes.MODEL) or sentence.no_model() or sentence.names_an_object() or sentence.not_cancellable()


def _common(status: int, headers: Mapping[str, str], fault: Fault) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if fault.codes:
        details["provider_code"] = shown_code(fault.codes[0])
    if fault.param:
        details["param"] = excerpt(fault.param)
    if about := _about(status, fault):
        details["about"] = about
    seconds = retry_seconds(headers, limits=status == 429)
    if seconds is None:
        seconds = told_seconds(fault.message)
    return {"status": status, "retry_after": seconds, "details": details}


def _about(status: int, fault: Fault) -> str | None:
    """The part of the request that the refusal speaks of, where another request can do without it."""
    sentence, param = Sentence(fault.message), (fault.param or "").lower().rpartition(".")[2]
    param = _OUR_NAMES.get(param, param)
    if param == "background" or (param not in ("stream", *DISPENSABLE) and sentence.mentions("background")):
        return "background"
    if param == "stream" or (param == "" and sentence.mentions("stream", "streamed", "streaming")):
        return "stream"
    for name in DISPENSABLE:
        if param == name or (param in ("", "body") and sentence.names_parameter(name)):
            return name
    if param in ("conversation", "", "body") and sentence.unknown_parameter("conversation"):
        return "conversation"
    return "assistant" if status in (400, 404) and sentence.no_assistant() else None


def _line(status: int, fault: Fault, what: str) -> str:
    said = excerpt(fault.message) or (shown_code(fault.codes[0]) if fault.codes else "")
    return f"The request {what} (HTTP {status})" + (f": {said}" if said else ".")


def _bounded(identifier: str | None) -> str | None:
    identifier = clean(identifier or "")
    return identifier if is_path_step(identifier) else None
