"""Inference from bytes to bytes, whatever a request came by: read, run, log, answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace
from numpy.typing import NDArray

from services.inference.api.large import LargeRuns
from services.inference.api.meters import observe_run
from services.inference.api.shadows import Shadows
from services.inference.api.tracing import traceparent
from services.inference.domain.answer import Answer, check_outputs, special_answer
from services.inference.domain.answered import Answered
from services.inference.domain.asked import Asked, from_request
from services.inference.domain.quick import read_quick, read_quick_binary
from services.inference.domain.quick_columns import read_quick_columns, read_quick_columns_binary
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import InferRequest, read_request
from services.inference.domain.routing import goes_to_canary
from services.inference.domain.stack import Stacked, stack
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel, ModelFailed
from services.inference.store.accounting import Accounting, NotLogged
from shared.errors import InvalidInput

Outputs = dict[str, NDArray[Any]]
T = TypeVar("T")


class Predicted(NamedTuple):
    """Which model answered, the request's id, and the outputs it asks for."""

    model: LoadedModel
    id: str
    outputs: Outputs


class Run(NamedTuple):
    """Requests that run as one: of each when it was `received`, and the `traceparent` that leads to its span, if any
    has one.
    """

    asked: Sequence[Asked]
    received: Sequence[float]
    traces: list[str | None] | None


