"""The backend that speaks OpenTelemetry. Imported only where an endpoint is set, because importing it takes a while.

Where to send, how often, how much to sample and as which service is read by the SDK itself from its standard variables.
Threads of its own send, so it is made in the process that serves, not before a fork.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.telemetry.spans import Span, Value, dotted

SCOPE, SERVICE = "multi_agent_chat", "multi-agent-chat"
EVENTS = "multi_agent_chat.events"
# The first four are the field's own names; durations are in seconds.
HISTOGRAMS = {
    "http.server.request.duration": "s",
    "gen_ai.client.operation.duration": "s",
    "gen_ai.client.token.usage": "{token}",
    "gen_ai.execute_tool.duration": "s",
    "multi_agent_chat.turn.waited": "s",
}
GAUGES = {"multi_agent_chat.turns.open": "{turn}", "multi_agent_chat.turns.oldest_open": "s"}
_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
# Of an event's fields only these become attributes: few values, and none that a person or a model wrote.
_TOLD = ("code", "status", "strategy")


class _Measured:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Value | None) -> None:
        self._span.set_attributes(dotted(attributes))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))


class OpenTelemetry:
    def __init__(self, traces: trace.TracerProvider, metrics: MeterProvider) -> None:
        self._tracer = traces.get_tracer(SCOPE)
        meter = metrics.get_meter(SCOPE)
        self._w3c = TraceContextTextMapPropagator()
        self._histograms = {name: meter.create_histogram(name, unit=unit) for name, unit in HISTOGRAMS.items()}
        self._gauges = {name: meter.create_gauge(name, unit=unit) for name, unit in GAUGES.items()}
        self._events = meter.create_counter(EVENTS, unit="{event}")

    @contextmanager
    def span(self, name: str, kind: str, parent: Mapping[str, str], attributes: Mapping[str, Value]) -> Iterator[Span]:
        """A child of the present span; without one, of the caller's. An error that passes through leaves its type."""
        around = trace.get_current_span().get_span_context().is_valid
        context = None if around else self._w3c.extract(parent)
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes=attributes,
            record_exception=False,  # its message may quote what was said
            set_status_on_exception=False,
        ) as made:
            measured = _Measured(made)
            try:
                yield measured
            except Exception as error:
                measured.fail(type(error).__name__)
                raise

    def headers(self) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        self._w3c.inject(carrier)
        return carrier

    def record(self, name: str, value: float, attributes: Mapping[str, Value]) -> None:
        if (histogram := self._histograms.get(name)) is not None:
            histogram.record(value, attributes)
        else:
            self._gauges[name].set(value, attributes)

    def count_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """One more of the events that logs tell of."""
        told = {key: str(value) for key in _TOLD if (value := fields.get(key)) is not None}
        self._events.add(1, {"event": name} | told)


def exporting(version: str, *, traces: bool, metrics: bool) -> OpenTelemetry:
    """A backend that sends what the standard variables name an endpoint for."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.version": version})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):  # OTEL_SERVICE_NAME goes before
        resource = resource.merge(Resource({"service.name": SERVICE}))
    tracer_provider = TracerProvider(resource=resource)
    if traces:
        tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if metrics else []
    return OpenTelemetry(tracer_provider, SdkMeterProvider(metric_readers=readers, resource=resource))
