"""W3C trace context: a request that brings a `traceparent` is a span of its trace, and its logged rows lead there.

The span is made by OpenTelemetry's API. Where no SDK is set up it records nothing and stands for the caller's own span,
so that a row tells the trace that its request came with. Requests without the header are not traced. A header that is
no trace context is as good as none to the tracer: nothing refuses a request for it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRACER = trace.get_tracer("driftline.inference")  # whichever SDK is set up, now or later

_W3C = TraceContextTextMapPropagator()
_METHOD = "http.request.method"
_PARENT, _STATE = "traceparent", "tracestate"

Text = str | bytes
_NAMES: dict[Text, str] = {form: name for name in (_PARENT, _STATE) for form in (name, name.encode())}
Brought = Mapping[str, Sequence[str]]
About = Mapping[str, str | int]  # a span's attributes, with the names of OpenTelemetry's conventions
_NOTHING: About = MappingProxyType({})


def brought(headers: Iterable[tuple[Text, Text]]) -> Brought | None:
    """What headers, with names in lower case, say of a trace; None without a `traceparent`."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        known = _NAMES.get(name)
        if known is not None:
            found.setdefault(known, []).append(value if isinstance(value, str) else value.decode("latin-1"))
    return found if _PARENT in found else None


def begin(tracer: Tracer, told: Brought, name: str, about: About = _NOTHING, kind: SpanKind = SpanKind.SERVER) -> Span:
    """A span below the one that was brought; if that is none, the tracer decides whether a trace begins here."""
    return tracer.start_span(name, _parent(told), kind, about)


def _parent(told: Brought) -> Context:
    return _W3C.extract(told) if len(told[_PARENT]) == 1 else Context()


def http_request(method: str, scheme: str, path: str) -> About:
    """What a span tells of a request over HTTP."""
    return {_METHOD: method, "url.scheme": scheme, "url.path": path}


@contextmanager
def spanning(
    tracer: Tracer, told: Brought | None, name: str, about: About = _NOTHING, kind: SpanKind = SpanKind.SERVER
) -> Iterator[Span]:
    """`begin` for the time of the block, in which the span is the current one; without a trace one that is nothing."""
    if told is None:
        yield trace.INVALID_SPAN
        return
    with trace.use_span(begin(tracer, told, name, about, kind), end_on_exit=True) as span:
        yield span


def passed_on(span: Span | None = None) -> dict[str, str]:
    """The headers of what comes of a request: those that lead to the current span, or to this one; none if there is no
    trace.
    """
    headers: dict[str, str] = {}
    _W3C.inject(headers, None if span is None else trace.set_span_in_context(span, Context()))
    return headers


def traceparent(model: str, version: str, request_id: str, span: Span | None = None) -> str | None:
    """What leads from a request's rows to the current span, or to this one; and the span is told what leads back, to
    these rows.
    """
    told = trace.get_current_span() if span is None else span
    told.set_attributes({"driftline.model": model, "driftline.version": version, "driftline.request_id": request_id})
    return passed_on(span).get(_PARENT)


def begin_late(tracer: Tracer, told: Brought, asked: About, received: float) -> Span:
    """`begin` for a request over HTTP, as `http_request` tells it, that came at `received` of `time.perf_counter`."""
    since = time.time_ns() - int((time.perf_counter() - received) * 1e9)
    return tracer.start_span(str(asked[_METHOD]), _parent(told), SpanKind.SERVER, asked, start_time=since)


def end(span: Span, method: str, route: str, status: int) -> None:
    """The answer to a request over HTTP goes out."""
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    mark(span, status)
    span.end()


def mark(span: Span, status: int) -> None:
    """An answer with this status of HTTP: is it an error of ours?"""
    if status >= 500:
        span.set_status(StatusCode.ERROR)


class Traced:
    """ASGI middleware: spans of requests over HTTP."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all on."""
        told = brought(scope["headers"]) if scope["type"] == "http" else None
        if told is None:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        asked = http_request(method, scope["scheme"], scope["path"])
        with spanning(self._tracer, told, method, asked) as span:

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _tell(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, telling)


def _tell(span: Span, scope: Scope, status: int) -> None:
    route = getattr(scope.get("route"), "path_format", None)
    if route is not None:  # a path that a client made up is no name: there would be no end of names
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    mark(span, status)
