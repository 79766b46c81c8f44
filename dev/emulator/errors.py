"""The refusals of the real servers, with their status, texts and codes."""

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """An answer that is not a 2xx: what the vendor puts into `error`, and the HTTP status."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind

    def body(self, shape: str = "openai") -> Json:
        if shape == "detail":
            return {"detail": self.message}
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def thread_has_active_run(thread_id: str, run_id: str, *, status: int, names_run: bool) -> ApiError:
    text = f"Thread {thread_id} already has an active run {run_id}."
    return ApiError(text if names_run else "Thread already has an active run.", status=status)


def thread_takes_no_message(thread_id: str, run_id: str, *, status: int, names_run: bool) -> ApiError:
    text = f"Can't add messages to {thread_id} while a run {run_id} is active."
    return ApiError(text if names_run else "Can't add messages while a run is active.", status=status)


def conversation_locked(status: int) -> ApiError:
    """Two servers, two texts; neither names the response that holds the lock."""
    if status == 409:
        text = "Conversation is locked \N{EM DASH} task is in_progress"
        return ApiError(text, status=409, code="conversation_locked", kind="conflict")
    text = "Another process is currently operating on this conversation. Please retry in a few seconds."
    return ApiError(text, code="conversation_locked", param="conversation")


def invalid_thread() -> ApiError:
    text = "Run creation requires a Thread with a user message or an assistant with instructions."
    return ApiError(text, code="invalid_thread")


def run_not_cancellable(status: str) -> ApiError:
    return ApiError(f"Cannot cancel run with status '{status}'.")


def run_takes_no_outputs(status: str) -> ApiError:
    return ApiError(f'Runs in status "{status}" do not accept tool outputs.')


def response_not_cancellable(what: str) -> ApiError:
    text = f"Cannot cancel {what} response."
    return ApiError(text, code="invalid_request_error", param="response_id")


def response_not_streamable(missing: str) -> ApiError:
    text = f"This response cannot be streamed because it was not created with {missing}=true."
    return ApiError(text, code="invalid_request_error", param="stream")


def no_streams() -> ApiError:
    return ApiError("Streaming is not supported.", code="unsupported_parameter", param="stream")


def previous_response_not_found(response_id: str) -> ApiError:
    text = f"Previous response with id '{response_id}' not found."
    return ApiError(text, code="previous_response_not_found", param="previous_response_id")


def unanswered_call(call_id: str) -> ApiError:
    return ApiError(f"No tool output found for function call {call_id}.", param="input")


def unasked_output(call_id: str) -> ApiError:
    return ApiError(f"No tool call found for function call output with call_id {call_id}.", param="input")


def not_found(what: str, object_id: str) -> ApiError:
    """For threads, runs, messages and assistants."""
    return ApiError(f"No {what} found with id '{object_id}'.", status=404)


def absent(what: str, object_id: str) -> ApiError:
    """For responses, conversations and their items."""
    return ApiError(f"{what} with id '{object_id}' not found.", status=404)


def unknown_route(method: str, path: str) -> ApiError:
    return ApiError(f"Invalid URL ({method} {path})", status=404)


def unknown_parameter(name: str) -> ApiError:
    return ApiError(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def unsupported_parameter(name: str) -> ApiError:
    text = f"Unsupported parameter: '{name}' is not supported with this model."
    return ApiError(text, code="unsupported_parameter", param=name)


def no_model(name: str) -> ApiError:
    text = f"The model '{name}' does not exist or you do not have access to it."
    return ApiError(text, status=404, code="model_not_found")


def missing_parameter(name: str) -> ApiError:
    return ApiError(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def invalid_parameter(name: str, why: str) -> ApiError:
    return ApiError(f"Invalid '{name}': {why}.", code="invalid_value", param=name)


def no_key() -> ApiError:
    text = "You didn't provide an API key. Provide it in an Authorization header using Bearer auth."
    return ApiError(text, status=401)


def wrong_key(key: str) -> ApiError:
    text = f"Incorrect API key provided: {key[:3]}***."
    return ApiError(text, status=401, code="invalid_api_key")


def server_error() -> ApiError:
    text = "The server had an error processing your request. Sorry about that!"
    return ApiError(text, status=500, kind="server_error")