@dataclass(frozen=True)
class Core:
    """`inline_rows`: larger requests are computed by `large`, so that small ones need not wait. Without `shadows` no
    shadow computes anything.
    """

    accounting: Accounting
    recent: RecentIds
    inline_rows: int
    shadows: Shadows | None = None
    large: LargeRuns = field(default_factory=LargeRuns)

    def read(self, model: LoadedModel, body: bytes, json_length: int | None, now_us: int) -> Asked:
        """A request of the protocol, received at `now_us` microseconds since 1970; raises InvalidInput: `field` names
        what is wrong with it.
        """
        reads, encoder = model.reads, model.encoder
        if json_length is None:
            quick = read_quick(reads, body, now_us) if reads.width else None
            quick = quick or read_quick_columns(reads, encoder, body, now_us)
        else:
            quick = read_quick_binary(reads, body, json_length, now_us) if reads.width else None
            quick = quick or read_quick_columns_binary(reads, encoder, body, json_length, now_us)
        if quick is None or (quick.binary and model.answers.has_strings):
            return self._read_carefully(model, body, json_length)
        return quick

    def _read_carefully(self, model: LoadedModel, body: bytes, json_length: int | None) -> Asked:
        return _understood(model, read_request(body, json_length))

    async def infer(self, served: Served, body: bytes, received: float, json_length: int | None = None) -> Answer:
        """The answer to a request of the protocol; `json_length` as `domain.request` takes it.

        Raises:
            InvalidInput: `field` names what is wrong with the request.
            ModelFailed: the model can't compute this.
            NotLogged: the prediction can't be logged.
            Overloaded: it would come too late.
        """
        self._check(served.model)
        served, asked = routed(served, self.read(served.model, body, json_length, time.time_ns() // 1_000))
        try:
            return await self._given(served, asked, received, _answer)
        except InvalidInput:  # of the numbers that the quick reader took; the careful one says where
            careful = self._read_carefully(served.model, body, json_length)
            return await self._given(served, replace(careful, key=asked.key, id=asked.id), received, _answer)

    async def answer(self, served: Served, request: InferRequest, received: float) -> Answer:
        """The answer to a request that was read; raises as `infer` does."""
        self._check(served.model)
        served, asked = routed(served, _understood(served.model, request))
        return await self._given(served, asked, received, _answer)

    async def predict(self, served: Served, request: InferRequest, received: float) -> Predicted:
        """The outputs for a request that was read; raises as `infer` does."""
        self._check(served.model)
        served, asked = routed(served, _understood(served.model, request))
        return await self._given(served, asked, received, _predicted)

    async def _given(
        self, served: Served, asked: Asked, received: float, form: Callable[[LoadedModel, Asked, Outputs], T]
    ) -> T:
        """As `_give`; what the model can't compute is counted. Every request that fails comes here, and once."""
        try:
            return await self._give(served, asked, received, form)
        except ModelFailed:
            self.accounting.failed(served.source, [asked])
            raise

    async def _give(
        self, served: Served, asked: Asked, received: float, form: Callable[[LoadedModel, Asked, Outputs], T]
    ) -> T:
        stacked = stack([asked])
        outputs = await self._run(served.model, stacked)
        given = form(served.model, asked, outputs)  # before the log: what is logged is answered
        trace = traceparent(served.model.name, served.model.digest, asked.id)
        run = Run([asked], [received], None if trace is None else [trace])
        await self._enter(served, [asked], self.answered(served, run, stacked, outputs))
        return given

    async def _run(self, model: LoadedModel, stacked: Stacked) -> Outputs:
        await model.bring()
        if len(stacked.tensor) > self.inline_rows:
            return await self.large.run(model, stacked.tensor)
        return model.run(stacked.tensor)

    def infer_all(self, served: Served, run: Run, told: Callable[[list[Answer] | None], None]) -> None:
        """Answer requests that run as one: `told` gets their answers, in mode durable later on, or None if they could
        not be logged. Raises as `infer` does, and then none is answered or logged.

        None of them is special, and either all or none want their answer in binary.
        """
        self._check(served.model)
        stacked = stack(run.asked)
        outputs = served.model.run(stacked.tensor)
        answers = written(served.model, run.asked, outputs)
        answered = self.answered(served, run, stacked, outputs)

        def entered(safe: bool) -> None:
            told(answers if safe else None)
            self._conclude(served, run.asked, answered, safe)

        self.accounting.enter(served.source, answered, entered, refuse=_refuses(served.model))

    async def infer_alone(self, served: Served, asked: Asked, received: float) -> Answer:
        """The answer to a request of many rows; raises as `infer` does."""
        self._check(served.model)
        return await self._give(served, asked, received, _answer)

    def _check(self, model: LoadedModel) -> None:
        self.accounting.check(refuse=_refuses(model))

    async def _enter(self, served: Served, asked: Sequence[Asked], answered: Answered) -> None:
        try:
            await self.accounting.entered(served.source, answered, refuse=_refuses(served.model))
        except NotLogged:
            self._conclude(served, asked, answered, False)
            raise
        self._conclude(served, asked, answered, True)

    def _conclude(self, served: Served, asked: Sequence[Asked], answered: Answered, safe: bool) -> None:
        if not safe:  # who asks again is answered for the first time
            self.recent.forget(key for key, seen in zip(answered.keys, answered.seen, strict=True) if not seen)
        elif served.shadow is not None and self.shadows is not None:
            self.shadows.offer(served.shadow, asked, answered)

    def answered(self, served: Served, run: Run, stacked: Stacked, outputs: Outputs) -> Answered:
        """What is logged of requests that get these outputs; they are measured, too."""
        model, now, asked = served.model, time.perf_counter(), run.asked
        seconds = [now - begun for begun in run.received]
        observe_run(model.name, model.digest, seconds, len(stacked.tensor))
        scores = model.scores(outputs)  # first: it may raise, and then nothing was answered
        keys, counts = [each.key for each in asked], [each.rows for each in asked]
        return Answered(
            keys=keys,
            counts=counts,
            seen=self.recent.seen_all(keys, counts),
            seconds=seconds,
            entities=[each.entity for each in asked],
            event_times=[each.event_time for each in asked],
            rows=stacked.rows,
            scores=scores,
            traces=run.traces,
        )


def _refuses(model: LoadedModel) -> bool:
    return model.definition.serving.when_log_is_full == "refuse"


def routed(served: Served, asked: Asked) -> tuple[Served, Asked]:
    """What answers a request that was read for `served`, and the request as that reads it; raises InvalidInput if it
    can't.
    """
    canary = served.canary
    if canary is None or not goes_to_canary(canary.salt, asked.subject, canary.share):
        return served, asked
    return canary.served, asked.read_by(canary.served.model.encoder)


def _understood(model: LoadedModel, request: InferRequest) -> Asked:
    asked = from_request(model.name, request, model.encoder, time.time_ns() // 1_000)
    check_outputs(model.datatypes, asked.outputs)
    return asked


def written(model: LoadedModel, asked: Sequence[Asked], outputs: Outputs) -> list[Answer]:
    """The answers to requests that ran as one; all are plain JSON, or all binary, or it is a single special one."""
    if asked[0].special is not None:
        return [special_answer(model.name, model.digest, asked[0], outputs, model.datatypes)]
    if asked[0].binary:
        return model.answers.write_binary(asked, outputs)
    return model.answers.write(asked, outputs)


def _answer(model: LoadedModel, asked: Asked, outputs: Outputs) -> Answer:
    return written(model, [asked], outputs)[0]


def _predicted(model: LoadedModel, asked: Asked, outputs: Outputs) -> Predicted:
    return Predicted(model, asked.id, {name: outputs[name] for name in asked.outputs or outputs})
