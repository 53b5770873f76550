"""All cases in all rounds: they take turns, so that a noisy machine hits all."""

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.inference.baselines import calls_a_second, microseconds
from benchmarks.inference.cases import OVERLOAD, OVERLOAD_ROWS, ROWS, Case, Plan
from benchmarks.inference.endpoint import Endpoint
from benchmarks.inference.figures import Figures, Overloaded, Run
from benchmarks.inference.load import Measured, load
from benchmarks.inference.machine import Share, Watch, allow_files, megabytes, pin_to_last
from benchmarks.inference.overload import Flood, flood
from benchmarks.inference.servers import Servers, running_servers

_CROWD = 64  # connections, to see what the service can do
_SAMPLE = 0.1  # seconds
_WARM = 0.2


async def measure(plan: Plan) -> Figures:
    """Raises SystemExit if the topic holds other rows than those that were answered."""
    figures = Figures()
    allow_files()
    with tempfile.TemporaryDirectory() as folder:
        async with running_servers(Path(folder)) as servers:
            pin_to_last(os.getpid())
            await _Round(plan._replace(seconds=_WARM, overload_seconds=_WARM), servers, Figures()).warm()
            for number in range(plan.rounds):
                await _Round(plan, servers, figures).run()
                print(f"round {number + 1} of {plan.rounds}: the topic holds what was answered", flush=True)
    return figures


class _Round:
    def __init__(self, plan: Plan, servers: Servers, figures: Figures) -> None:
        self._plan = plan
        self._servers = servers
        self._figures = figures

    async def warm(self) -> None:
        """The first requests find much that is made once: connections to Kafka, what all answers share, memory."""
        for case in self._plan.cases():
            if case.place.rows == 1 and case.form == "json":
                await self._once(case)
        await self._overload(self._servers.ours["fast", "brisk"])

    async def run(self) -> None:
        for case in self._plan.cases():
            self._figures.runs[case].append(await self._once(case))
        for kind, file in self._servers.graphs.items():
            calls = await calls_a_second(file, ROWS, self._plan.seconds / 2)
            for rows, each in zip(ROWS, calls, strict=True):
                self._figures.alone[kind, rows].append(each)
        for turn, form, steps in await microseconds():
            self._figures.steps[turn, form].append(steps)
        self._figures.overloads.append(await self._overload(self._servers.ours["fast", "brisk"]))

    async def _once(self, case: Case) -> Run:
        place, endpoint = case.place, self._servers.endpoint(case.server, case.place)
        requests = endpoint.bodies.posts(place.rows, case.form)
        watches = Watch(endpoint.pid), Watch(self._servers.broker)
        measured = await asyncio.to_thread(load, endpoint.port, requests, place.connections, self._plan.seconds)
        server, broker = (watch.read() for watch in watches)
        published = case.server not in ("plain", "loop", "unpublished")
        await self._check(str(case), measured.answered * place.rows if published else 0)
        return Run(measured.requests, measured.p50, measured.p99, *server, *measured.share, broker.taken)

    async def _check(self, what: str, answered: int) -> None:
        rows = await self._servers.topic.rows(answered)
        if rows != answered:
            raise SystemExit(f"{what}: {answered} rows answered, {rows} on the topic")

    async def _capacity(self, endpoint: Endpoint) -> Measured:
        """Of the same graph, with an objective so long that nothing is shed."""
        requests = endpoint.bodies.posts(OVERLOAD_ROWS, "json")
        return await asyncio.to_thread(load, endpoint.port, requests, _CROWD, self._plan.seconds)

    async def _overload(self, endpoint: Endpoint) -> Overloaded:
        can = await self._capacity(self._servers.ours["fast", "gbm"])
        requests = endpoint.bodies.posts(OVERLOAD_ROWS, "json")
        memory = [megabytes(endpoint.pid)]
        watches = Watch(endpoint.pid), Watch(self._servers.broker)
        watching = asyncio.create_task(_watch(endpoint.pid, memory))
        found = await asyncio.to_thread(
            flood, endpoint.port, requests, can.requests * OVERLOAD, self._plan.overload_seconds
        )
        server, broker = (watch.read() for watch in watches)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await self._check("overload", (can.answered + found.statuses[200]) * OVERLOAD_ROWS)
        memory.append(megabytes(endpoint.pid))
        return _told(can.requests, found, memory, server, broker)


async def _watch(pid: int, memory: list[float]) -> None:
    while True:
        await asyncio.sleep(_SAMPLE)
        memory.append(megabytes(pid))


def _told(can: float, found: Flood, memory: list[float], server: Share, broker: Share) -> Overloaded:
    return Overloaded(
        can=can,
        rate=found.rate,
        sent=found.sent,
        unsent=found.unsent,
        seconds=found.seconds,
        answers=dict(found.statuses),
        mute=found.mute,
        p50=_milliseconds(found.admitted, 50),
        p99=_milliseconds(found.admitted, 99),
        refused_p99=_milliseconds(found.refused, 99),
        late_p99=_milliseconds(found.late, 99),
        before=memory[0],
        after=memory[-1],
        most=max(memory),
        server=server.taken,
        lost=server.lost,
        load=found.share.taken,
        load_lost=found.share.lost,
        broker=broker.taken,
    )


def _milliseconds(seconds: list[float], percentile: int) -> float:
    return float(np.percentile(seconds, percentile)) * 1_000 if seconds else 0.0
