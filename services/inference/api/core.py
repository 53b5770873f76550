"""One inference request from bytes to bytes, whatever it came by: parse, run, log, answer."""

import asyncio
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from services.inference.domain.answer import Answered, chosen, response
from services.inference.domain.context import entities, event_times, uuid7, uuid_text
from services.inference.domain.encoder import Encoded
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import InferRequest, read_request
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.predictions import PredictionLog, Source
from shared.batch import request_key
from shared.features import Float32

ROWS = Counter("driftline_inference_rows_total", "Rows answered", ["model", "digest"])
SECONDS = Histogram(
    "driftline_inference_seconds",
    "From receipt of a request to its answer",
    ["model"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


@dataclass(frozen=True)
class Core:
    """`inline_rows`: larger requests are computed in a thread, so that small ones need not wait."""

    log: PredictionLog
    recent: RecentIds
    inline_rows: int

    async def infer(self, served: Served, body: bytes, received: float) -> bytes:
        """The JSON answer to a JSON request; `received` as `time.perf_counter` tells it.

        Raises:
            InvalidInput: `field` names what is wrong with the request.
            ModelFailed: the model can't compute this.
        """
        model = served.model
        asked = _read(model, body)
        outputs = await self._run(model, asked.encoded.tensor)
        scores = model.scores(outputs)
        answer = response(
            model.name, model.digest, asked.id, {name: outputs[name] for name in asked.outputs}, model.datatypes
        )
        self._log(served, asked, scores, time.perf_counter() - received)
        return answer

    async def _run(self, model: LoadedModel, tensor: Float32) -> dict[str, NDArray[Any]]:
        if len(tensor) > self.inline_rows:
            return await asyncio.to_thread(model.run, tensor)
        return model.run(tensor)

    def _log(self, served: Served, asked: "_Asked", scores: Float32, seconds: float) -> None:
        model, rows = served.model, asked.encoded.rows
        latency_us = min(int(seconds * 1e6), 2**31 - 1)
        seen = self.recent.seen(asked.key, len(rows))
        answered = Answered(asked.key, seen, asked.entity, asked.event_time, rows, scores, latency_us)
        self.log.add(Source(model.name, model.digest, model.definition.digest, served.role), answered)
        counted, timed = _meters(model.name, model.digest)
        counted.inc(len(rows))
        timed.observe(seconds)


@lru_cache(maxsize=1_024)
def _meters(model: str, digest: str) -> tuple[Counter, Histogram]:
    return ROWS.labels(model, digest), SECONDS.labels(model)


class _Asked(NamedTuple):
    """A request understood: `key` is its 16 bytes, `id` what they are written as."""

    key: bytes
    id: str
    encoded: Encoded
    event_time: NDArray[np.datetime64]
    entity: list[str | None]
    outputs: tuple[str, ...]


def _read(model: LoadedModel, body: bytes) -> _Asked:
    request = read_request(body)
    encoded = model.encoder.encode(request.inputs)
    rows = len(encoded.rows)
    event_time = event_times(request.event_time, rows, time.time_ns() // 1_000)
    key, text = _identity(model, request, int(event_time[0].astype("int64")))
    outputs = chosen(model.datatypes, request.outputs)
    return _Asked(key, text, encoded, event_time, entities(request.entity, rows), outputs)


def _identity(model: LoadedModel, request: InferRequest, time_us: int) -> tuple[bytes, str]:
    """The request's 16 bytes and its id: as it was sent, or a new UUIDv7 of the first row's event time."""
    if request.id is not None:
        return request_key(model.name, request.id), request.id
    key = uuid7(time_us // 1_000, os.urandom(10))
    return key, uuid_text(key)
