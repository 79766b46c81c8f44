"""The one place that reads the environment. Durations are in seconds, read once, never changed afterwards."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from shared.core.turns import MultitaskStrategy

# RFC 7518 3.2: an HMAC key is at least as long as the hash.
_MIN_HS256_BYTES = 32
_MIN_SECRET_CHARS = 16  # of a secret that a person makes up
_NOT_IN_BASE, _VISIBLE = re.compile(r"[\s?#@]"), re.compile(r"[\x21-\x7e]+")
_HEADER_NAME, _HEADER_VALUE = re.compile(r"[A-Za-z0-9_-]{1,64}"), re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_MIN_WEBHOOK_BYTES, _MAX_WEBHOOK_BYTES = 24, 64  # as Standard Webhooks has it
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")


class SettingsError(Exception):
    """The environment is wrong. `faults` names every setting at fault, in order, and never shows a value."""

    def __init__(self, faults: Mapping[str, str], allowed_origins: tuple[str, ...] = ()) -> None:
        super().__init__("; ".join(f"{name}: {fault}" for name, fault in faults.items()))
        self.faults = dict(faults)
        self.allowed_origins = allowed_origins  # as far as they could be read: an error must reach the browser too


def _base_url(value: str) -> str:
    """An address to append paths to, without its last slash."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or _NOT_IN_BASE.search(value):
        raise ValueError("must be an http or https address without user, query or fragment")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    """What tokens carry letter by letter, a last slash included."""
    _base_url(value)
    return value


def _origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    origins = [part.strip() for part in value.split(",") if part.strip()]
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be exact origins such as https://app.example.com, separated by commas; no path, no *")
    return tuple(dict.fromkeys(origins))


def _hmac_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < _MIN_HS256_BYTES:
        raise ValueError(f"must be at least {_MIN_HS256_BYTES} bytes long")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(_header_safe(value).get_secret_value()) < _MIN_SECRET_CHARS:
        raise ValueError(f"must be at least {_MIN_SECRET_CHARS} characters long")
    return value


def _is_local(url: str) -> bool:
    """Whether an address stays on this machine or in its container network, whose names have no dot."""
    host = (urlsplit(url).hostname or "").lower()
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return "." not in host or host.endswith((".localhost", ".local", ".internal"))


def _header_safe(value: SecretStr) -> SecretStr:
    if not _VISIBLE.fullmatch(value.get_secret_value()):
        raise ValueError("must be visible ASCII without blanks")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not value.get_secret_value().startswith("whsec_") or not _MIN_WEBHOOK_BYTES <= len(key) <= _MAX_WEBHOOK_BYTES:
        raise ValueError(f"must be whsec_ and base64 of {_MIN_WEBHOOK_BYTES} to {_MAX_WEBHOOK_BYTES} bytes")
    return value


def _mcp_headers(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        headers = json.loads(value)
    except (ValueError, RecursionError):
        headers = None
    if not isinstance(headers, dict) or not all(
        _HEADER_NAME.fullmatch(name) and isinstance(text, str) and _HEADER_VALUE.fullmatch(text)
        for name, text in headers.items()
    ):
        raise ValueError('must be a JSON object such as {"issues": "Bearer ..."}, its values visible ASCII and blanks')
    return headers


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Issuer = Annotated[str, AfterValidator(_issuer)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_header_safe)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_enough)]
HmacSecret = Annotated[SecretStr, AfterValidator(_hmac_key)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
McpHeaders = Annotated[dict[str, SecretStr], BeforeValidator(_mcp_headers)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]  # 0 switches it off
HoursOrNone = Annotated[float, Field(ge=0, le=876_000, allow_inf_nan=False)]  # 0 switches it off
DaysOrNone = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]  # 0 switches it off
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]  # 0 switches it off
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


