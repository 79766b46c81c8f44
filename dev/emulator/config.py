"""What can be switched while the emulator runs, so that one program plays every kind of compatible server."""

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

QUEUE_SHARE = 0.3
"""Part of the latency a run spends `queued`; the rest is work."""


def default_latency_seconds() -> float:
    """Seconds from the acceptance of a run to its end: `EMULATOR_LATENCY_SECONDS`, else small but real."""
    return float(os.environ.get("EMULATOR_LATENCY_SECONDS", "0.3"))


class Config(BaseModel):
    """One server's habits. The defaults are those the vendor documents; the others were seen on compatible servers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(default_factory=default_latency_seconds, ge=0)
    """Queue and work together, where no directive says otherwise."""
    cancel_seconds: float | None = Field(default=None, ge=0)
    """How long a cancel takes; null is a third of the latency for a thread's run, and no time for a response."""
    expiry_seconds: float = Field(default=600, gt=0)
    """Age at which a run expires, one that waits for tool outputs included."""
    list_lag_seconds: float = Field(default=0, ge=0)
    """Age below which a run, message or item is missing from lists (reads by id always see it)."""
    poll_after_ms: int | None = Field(default=200, ge=0)
    """The `openai-poll-after-ms` header on reads of a run; null leaves it out."""

    assistants: bool = True
    """False: every route of threads and assistants is 404, as at the vendor since the API was switched off."""
    responses: bool = True
    """False: every route of responses and conversations is 404."""
    background: Literal["on", "refuse", "ignore"] = "on"
    """`refuse`: 400; `ignore`: the create answers when the response is over, with `background: false`."""
    conversation: Literal["on", "ignore", "404"] = "on"
    """`ignore`: answered without history, with `conversation: null`; `404`: no such routes and ids."""

    refused_parameters: tuple[str, ...] = ()
    """Parameters of a create that this server's models do not take: 400."""
    missing_models: tuple[str, ...] = ()
    """Models for which a create is refused with 404."""

    lock: bool = True
    """False: two active runs on one thread are both accepted, and counted as a violation."""
    conflict_status: Literal[400, 409] = 400
    """409 also carries the text of the servers that answer it."""
    conflict_names_run: bool = True
    """False: the refusal of a busy thread leaves the ids out of its text."""

    keep_refused_message: bool = False
    """True: the `additional_messages` of a refused run stay in the thread."""
    keep_failed_user_message: bool = False
    """True: a failed or cancelled response leaves its user messages in the conversation."""

    error_shape: Literal["openai", "detail"] = "openai"
    """`detail`: errors are `{"detail": text}`, without an `error` object."""
    sequence_numbers: bool = True
    """False: events of a response carry no `sequence_number`."""
    cancel_event: str | None = None
    """Name of the last event of a cancelled response's stream; null ends it without one: nothing is documented."""
    stream: Literal["on", "ignore", "refuse"] = "on"
    """`ignore`: a request for a stream is answered as any other, in JSON; `refuse`: 400."""
    stream_breaks_after: int | None = Field(default=None, ge=0)
    """The connection is reset after that many events of every stream."""
    stream_silent_after: int | None = Field(default=None, ge=0)
    """Nothing more is sent after that many events of every stream, which stays open."""
    early_drop_sticks: bool = False
    """True: a background response whose stream is dropped while it is queued stays queued, a reported fault."""

    def patched(self, patch: dict[str, Any]) -> "Config":
        """This configuration with some fields replaced; raises pydantic's ValidationError on a wrong one."""
        return Config.model_validate({**self.model_dump(), **patch})

    @property
    def queue_seconds(self) -> float:
        return self.latency_seconds * QUEUE_SHARE

    @property
    def work_seconds(self) -> float:
        return self.latency_seconds * (1 - QUEUE_SHARE)

    @property
    def wind_down_seconds(self) -> float:
        return self.latency_seconds / 3 if self.cancel_seconds is None else self.cancel_seconds
