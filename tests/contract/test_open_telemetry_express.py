"""With OpenTelemetry's SDK: spans of requests on the express lane, which run many as one."""

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from services.inference.api.express.exchange import Exchange
from services.inference.models.loaded import LoadedModel, load
from shared.bundle import open_bundle
from tests.bundles import make_bundle
from tests.unit.inference.express_server import running_server
from tests.unit.inference.harness import inputs

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LINES = (f"traceparent: 00-{TRACE}-{PARENT}-01", "tracestate: a=1")
INFER = "/v2/models/small/infer"


class Spans:
    """A tracer, and the spans that ended."""

    def __init__(self) -> None:
        self._exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def ended(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def model(state: Path) -> LoadedModel:
    return load(open_bundle(state / "bundles", make_bundle(state), state / "trust"))


def body(name: str) -> bytes:
    return json.dumps({"id": name, "inputs": inputs()}).encode()


def ids(span: ReadableSpan) -> tuple[str, str, str | None]:
    """A span's trace, itself, and its parent."""
    assert span.context is not None
    parent = format_span_id(span.parent.span_id) if span.parent else None
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id), parent


@pytest.mark.parametrize("version", [False, True])
async def test_each_of_the_requests_that_run_as_one_has_its_span(
    state: Path, model: LoadedModel, version: bool
) -> None:
    spans, path = Spans(), f"/v2/models/small/versions/{model.digest}/infer" if version else INFER
    async with running_server(state, model, tracer=spans.tracer) as server:
        posts = [
            server.post(body("a"), path, *LINES),
            server.post(body("b"), path),
            server.post(body("c"), path, *LINES),
        ]
        told = await server.ask(b"".join(posts), answers=3)
        assert [status for status, _, _ in told] == [200] * 3
        first, second = spans.ended()
        rows = [f"00-{TRACE}-{ids(span)[1]}-01" for span in (first, second)]
        assert server.traces() == [rows[0], None, rows[1]]
    route = "/v2/models/{model}/versions/{version}/infer" if version else "/v2/models/{model}/infer"
    for span, name in ((first, "a"), (second, "c")):
        assert (span.name, span.kind, span.status.status_code) == (f"POST {route}", SpanKind.SERVER, StatusCode.UNSET)
        assert (ids(span)[0], ids(span)[2]) == (TRACE, PARENT)
        assert dict(span.attributes or {}) == {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "http.route": route,
            "url.scheme": "http",
            "url.path": path,
            "driftline.model": "small",
            "driftline.version": model.digest,
            "driftline.request_id": name,
        }
        assert (span.end_time or 0) >= (span.start_time or 0) > 0


async def test_what_is_given_up_has_the_span_of_the_normal_way_alone(state: Path, model: LoadedModel) -> None:
    spans = Spans()
    async with running_server(state, model, tracer=spans.tracer) as server:
        [(status, _, _)] = await server.ask(server.post(b"{}", INFER, *LINES))
    assert status == 400
    [span] = spans.ended()
    assert (span.attributes or {})["http.response.status_code"] == 400


@pytest.mark.parametrize("method", ["traced", "finish"], ids=["before it is computed", "after"])
async def test_what_is_refused_says_so(
    state: Path, model: LoadedModel, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refused(exchange: Exchange, *_: object) -> None:
        exchange.refuse()

    monkeypatch.setattr(Exchange, method, refused)
    spans = Spans()
    async with running_server(state, model, tracer=spans.tracer) as server:
        [(status, _, _)] = await server.ask(server.post(body("a"), INFER, *LINES))
    assert status == 503
    [span] = spans.ended()
    assert (span.attributes or {})["http.response.status_code"] == 503
    assert span.status.status_code is StatusCode.ERROR
