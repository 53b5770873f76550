"""Answers counted by the way that their requests took and by what they said."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Literal

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Way = Literal["express", "normal", "grpc"]


class Outcomes(Collector):
    """2xx, 3xx, 4xx, 5xx, and 503 apart from these: it is the one that is meant.

    Plain numbers, since all of them are counted on one thread; the client library's lock would be felt.
    """

    def __init__(self) -> None:
        self._counts: Tally[tuple[Way, int]] = Tally()

    def add(self, way: Way, status: int) -> None:
        """An answer with this status of HTTP."""
        self._counts[way, status] += 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        """For Prometheus."""
        sums: Tally[tuple[str, str]] = Tally()
        for (way, status), count in list(self._counts.items()):
            sums[way, "503" if status == 503 else f"{status // 100}xx"] += count
        family = CounterMetricFamily("driftline_inference_requests", "Requests answered", labels=["way", "outcome"])
        for labels, count in sums.items():
            family.add_metric(labels, count)
        yield family


OUTCOMES = Outcomes()
REGISTRY.register(OUTCOMES)


class Counted:
    """ASGI middleware: what the application answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all on."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                OUTCOMES.add("normal", message["status"])
            await send(message)

        await self._app(scope, receive, counting)
