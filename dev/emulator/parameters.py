"""What a create may ask for beside its input: names that are known, models that are there, replies under a schema."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dev.emulator import errors
from dev.emulator.brain.plan import Outcome, Plan, read_object
from dev.emulator.config import Config
from dev.emulator.errors import Json

RESPONSE: Final = frozenset(
    {
        "access_programs",
        "background",
        "context_management",
        "image",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
    }
    | {"max_tool_calls", "metadata", "model", "moderation", "parallel_tool_calls", "previous_response_id", "prompt"}
    | {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier"}
    | {"service_tier", "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools"}
    | {"top_logprobs", "top_p", "truncation", "user"}
)
"""Parameters of a create of a response, as the vendor's client has them."""
RUN: Final = frozenset(
    {"additional_instructions", "additional_messages", "assistant_id", "instructions", "max_completion_tokens"}
    | {"max_prompt_tokens", "metadata", "model", "parallel_tool_calls", "reasoning_effort", "response_format"}
    | {"stream", "temperature", "thread", "tool_choice", "tool_resources", "tools", "top_p", "truncation_strategy"}
)
"""Parameters of a create of a thread's run."""
_SAMPLES: Final[dict[str, Any]] = {"string": "emulated", "integer": 1, "number": 1, "boolean": True, "null": None}


def check_parameters(config: Config, body: Json, known: frozenset[str]) -> None:
    """Refuses as the vendor does what is unknown, and what this server or its model does not take."""
    for name in body:
        if name not in known:
            raise errors.unknown_parameter(name)
        if name in config.refused_parameters:
            raise errors.unsupported_parameter(name)
    if body.get("model") in config.missing_models:
        raise errors.no_model(str(body["model"]))


def under_schema(plan: Plan, format_: object) -> Plan:
    """The plan as a model carries it out that answers under this format: in JSON that has the schema's fields."""
    wanted = format_ if isinstance(format_, Mapping) else {}
    if wanted.get("type") != "json_schema" or plan.calls or plan.outcome is not Outcome.COMPLETE:
        return plan
    inner = wanted.get("json_schema")
    schema = (inner if isinstance(inner, Mapping) else wanted).get("schema")
    if not isinstance(schema, Mapping):
        raise errors.missing_parameter("text.format.schema")
    return plan if read_object(plan.text) else replace(plan, text=json.dumps(_sample(schema, plan.text)), more=())


def _sample(schema: Any, text: str) -> Any:
    """A value of the schema; texts in it are the reply's."""
    if not isinstance(schema, Mapping):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return {name: _sample(one, text) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [_sample(schema.get("items", {}), text)]
        case "string":
            return text
        case _:
            return _SAMPLES.get(str(kind))
