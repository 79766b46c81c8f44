"""Traces and metrics as the SDK's own exporter in memory has them, and that nothing is imported without an endpoint."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from functions.composition import add_trace
from shared import logs
from shared.core.chat_events import EventName
from shared.telemetry import open_telemetry, spans
from shared.telemetry.open_telemetry import OpenTelemetry
from tests.db.database import ROOT
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer
from tests.http.tokens import ALICE, bearer
from tests.service.instances import Instances, new_user

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
WORD = "xylophone"


class Seen:
    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.backend = OpenTelemetry(traces, MeterProvider(metric_readers=[self._reader]))

    def spans(self) -> dict[str, list[ReadableSpan]]:
        by_name: dict[str, list[ReadableSpan]] = {}
        for one in self._exporter.get_finished_spans():
            by_name.setdefault(one.name, []).append(one)
        return by_name

    def points(self, metric: str) -> list[Any]:
        data: Any = self._reader.get_metrics_data()
        found = [one for of in data.resource_metrics for scope in of.scope_metrics for one in scope.metrics]
        return [point for one in found if one.name == metric for point in one.data.data_points]


@pytest.fixture
def seen() -> Iterator[Seen]:
    one = Seen()
    spans.send_to(one.backend)
    logs.listen(one.backend.count_event)
    yield one
    spans.send_to(None)
    logs.listen(None)


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_turn_its_runs_tools_and_handoffs(instances: Instances, seen: Seen) -> None:
    one, user = await instances.make(), new_user()
    with spans.called_by({"traceparent": TRACEPARENT}):
        turn = await one.send(user, f"write a script about a {WORD} and describe its scenes", wait=60)
    assert turn.handoffs
    told = seen.spans()
    (root,) = told["turn"]
    assert root.context is not None
    assert root.parent is not None
    assert (f"{root.context.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, CALLER)
    assert root.attributes is not None
    assert root.attributes["gen_ai.conversation.id"] == turn.conversation_id
    assert root.attributes["multi_agent_chat.turn.status"] == "completed"
    runs = [span for name, of in told.items() if name.startswith("invoke_agent ") for span in of]
    assert sorted(str(span.attributes["gen_ai.response.id"]) for span in runs if span.attributes) == sorted(
        str(run.run_id) for run in turn.runs if run.asked_by is None
    )
    for handoff in turn.handoffs:
        assert f"handoff {handoff.to_agent}" in told
        assert f"invoke_agent {handoff.to_agent}" in told
    assert any(name.startswith("execute_tool ") for name in told)
    everything = [span for of in told.values() for span in of]
    assert {span.context.trace_id for span in everything if span.context} == {root.context.trace_id}
    assert WORD not in str([(span.name, dict(span.attributes or {})) for span in everything])
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in seen.points("gen_ai.client.token.usage")}
    assert tokens["output"] > 0
    assert sum(point.count for point in seen.points("gen_ai.client.operation.duration")) == len(runs)
    events = {point.attributes["event"]: point.value for point in seen.points(open_telemetry.EVENTS)}
    assert events["handoff.made"] == len(turn.handoffs)
    assert events["turn.completed"] == 1


async def test_calls_to_other_servers_carry_the_trace(seen: Seen) -> None:
    async def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers.get("traceparent", ""))

    transport, hooks = httpx.MockTransport(echo), {"request": [add_trace]}
    async with httpx.AsyncClient(transport=transport, event_hooks=hooks) as client:
        with spans.called_by({"traceparent": TRACEPARENT}):
            with spans.span("around"):
                _, trace, parent, _ = (await client.get("http://provider/")).text.split("-")
            assert trace == TRACE
            assert parent != CALLER, "of the span, which is the caller's child"
            spans.send_to(None)
            assert (await client.get("http://provider/")).text == TRACEPARENT, "passed on where nothing is measured"
        assert (await client.get("http://provider/")).text == ""


@pytest.mark.parametrize("given", ["", "x", f"{TRACEPARENT}\n", TRACEPARENT.upper(), f"{TRACEPARENT}-x"])
def test_a_trace_that_is_not_well_formed_is_not_passed_on(given: str) -> None:
    with spans.called_by({"traceparent": given, "tracestate": "a=b"}):
        assert spans.trace_headers() == {}


async def test_a_request_is_a_span_of_its_route(http: httpx.AsyncClient, chat: FakeChat, seen: Seen) -> None:
    chat.add(ALICE)
    headers = bearer(ALICE) | {"traceparent": TRACEPARENT}
    assert_answer(await http.get("/conversations", headers=headers), 200)
    (span,) = seen.spans()["GET /conversations"]
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    (point,) = seen.points("http.server.request.duration")
    assert (point.count, point.attributes["http.route"]) == (1, "/conversations")


def test_an_error_leaves_its_type_and_no_message(seen: Seen) -> None:
    with pytest.raises(ValueError, match=WORD), spans.span("work"):
        raise ValueError(WORD)
    (span,) = seen.spans()["work"]
    assert span.attributes == {"error.type": "ValueError"}
    assert (span.events, span.status.description) == ((), None)


WITHOUT = """
import sys
import functions.multi_agent_chat.main, functions.maintenance.main
from functions import composition
from functions.asgi import startup
from shared.settings import load_settings
startup.measure(load_settings())
loaded = [name for name in sys.modules if name.startswith("opentelemetry")]
sys.exit(f"imported: {loaded[:5]}" if loaded else 0)
"""
ENVIRONMENT = {"OPENAI_API_KEY": "x", "SUPABASE_URL": "https://x.invalid", "SUPABASE_SECRET_KEY": "x"}


@pytest.mark.parametrize(
    ("given", "imported"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, True),
    ],
)
def test_it_is_imported_where_an_endpoint_is_set_and_nowhere_else(given: dict[str, str], imported: bool) -> None:
    environment = ENVIRONMENT | given | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ("imported: ['opentelemetry" in done.stderr) is imported, done.stderr
    assert done.returncode == int(imported)


def test_alerts_ask_for_metrics_and_events_that_there_are() -> None:
    """Prometheus writes names with underscores, the unit behind them and `_total` behind counters."""
    yaml: Any = import_module("yaml")  # it has no types
    (group,) = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text())["groups"]
    known = {f"{open_telemetry.EVENTS.replace('.', '_')}_total"}
    known |= {f"{name.replace('.', '_')}_seconds" for name, unit in open_telemetry.GAUGES.items() if unit == "s"}
    for rule in group["rules"]:
        asked = set(re.findall(r"multi_agent_chat_\w+", rule["expr"]))
        assert asked
        assert asked <= known
        for pattern in re.findall(r'event=~?"([^"]+)"', rule["expr"]):
            names = [name for name in EventName if re.fullmatch(pattern.replace("\\\\", "\\"), name.value)]
            assert len(names) == (3 if "|" in pattern else 1)
    assert [rule["expr"].split()[-1] for rule in group["rules"]] == ["0.001", "300"]
