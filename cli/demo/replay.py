"""The replay: one HTTP request per flight, labels when the planes have landed, in the order of event time."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from cli.demo.api import Api
from cli.demo.flights import Flight, Tick

LANES = 4
LABELS_PER_POST = 1_000


@dataclass
class Record:
    """What the client saw. `answered_by` holds the bundle digest of each answered request id."""

    sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    answered_by: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Rows in 200 answers."""
        return len(self.answered_by)


class Replay:
    """Posts hours one after another; within an hour LANES requests are under way at a time."""

    def __init__(self, api: Api, model: str) -> None:
        self._api = api
        self._model = model
        self.record = Record()

    async def run(
        self, hours: Sequence[Tick], before: Callable[[Tick], Awaitable[None]], after: Callable[[Tick], None]
    ) -> None:
        """Post everything; `before` an hour may wait, `after` it progress is shown."""
        for hour in hours:
            await before(hour)
            lanes = [hour.flights[lane::LANES] for lane in range(LANES)]
            await asyncio.gather(*(self._lane(flights) for flights in lanes))
            await self._labels(hour)
            after(hour)

    async def _lane(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            await self._predict(flight)

    async def _predict(self, flight: Flight) -> None:
        began = time.perf_counter()
        self.record.sent += 1
        status, body = await self._api.post_bytes("inference", f"/v2/models/{self._model}/infer", flight.body, "client")
        self.record.latencies_ms.append((time.perf_counter() - began) * 1000)
        if status == 200:
            self.record.answered_by[flight.request_id] = json.loads(body)["model_version"]
        else:
            self.record.refused[f"{status} {body[:200].decode(errors='replace')}"] += 1

    async def _labels(self, hour: Tick) -> None:
        for first in range(0, len(hour.labels), LABELS_PER_POST):
            chunk = hour.labels[first : first + LABELS_PER_POST]
            await self._api.post("inference", f"/v1/models/{self._model}/labels", chunk, "client")
