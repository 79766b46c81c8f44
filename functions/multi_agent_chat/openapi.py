"""The OpenAPI 3.1 document of the function, served at /openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import functions
from functions.asgi.call import EVENT_STREAM, JSON, MARKDOWN
from functions.multi_agent_chat import answer_schemas, query_schemas, request_schemas, stats_schemas
from functions.multi_agent_chat.json_schema import TEXT, UUID, Schema, reference

COMPONENTS: Mapping[str, Schema] = {
    **request_schemas.BODIES,
    **request_schemas.SHARED,
    "TurnAnswer": answer_schemas.TURN_ANSWER,
    "TurnHandle": answer_schemas.TURN_HANDLE,
    "TurnState": answer_schemas.TURN_STATE,
    "Conversation": answer_schemas.CONVERSATION,
    "ConversationList": answer_schemas.CONVERSATION_LIST,
    "Export": answer_schemas.EXPORT,
    "MessageList": answer_schemas.MESSAGE_LIST,
    "Agent": answer_schemas.AGENT,
    "AgentList": answer_schemas.AGENT_LIST,
    "Statistics": stats_schemas.STATISTICS,
    "Feedback": stats_schemas.FEEDBACK,
    "WatchedTurns": stats_schemas.WATCHED_TURNS,
    "Timeline": stats_schemas.TIMELINE,
    "Health": answer_schemas.HEALTH,
    "Error": answer_schemas.ERROR,
}


@dataclass(frozen=True)
class Operation:
    """`answers` are statuses with the media types and schemas of their bodies; None: no schema describes the body."""

    summary: str
    answers: Mapping[int, Mapping[str, Schema | None]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    needs_user: bool = True


def _json(name: str) -> Mapping[str, Schema | None]:
    return {JSON: reference(name)}


_HEALTH = Operation(
    "version, schema, and whether store, agents and provider are there",
    {200: _json("Health"), 503: _json("Health")},
    needs_user=False,
)
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/"): Operation(
        "take a turn",
        {200: {**_json("TurnAnswer"), EVENT_STREAM: None}, 202: _json("TurnHandle")},
        headers={"Idempotency-Key": query_schemas.IDEMPOTENCY_KEY},
        body={"anyOf": [reference("NewMessage"), reference("ChatBody"), reference("ChatAnswers")]},
    ),
    ("GET", "/turns/{id}"): Operation(
        "a turn's state; waits, and works on the queue while it waits",
        {200: _json("TurnState")},
        query=query_schemas.WAITING,
    ),
    ("PATCH", "/turns/{id}"): Operation(
        "change the message while it is still queued",
        {200: _json("TurnState")},
        body=reference("Edit"),
    ),
    ("POST", "/turns/{id}/cancel"): Operation("stop the turn, or take it out of the queue", {200: _json("TurnState")}),
    ("POST", "/turns/{id}/answers"): Operation(
        "what the user says to a call that waits: whether it may run, or its output; counted once",
        {200: _json("TurnState"), 202: _json("TurnState")},
        body=reference("CallAnswer"),
    ),
    ("GET", "/conversations"): Operation(
        "the user's conversations, newest first",
        {200: _json("ConversationList")},
        query=query_schemas.CONVERSATIONS,
    ),
    ("GET", "/conversations/{id}"): Operation(
        "one conversation, with its open turns and its statistics", {200: _json("Conversation")}
    ),
    ("PATCH", "/conversations/{id}"): Operation(
        "rename it, close it or open it again, say how far it was read",
        {200: _json("Conversation")},
        body=reference("ConversationChange"),
    ),
    ("DELETE", "/conversations/{id}"): Operation(
        "delete it for good: at once for its user, then at the provider", {204: {}}
    ),
    ("POST", "/conversations/{id}/rotate"): Operation(
        "have the next message start a new thread at the provider, seeded with the last lines", {204: {}}
    ),
    ("GET", "/conversations/{id}/messages"): Operation(
        "the transcript, forwards or backwards",
        {200: {**_json("MessageList"), MARKDOWN: None}},
        query=query_schemas.MESSAGES,
    ),
    ("GET", "/conversations/{id}/stream"): Operation(
        "follow the turn under way, or the last one whose stream broke, as the AI SDK's UI message stream",
        {200: {EVENT_STREAM: None}, 204: {}},
        query=query_schemas.WAITING,
    ),
    ("GET", "/{id}/stream"): Operation(
        "the same by the id of a chat of the AI SDK; 204 also where no message of it has come yet",
        {200: {EVENT_STREAM: None}, 204: {}},
        query=query_schemas.WAITING,
    ),
    ("GET", "/images/{id}"): Operation(
        "an image that an agent has made, as its bytes; where answers name one, `url` is this route",
        {200: dict.fromkeys(("image/png", "image/jpeg", "image/gif", "image/webp"))},
    ),
    ("GET", "/me/export"): Operation("everything of the user as one file", {200: _json("Export")}),
    ("DELETE", "/me"): Operation("delete all of the user's conversations and agents, as by DELETE of each", {204: {}}),
    ("GET", "/agents"): Operation("who can answer: everybody's agents and the user's own", {200: _json("AgentList")}),
    ("POST", "/agents"): Operation(
        "make an agent of one's own, which that user alone sees and uses",
        {201: _json("Agent")},
        body=reference("NewAgent"),
    ),
    ("PATCH", "/agents/{id}"): Operation(
        "change an agent of one's own, named by its slug", {200: _json("Agent")}, body=reference("AgentChange")
    ),
    ("DELETE", "/agents/{id}"): Operation("remove an agent of one's own", {204: {}}),
    ("GET", "/stats"): Operation(
        "for operators: rates, percentiles and counts of all turns; a bucket that the window does not allow gives way",
        {200: _json("Statistics")},
        query=query_schemas.STATISTICS,
    ),
    ("GET", "/stats/turns"): Operation(
        "for operators: turns that are open (the longest waiting first), have failed, or took half a minute or more",
        {200: _json("WatchedTurns")},
        query=query_schemas.WATCHED,
    ),
    ("GET", "/stats/feedback"): Operation(
        "for operators: what people think of the answers of each agent, and the newest that they said about it",
        {200: _json("Feedback")},
        query=query_schemas.FEEDBACK,
    ),
    ("GET", "/stats/turns/{id}"): Operation(
        "for operators: what happened to one turn, and when; nothing of what was said", {200: _json("Timeline")}
    ),
    ("POST", "/hooks/openai"): Operation(
        "a provider's signed webhook: a run has ended, and its turn goes on; 404 where no secret is set",
        {204: {}},
        headers=dict.fromkeys(("webhook-id", "webhook-timestamp", "webhook-signature"), TEXT),
        body=reference("AnyObject"),
        needs_user=False,
    ),
    ("GET", "/health"): _HEALTH,
    ("GET", "/healthz"): _HEALTH,
    ("GET", "/openapi.json"): Operation("this document", {200: {JSON: None}}, needs_user=False),
}


def document(prefix: str) -> dict[str, Any]:
    """`prefix` is what stands before a route in the function's address."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "multi-agent-chat", "version": functions.__version__},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {"user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(path: str, operation: Operation) -> dict[str, Any]:
    parameters = [{"in": "path", "name": "id", "required": True, "schema": _id_in(path)}] if "{id}" in path else []
    parameters += [{"in": "query", "name": name, "schema": schema} for name, schema in operation.query.items()]
    parameters += [{"in": "header", "name": name, "schema": schema} for name, schema in operation.headers.items()]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {
            **{str(status): _answer(bodies) for status, bodies in operation.answers.items()},
            "default": {"description": "an error", "content": {JSON: {"schema": reference("Error")}}},
        },
        "security": [{"user": []}] if operation.needs_user else [],
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    return described


def _id_in(path: str) -> Schema:
    if path.startswith("/agents"):
        return request_schemas.AGENT_SLUG
    return request_schemas.CHAT_ID if path.startswith("/{id}") else UUID


def _answer(bodies: Mapping[str, Schema | None]) -> dict[str, Any]:
    content = {media: {} if schema is None else {"schema": schema} for media, schema in bodies.items()}
    return {"description": "the answer"} | ({"content": content} if content else {})
