"""With OpenTelemetry's SDK: spans of every way to a model, from which one comes to the logged rows, and back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, ParentBased, Sampler
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, format_span_id, format_trace_id

from services.inference.api.app import Parts, build_app
from services.inference.api.core import Core
from services.inference.api.grpc.server import open_server, run_server
from services.inference.api.topic import TopicRequests
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel, load
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import Accounting
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import decode_batch, request_key
from shared.bundle import open_bundle
from shared.http import Health
from shared.kafka.admin import REQUESTS
from shared.kafka.message import InMessage
from tests.bundles import make_bundle
from tests.unit.inference.grpc_protocol.caller import calling, free_port, small_request
from tests.unit.inference.harness import Kafka, inputs

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1"}
INFER = "/v2/models/small/infer"


@dataclass
class World:
    """Inference, and where its spans and rows go."""

    settings: InferenceSettings
    parts: Parts
    model: LoadedModel
    kafka: Kafka
    spans: InMemorySpanExporter
    client: httpx.AsyncClient

    async def post(self, path: str = INFER, **headers: str) -> httpx.Response:
        return await self.client.post(path, json={"id": "r-1", "inputs": inputs(rows=2)}, headers=headers)

    def span(self) -> ReadableSpan:
        (span,) = self.spans.get_finished_spans()
        return span

    def rows(self) -> list[tuple[bytes, str | None]]:
        """Request id and trace of every row that was logged."""
        self.parts.core.accounting.log.flush()
        batches = [decode_batch(value) for value in self.kafka.values]
        return [
            pair
            for batch in batches
            for pair in zip(batch.request_id, batch.traceparent or [None] * len(batch), strict=True)
        ]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def model(state: Path) -> LoadedModel:
    return load(open_bundle(state / "bundles", make_bundle(state), state / "trust"))


@pytest.fixture
def sampler() -> Sampler:
    return DEFAULT_ON


@pytest.fixture
async def world(state: Path, model: LoadedModel, sampler: Sampler) -> AsyncIterator[World]:
    spans, provider = InMemorySpanExporter(), TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    settings, kafka, catalogue = InferenceSettings(state=state, grpc_port=free_port()), Kafka(), Catalogue()
    catalogue.publish(Served(model, "champion", 1))
    log = PredictionLog(kafka.enqueue, "test", GatherPolicy(60, 4_096))
    core = Core(Accounting(log, lambda: False), RecentIds(1_000), 256)
    parts = Parts(Health(), catalogue, core, LabelSender(kafka.send, 1), provider.get_tracer("test"))
    transport = httpx.ASGITransport(build_app(settings, parts))
    token = {"Authorization": f"Bearer {(state / 'tokens' / 'client.jwt').read_text()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://inference", headers=token) as client:
        yield World(settings, parts, model, kafka, spans, client)


def place(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def leads_to(span: ReadableSpan) -> str:
    """The traceparent of a span."""
    context = place(span)
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"


def is_child(span: ReadableSpan) -> bool:
    """Whether it is one of the span that the request came with."""
    parent = span.parent
    return parent is not None and (format_trace_id(place(span).trace_id), format_span_id(parent.span_id)) == (
        TRACE,
        PARENT,
    )


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def check_way(world: World, model: LoadedModel, request_id: str, rows: int) -> None:
    """The span is the caller's child, the rows lead to it, and it leads to them."""
    span = world.span()
    assert is_child(span)
    assert place(span).trace_state.to_header() == "a=1"
    found = about(span)
    assert (found["driftline.model"], found["driftline.version"]) == ("small", model.digest)
    key = request_key("small", found["driftline.request_id"])
    assert (found["driftline.request_id"], world.rows()) == (request_id, [(key, leads_to(span))] * rows)


async def test_rest(world: World, model: LoadedModel) -> None:
    assert (await world.post(**HEADERS)).status_code == 200
    check_way(world, model, "r-1", 2)
    assert (world.span().name, world.span().kind) == ("POST /v2/models/{model}/infer", SpanKind.SERVER)
    told = {name: value for name, value in about(world.span()).items() if not name.startswith("driftline")}
    assert told == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v2/models/{model}/infer",
        "url.path": INFER,
        "url.scheme": "http",
    }


async def test_grpc(world: World, model: LoadedModel) -> None:
    serving = asyncio.create_task(run_server(open_server(world.settings, world.parts)))
    async with calling(world.settings.grpc_port, world.settings.state) as caller:
        await caller.infer(small_request(id="g-1"), more=HEADERS)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    check_way(world, model, "g-1", 1)
    assert (world.span().name, world.span().kind) == ("inference.GRPCInferenceService/ModelInfer", SpanKind.SERVER)
    assert about(world.span())["rpc.response.status_code"] == "OK"


async def test_topic(world: World, model: LoadedModel) -> None:
    async def nothing() -> list[InMessage]:
        return []

    topic = TopicRequests(world.parts.core, world.parts.catalogue, nothing, 100, world.parts.tracer)
    value = orjson.dumps({"id": "t-1", "model_name": "small", "inputs": inputs()})
    headers = tuple((name, text.encode()) for name, text in HEADERS.items())
    await topic.take(InMessage(REQUESTS, 2, 7, None, value, headers, 0))
    (answer,) = await topic.flush()
    check_way(world, model, "t-1", 1)
    assert (world.span().name, world.span().kind) == (f"process {REQUESTS}", SpanKind.CONSUMER)
    assert dict(answer.headers)["traceparent"].decode() == leads_to(world.span())
    assert about(world.span())["messaging.kafka.offset"] == 7


async def test_a_request_that_is_wrong_has_a_span_too_and_its_path_is_no_name(world: World) -> None:
    answers = [
        await world.post(**HEADERS, authorization="Bearer x"),
        await world.post(INFER + "/made/up", **HEADERS),
    ]
    found = [(span.name, span.status.status_code) for span in world.spans.get_finished_spans()]
    assert [answer.status_code for answer in answers] == [401, 404]
    assert found == [("POST /v2/models/{model}/infer", StatusCode.UNSET), ("POST", StatusCode.UNSET)]


async def test_an_error_of_ours_is_one_in_its_span(world: World) -> None:
    world.parts.catalogue.awaits("late", "its bundle is on its way")
    assert (await world.post("/v2/models/late/infer", **HEADERS)).status_code == 503
    assert world.span().status.status_code is StatusCode.ERROR


async def test_a_request_without_the_header_has_no_span(world: World) -> None:
    assert (await world.post()).status_code == 200
    assert world.spans.get_finished_spans() == ()
    assert {trace for _, trace in world.rows()} == {None}


async def test_a_header_that_is_none_begins_a_trace_if_the_sampler_wants_one(world: World) -> None:
    assert (await world.post(traceparent="nonsense")).status_code == 200
    span = world.span()
    assert span.parent is None
    assert {trace for _, trace in world.rows()} == {leads_to(span)}


@pytest.mark.parametrize("sampler", [ParentBased(ALWAYS_OFF)])
async def test_a_trace_that_is_not_sampled_is_told_and_not_recorded(world: World) -> None:
    assert (await world.post(traceparent=f"00-{TRACE}-{PARENT}-00")).status_code == 200
    assert world.spans.get_finished_spans() == ()
    ((_, trace),) = set(world.rows())
    assert trace is not None
    assert (trace[3:35], trace[-2:]) == (TRACE, "00")
