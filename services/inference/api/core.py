"""Inference from bytes to bytes, whatever a request came by: read, run, log, answer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from services.inference.api.meters import observe_run
from services.inference.domain.answer import Answer, chosen, special_answer
from services.inference.domain.answered import Answered
from services.inference.domain.asked import Asked, from_quick, from_request
from services.inference.domain.quick import read_quick, read_quick_binary
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import InferRequest, read_request
from services.inference.domain.stack import Stacked, stack
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.accounting import Accounting
from shared.errors import InvalidInput

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Core:
    """`inline_rows`: larger requests are computed in a thread, so that small ones need not wait."""

    accounting: Accounting
    recent: RecentIds
    inline_rows: int

    def read(self, model: LoadedModel, body: bytes, json_length: int | None = None) -> Asked:
        """A request of the protocol; raises InvalidInput: `field` names what is wrong with it."""
        most = model.definition.serving.max_rows
        if json_length is None:
            quick = read_quick(body, model.width, most)
        else:
            quick = read_quick_binary(body, json_length, model.width, most)
        if quick is None or (quick.binary and model.answers.has_strings):
            return self._read_carefully(model, body, json_length)
        return from_quick(model.name, quick, time.time_ns() // 1_000)

    def _read_carefully(self, model: LoadedModel, body: bytes, json_length: int | None) -> Asked:
        return _understood(model, read_request(body, json_length))

    async def infer(self, served: Served, body: bytes, received: float, json_length: int | None = None) -> Answer:
        """The answer to a request of the protocol; `json_length` as `domain.request` takes it.

        Raises:
            InvalidInput: `field` names what is wrong with the request.
            ModelFailed: the model can't compute this.
            NotLogged: the prediction can't be logged.
        """
        model = served.model
        self._check(model)
        asked = self.read(model, body, json_length)
        try:
            stacked = stack([asked])
        except InvalidInput:  # the careful reader says where
            asked = self._read_carefully(model, body, json_length)
            stacked = stack([asked])
        outputs = await self._run(model, stacked)
        answer = _written(model, [asked], outputs)[0]  # before the log: what is logged is answered
        await self._enter(served, self._answered(served, [asked], stacked, outputs, [received]))
        return answer

    async def predict(self, served: Served, request: InferRequest, received: float) -> tuple[str, Outputs]:
        """The id of a request that was read, and the outputs it asks for; raises as `infer` does."""
        self._check(served.model)
        asked = _understood(served.model, request)
        stacked = stack([asked])
        outputs = await self._run(served.model, stacked)
        await self._enter(served, self._answered(served, [asked], stacked, outputs, [received]))
        return asked.id, {name: outputs[name] for name in asked.outputs or outputs}

    async def _run(self, model: LoadedModel, stacked: Stacked) -> Outputs:
        await model.bring()
        if len(stacked.tensor) > self.inline_rows:
            return await asyncio.to_thread(model.run, stacked.tensor)
        return model.run(stacked.tensor)

    def infer_all(
        self,
        served: Served,
        asked: Sequence[Asked],
        received: Sequence[float],
        told: Callable[[list[Answer] | None], None],
    ) -> None:
        """Answer requests that run as one: `told` gets their answers, in mode durable later on, or None if they could
        not be logged. Raises as `infer` does, and then none is answered or logged.

        None of them is special, and either all or none want their answer in binary.
        """
        self._check(served.model)
        stacked = stack(asked)
        outputs = served.model.run(stacked.tensor)
        answers = _written(served.model, asked, outputs)
        answered = self._answered(served, asked, stacked, outputs, received)
        self.accounting.enter(served.source, answered, lambda safe: told(answers if safe else None))

    def _check(self, model: LoadedModel) -> None:
        self.accounting.check(refuse=model.definition.serving.when_log_is_full == "refuse")

    async def _enter(self, served: Served, answered: Answered) -> None:
        await self.accounting.entered(served.source, answered)

    def _answered(  # the requests' five sides
        self, served: Served, asked: Sequence[Asked], stacked: Stacked, outputs: Outputs, received: Sequence[float]
    ) -> Answered:
        """What is logged of requests that get these outputs; they are measured, too."""
        model, now = served.model, time.perf_counter()
        seconds = [now - begun for begun in received]
        observe_run(model.name, model.digest, seconds, len(stacked.tensor))
        return Answered(
            keys=[each.key for each in asked],
            counts=[each.rows for each in asked],
            seen=[self.recent.seen(each.key, each.rows) for each in asked],
            latency_us=[min(int(each * 1e6), 2**31 - 1) for each in seconds],
            entity=stacked.entity,
            event_time=stacked.event_time,
            rows=stacked.rows,
            scores=model.scores(outputs),
        )


def _understood(model: LoadedModel, request: InferRequest) -> Asked:
    asked = from_request(model.name, request, model.encoder, time.time_ns() // 1_000)
    return asked._replace(outputs=chosen(model.datatypes, asked.outputs))


def _written(model: LoadedModel, asked: Sequence[Asked], outputs: Outputs) -> list[Answer]:
    if asked[0].special is not None:
        return [special_answer(model.name, model.digest, asked[0], outputs, model.datatypes)]
    if asked[0].binary:
        return [Answer(*each) for each in model.answers.write_binary(asked, outputs)]
    return [Answer(body, None) for body in model.answers.write(asked, outputs)]