class Settings(BaseModel):
    """Everything that can be set, in the order of .env.example. Names are the environment's, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    openai_api_key: HeaderSecret
    openai_base_url: BaseUrl = "https://api.openai.com/v1"
    provider: Literal["responses", "assistants"] = "responses"
    responses_state: Literal["conversation", "transcript"] = "conversation"
    responses_background: Literal["auto", "on", "off"] = "auto"
    mcp_headers: McpHeaders | None = None
    supabase_url: BaseUrl
    supabase_secret_key: HeaderSecret
    supabase_jwt_secret: HmacSecret | None = None
    supabase_jwks_url: BaseUrl | None = None
    supabase_jwt_issuer: Issuer | None = None
    allow_anonymous_users: bool = False
    send_keys_unencrypted: bool = False
    allowed_origins: Origins = ()
    multitask_strategy: MultitaskStrategy = MultitaskStrategy.ENQUEUE
    wait_budget_seconds: Seconds = 150.0
    run_budget_seconds: Seconds = 300.0
    cancel_wait_seconds: Seconds = 15.0
    coalesce_seconds: SecondsOrNone = 0.0
    poll_min_seconds: Seconds = 0.25
    poll_max_seconds: Seconds = 2.0
    provider_timeout_seconds: Seconds = 8.0
    lease_seconds: Seconds = 15.0
    max_handoffs: CountOrNone = 10
    max_tool_calls: CountOrNone = 24
    max_open_turns: Count = 8
    messages_per_minute: Count = 30
    max_own_agents: CountOrNone = 20
    reads_per_minute: Count = 600
    max_concurrent_requests: Count = 500
    max_open_streams: CountOrNone = 100
    database_calls_at_once: Count = 16
    conversation_ttl_hours: HoursOrNone = 0.0
    retention_days: DaysOrNone = 0.0
    archive_after_messages: CountOrNone = 0
    carry_over_messages: CountOrNone = 10
    approval_ttl_hours: Annotated[float, Field(gt=0, le=8_760, allow_inf_nan=False)] = 24.0
    maintenance_secret: LongSecret | None = None
    sweep_seconds: Annotated[float, Field(ge=2, le=3600)] = 50.0
    operator_role: Word | None = None
    webhook_url: BaseUrl | None = None
    webhook_secret: WebhookSecret | None = None
    openai_webhook_secret: WebhookSecret | None = None
    otel_exporter_otlp_endpoint: BaseUrl | None = None
    otel_exporter_otlp_traces_endpoint: BaseUrl | None = None
    otel_exporter_otlp_metrics_endpoint: BaseUrl | None = None
    otel_sdk_disabled: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    google_cloud_project: Word | None = None
    log_execution_id: bool = False

    @property
    def sends_traces(self) -> bool:
        """The SDK reads these two by itself; here is decided whether it is imported at all."""
        given = self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint
        return given is not None and not self.otel_sdk_disabled

    @property
    def sends_metrics(self) -> bool:
        given = self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_metrics_endpoint
        return given is not None and not self.otel_sdk_disabled

    @property
    def issuer(self) -> str:
        """Who signs user tokens: the `iss` claim."""
        return self.supabase_jwt_issuer or f"{self.supabase_url}/auth/v1"

    @property
    def jwks_url(self) -> str:
        return self.supabase_jwks_url or f"{self.supabase_url}/auth/v1/.well-known/jwks.json"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; an empty variable counts as unset. Raises SettingsError naming all faults at once."""
    environment = os.environ if environment is None else environment
    given = {
        name: value
        for name in Settings.model_fields
        if (value := environment.get(name.upper(), "").strip())
    }  # fmt: skip
    faults: dict[str, str] = {}
    try:
        settings = _with_poll_interval(Settings.model_validate(given), given)
    except ValidationError as error:
        faults = {str(fault["loc"][0]): _sentence(fault) for fault in error.errors(include_input=False)}
        settings = _without(given, faults)
    for names, fault in _contradictions(settings):
        if not faults.keys() & set(names):
            faults[names[0]] = fault
    if faults:
        ordered = {name.upper(): faults[name] for name in Settings.model_fields if name in faults}
        raise SettingsError(ordered, settings.allowed_origins)
    return settings


def _with_poll_interval(settings: Settings, given: Mapping[str, str]) -> Settings:
    """Where only one end of the interval is given, the default of the other gives way."""
    low, high = settings.poll_min_seconds, settings.poll_max_seconds
    if low <= high or {"poll_min_seconds", "poll_max_seconds"} <= given.keys():
        return settings
    end = low if "poll_min_seconds" in given else high
    return settings.model_copy(update={"poll_min_seconds": end, "poll_max_seconds": end})


def _sentence(fault: Any) -> str:
    if fault["type"] == "missing":
        return "is missing"
    return str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("Input ", "")


def _without(given: Mapping[str, str], faults: Iterable[str]) -> Settings:
    """The settings as if those at fault had not been given, so that the others can be checked in the same go."""
    stand_ins = {"openai_api_key": "x", "supabase_url": "https://x.invalid", "supabase_secret_key": "x"}
    good = {name: value for name, value in given.items() if name not in faults}
    return Settings.model_validate(stand_ins | good)


def _contradictions(settings: Settings) -> Iterable[tuple[tuple[str, str], str]]:
    if settings.poll_min_seconds > settings.poll_max_seconds:
        yield ("poll_min_seconds", "poll_max_seconds"), "must not be above POLL_MAX_SECONDS"
    if (settings.webhook_url is None) != (settings.webhook_secret is None):
        missing = "webhook_url" if settings.webhook_url is None else "webhook_secret"
        yield (missing, "webhook_url"), "must be set as well: WEBHOOK_URL and WEBHOOK_SECRET go together"
    for name in ("openai_base_url", "supabase_url", "supabase_jwks_url", "webhook_url"):
        url = getattr(settings, name)
        if url and urlsplit(url).scheme == "http" and not settings.send_keys_unencrypted and not _is_local(url):
            fault = "must be https: keys would be sent to another host as plain text (SEND_KEYS_UNENCRYPTED allows it)"
            yield (name, "send_keys_unencrypted"), fault
