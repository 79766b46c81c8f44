"""The body of a create on the Responses wire."""

from __future__ import annotations

from typing import Any

from shared.core.model import RunStart
from shared.providers.responses_items import input_items, seeds

METADATA_CHARS = 512
"""What the vendor documents as the most a metadata value may hold."""


def create_body(start: RunStart, conversation: str | None, *, background: bool) -> dict[str, Any]:
    """Message and run in one. Without a conversation the transcript goes along as input.

    `store`: a conversation and a background run need it, as the vendor documents, and so does a response whose function
    calls the next one answers; otherwise nothing of a transcript is left with the provider.
    """
    body: dict[str, Any] = {
        "model": start.agent.model,
        "input": input_items(start),
        "store": conversation is not None or background or bool(start.agent.tools or start.agent.handoffs),
        "metadata": {"turn_id": start.turn_id[:METADATA_CHARS], "run_key": start.run_key[:METADATA_CHARS]},
    }
    if start.agent.instructions:
        body["instructions"] = start.agent.instructions
    if background:
        body["background"] = True
    if conversation is not None:
        body["conversation"] = conversation
    elif start.tool_outputs and start.known_run_ids:
        # The calls that these outputs answer are in no transcript of ours; the response that made them has them.
        body["previous_response_id"] = start.known_run_ids[-1]
    else:
        body["input"] = [*seeds(start.history), *body["input"]]
    return body
