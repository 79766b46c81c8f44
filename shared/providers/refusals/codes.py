"""The codes that servers give, in snake_case, by what they mean."""

from __future__ import annotations

import re

LOCK = re.compile(
    r"(?:thread|conversation|session|run|response)s?_(?:\w{1,80}_)?(?:lock|locked|busy|active|in_progress|in_use|running)(?:_|$)"
    r"|(?:thread|conversation|session)_lock_\w{1,80}"
    r"|(?:thread|conversation|session)_(?:already_)?has_(?:\w{1,80}_)?active_\w{1,80}"
    r"|(?:active|concurrent|ongoing)_(?:run|response|task)s?\b"
    r"|(?:run|response|task)_(?:already_)?(?:exists|active|running|in_progress)"
)
NOT_A_LOCK = re.compile(
    r"(?:^|_)(?:no|not|non|inactive|invalid|max|unlock\w{0,80}|found|limit|exceeded|missing)(?:_|$)"
)
# With these beside it a sentence may still be a lock's: they say no more than the HTTP status does.
SAYS_NOTHING = re.compile(
    r"invalid_request(?:_error|_exception)?|(?:value|validation|runtime)_error|(?:\w{1,80}_)?bad_request(?:_error|_exception)?|conflict(?:_error)?|error|locked"
    r"|unprocessable_(?:entity|content)(?:_error)?|null|none|unknown|user_error|client_error|api_error|http_(?:error|exception)"
    r"|(?:\w{1,80}_)?(?:conflict|busy|lock|concurren|state|precondition)\w{0,80}|openai_error|failed"
)
QUOTA = re.compile(
    r"insufficient_(?:quota|funds|credits?|balance)|billing_\w{1,80}|payment_required|quota_exhausted|credits?_exhausted"
)
AUTH = re.compile(
    r"(?:invalid|incorrect|missing)_api_key|authentication_error|unauthorized|permission_(?:error|denied)"
)
MODEL = re.compile(
    r"(?:model|deployment)_(?:not_found|not_available|not_supported|deprecated|retired|does_not_exist)"
    r"|(?:invalid|unknown|unsupported)_model"
)
LENGTH = re.compile(r"context_(?:length|window)_exceeded|context_too_long|input_too_long|prompt_too_long")
FLAGGED = re.compile(
    r"(?:\w{1,80}_)?content_filter\w{0,80}|content_(?:policy\w{0,80}|flagged|blocked|moderation\w{0,80})|(?:\w{1,80}_)?policy_violation|invalid_prompt"
    r"|(?:prompt|input|text)_(?:flagged|blocked|filtered)|moderation\w{0,80}|flagged\w{0,80}|safety\w{0,80}|(?:\w{1,80}_)?inspection_failed"
)
RATE = re.compile(
    r"rate_limit\w{0,80}|(?:\w{1,80}_)?rate_limit(?:ed|_exceeded|_error)|too_many_requests|throttl\w{1,80}|slow_down"
)
SERVER = re.compile(
    r"(?:internal_)?server_(?:error|overloaded)|internal_error|(?:\w{1,80}_)?overloaded(?:_error)?|(?:\w{1,80}_)?time_?out|unavailable|service_\w{1,80}"
    r"|vector_store_timeout|bad_gateway"
)
THREAD_GONE = re.compile(
    r"(?:thread|conversation)_(?:not_found|gone|deleted|does_not_exist|expired)|previous_response_not_found"
)
RUN_GONE = re.compile(r"(?:run|response|item|message)_(?:not_found|does_not_exist)")
UNANSWERED = re.compile(r"(?:missing|no)_(?:tool|function_call)_outputs?|unanswered_(?:function|tool)_calls?\w{0,80}")
NOT_CANCELLABLE = re.compile(
    r"(?:\w{1,80}_)?(?:not_cancell?able|cannot_cancel|cannot_be_cancell?ed|already_cancell?ed)"
)
