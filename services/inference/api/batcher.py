"""Micro-batching without a timer: what became readable in one turn of the event loop goes to the model as one.

A request that comes alone never waits for another.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from services.inference.api.core import Core, Run, routed
from services.inference.api.large import Overloaded
from services.inference.api.shedding import Shedding
from services.inference.api.tracing import Brought
from services.inference.domain.answer import Answer
from services.inference.domain.answered import Source
from services.inference.domain.asked import Asked
from services.inference.models.catalogue import Served
from services.inference.models.loaded import STACKED_ROWS, LoadedModel
from services.inference.store.accounting import NotLogged


class Job(Protocol):
    """A request that waits for its answer; one of the methods is called, once."""

    received: float
    body: bytes  # JSON, and behind `json_length` bytes of it, if that is not None, binary tensors
    json_length: int | None
    trace: Brought | None  # what it says of the trace that it is part of

    def traced(self, source: Source, request_id: str) -> str | None:
        """What leads from its rows, which `source` answered, to its span in the trace, if it is part of one."""

    def finish(self, answer: Answer) -> None:
        """Here it is. Neither this nor the others raise: what is told to one must not harm the others."""

    def refuse(self) -> None:
        """It can't be answered now; the client should ask again."""

    def give_up(self) -> None:
        """Something is wrong with it, or it or its answer is none for this way; nothing was logged."""


Understood = tuple[Job, Asked]


class _Group(NamedTuple):
    """Requests for the same."""

    served: Served
    jobs: list[Job]


class Batcher:
    """Give it requests with `add`; one that is wrong, or whose answer is a special one, is given up."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._groups: dict[int, _Group] = {}
        self._began = 0.0
        self._shedding: defaultdict[str, Shedding] = defaultdict(Shedding)
        self._alone: set[asyncio.Task[None]] = set()

    def add(self, served: Served, job: Job) -> None:
        """Answer it with `served` in this turn of the event loop, or refuse it if it would come too late."""
        group = self._groups.get(id(served))
        if group is None:
            if not self._groups:
                self._began = time.perf_counter()
                self._loop.call_soon(self._turn)
            group = self._groups[id(served)] = _Group(served, [])
        group.jobs.append(job)

    def _turn(self) -> None:
        groups, self._groups = self._groups, {}
        for served, jobs in groups.values():
            if served.model.is_open:
                self._answer(served, jobs)
            else:  # it was dropped from memory, and opening it again takes a while
                _give_up(jobs)

    def _answer(self, served: Served, group: list[Job]) -> None:
        shedding = self._shedding[served.model.name]
        admitted = shedding.admitted(served.model.name, group)
        understood = self._read(served.model, admitted)
        if served.canary is not None:
            understood = self._divert(served, served.canary.served, understood)
        self._run_alike(served, understood)
        seconds = time.perf_counter() - self._began
        shedding.learn(len(admitted), seconds, served.model.definition.serving.latency_slo_ms / 1_000)

    def _read(self, model: LoadedModel, jobs: list[Job]) -> list[Understood]:
        understood: list[Understood] = []
        read, now_us = self._core.read, time.time_ns() // 1_000
        for job in jobs:
            try:
                asked = read(model, job.body, job.json_length, now_us)
            except Exception:  # noqa: BLE001  # whatever it is, the normal way says it, and the others go on
                job.give_up()
                continue
            if asked.special is not None:
                job.give_up()
            else:
                understood.append((job, asked))
        return understood

    def _divert(self, served: Served, canary: Served, understood: list[Understood]) -> list[Understood]:
        """Have the canary answer its own, and give back the others."""
        left: list[Understood] = []
        diverted: list[Understood] = []
        for job, asked in understood:
            try:
                chosen, again = routed(served, asked)
            except Exception:  # noqa: BLE001  # likewise
                job.give_up()
                continue
            (left if chosen is served else diverted).append((job, again))
        if canary.model.is_open:
            self._run_alike(canary, diverted)
        else:
            _give_up([job for job, _ in diverted])
        return left

    def _run_alike(self, served: Served, understood: list[Understood]) -> None:
        most, inline = STACKED_ROWS if served.model.stackable else 1, self._core.inline_rows
        small = [each for each in understood if each[1].rows <= inline]
        binary = [each for each in small if each[1].binary]
        for alike in (binary, [each for each in small if not each[1].binary] if binary else small):
            for part in _parts(alike, most):
                self._run(served, part)
        if len(small) < len(understood):
            for job, asked in understood:
                if asked.rows > inline:
                    self._start(served, job, asked) if job.trace is None else job.give_up()

    def _start(self, served: Served, job: Job, asked: Asked) -> None:
        task = self._loop.create_task(self._run_alone(served, job, asked))
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)

    async def _run_alone(self, served: Served, job: Job, asked: Asked) -> None:
        try:
            job.finish(await self._core.infer_alone(served, asked, job.received))
        except (NotLogged, Overloaded):
            job.refuse()
        except Exception:  # noqa: BLE001  # likewise
            job.give_up()

    def _run(self, served: Served, part: list[Understood]) -> None:
        def told(answers: list[Answer] | None) -> None:
            if answers is None:
                _refuse(part)
            else:
                for (job, _), answer in zip(part, answers, strict=True):
                    job.finish(answer)

        try:
            run = Run([asked for _, asked in part], [job.received for job, _ in part], self._traces(served, part))
            self._core.infer_all(served, run, told)
            for job, _ in part:  # in mode durable some wait for long
                job.body = b""
        except NotLogged:
            _refuse(part)
        except Exception:  # noqa: BLE001  # likewise
            self._apart(served, part)

    def _traces(self, served: Served, part: list[Understood]) -> list[str | None] | None:
        if not [job for job, _ in part if job.trace is not None]:  # as nearly always
            return None
        source = served.source
        return [job.traced(source, asked.id) for job, asked in part]

    def _apart(self, served: Served, part: list[Understood]) -> None:
        """One of them is wrong: the others must not suffer."""
        if len(part) == 1:
            _give_up([part[0][0]])
            return
        for each in part:
            self._run(served, [each])


def _refuse(part: list[Understood]) -> None:
    for job, _ in part:
        job.refuse()


def _give_up(jobs: list[Job]) -> None:
    for job in jobs:
        job.give_up()


def _parts(understood: list[Understood], most: int) -> Iterator[list[Understood]]:
    """In their order, each with at most `most` rows or a single request."""
    start, rows = 0, 0
    for position, (_, asked) in enumerate(understood):
        if rows and rows + asked.rows > most:
            yield understood[start:position]
            start, rows = position, 0
        rows += asked.rows
    if rows:
        yield understood[start:]
