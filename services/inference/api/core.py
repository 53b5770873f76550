"""Inference from bytes to bytes, whatever a request came by: read, run, log, answer."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from services.inference.api.meters import LATENCY, counter
from services.inference.domain.answer import chosen
from services.inference.domain.answered import Answered
from services.inference.domain.asked import Asked, from_quick, from_request
from services.inference.domain.quick import read_quick
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import read_request
from services.inference.domain.stack import Stacked, stack
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.predictions import PredictionLog, Source

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Core:
    """`inline_rows`: larger requests are computed in a thread, so that small ones need not wait."""

    log: PredictionLog
    recent: RecentIds
    inline_rows: int

    def read(self, model: LoadedModel, body: bytes) -> Asked:
        """A JSON request; raises InvalidInput: `field` names what is wrong with it."""
        now_us = time.time_ns() // 1_000
        quick = read_quick(body, model.width, model.definition.serving.max_rows)
        if quick is not None:
            return from_quick(model.name, quick, now_us)
        asked = from_request(model.name, read_request(body), model.encoder, now_us)
        return asked._replace(outputs=chosen(model.datatypes, asked.outputs))

    async def infer(self, served: Served, body: bytes, received: float) -> bytes:
        """The JSON answer to a JSON request; `received` as `time.perf_counter` tells it.

        Raises:
            InvalidInput: `field` names what is wrong with the request.
            ModelFailed: the model can't compute this.
        """
        model = served.model
        asked = [self.read(model, body)]
        stacked = stack(asked)
        if len(stacked.tensor) > self.inline_rows:
            outputs = await asyncio.to_thread(model.run, stacked.tensor)
        else:
            outputs = model.run(stacked.tensor)
        answer = model.answers.write(asked, outputs)[0]
        self._note(served, asked, stacked, outputs, [received])
        return answer

    def infer_all(self, served: Served, asked: Sequence[Asked], received: Sequence[float]) -> list[bytes]:
        """The answers to requests that run as one; raises as `infer` does, and then none is answered or logged."""
        stacked = stack(asked)
        outputs = served.model.run(stacked.tensor)
        answers = served.model.answers.write(asked, outputs)  # before the log: what is logged is answered
        self._note(served, asked, stacked, outputs, received)
        return answers

    def _note(  # the request's five sides
        self, served: Served, asked: Sequence[Asked], stacked: Stacked, outputs: Outputs, received: Sequence[float]
    ) -> None:
        """Log and measure requests that are answered with these outputs."""
        model, now = served.model, time.perf_counter()
        seconds = [now - begun for begun in received]
        answered = Answered(
            keys=[each.key for each in asked],
            counts=[each.rows for each in asked],
            seen=[self.recent.seen(each.key, each.rows) for each in asked],
            latency_us=[min(int(each * 1e6), 2**31 - 1) for each in seconds],
            entity=stacked.entity,
            event_time=stacked.event_time,
            rows=stacked.rows,
            scores=model.scores(outputs),
        )
        self.log.add(Source(model.name, model.digest, model.definition.digest, served.role), answered)
        counter(model.name, model.digest).inc(len(answered))
        LATENCY.observe(model.name, seconds)
