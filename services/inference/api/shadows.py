"""Shadows: versions that compute what the champion has answered, off the response path; only the log knows of it."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from prometheus_client import Counter
from structlog import get_logger

from services.inference.domain.answered import Answered
from services.inference.domain.asked import Asked
from services.inference.domain.stack import stack
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.accounting import Accounting
from shared.features import Float32, Rows

log = get_logger()

ROWS = Counter("driftline_inference_shadow_rows_total", "Answered rows that a shadow was given", ["model", "outcome"])

_PAUSE = 0.005  # seconds in which the answers go out, and more rows come that are computed as one
_BUSY_TURN = 250e-6  # seconds
_RESTS = 100  # times as long as it computed: then fewer requests than the 99th percentile tells of feel it
_LONGEST_REST = 1.0  # seconds
_MOST_ROWS = 128  # at a time, of several requests: the thread that computes them must not hold up the event loop


class _Pair(NamedTuple):
    """Requests, and what the champion answered to them."""

    shadow: Served
    asked: Sequence[Asked]
    answered: Answered


class Shadows:
    """`offer` takes what was answered and never blocks; `run` has the shadow compute it. At most `bound` rows wait."""

    def __init__(self, accounting: Accounting, bound: int) -> None:
        self._accounting = accounting
        self._bound = bound
        self._waiting: deque[_Pair] = deque()
        self._rows = 0
        self._arrived = asyncio.Event()
        self._ailing: set[str] = set()

    def offer(self, shadow: Served, asked: Sequence[Asked], answered: Answered) -> None:
        """Have the shadow compute these, or drop them if too many wait."""
        rows = len(answered)
        if self._rows + rows > self._bound:
            _count(shadow, "dropped", rows)
            return
        self._waiting.append(_Pair(shadow, asked, answered))
        self._rows += rows
        self._arrived.set()

    async def run(self) -> None:
        """Compute what waits, for ever, in a thread.

        Its priority is not lowered: one that waits for the processor while it holds Python's lock holds up the answers.
        Instead it rests while these take all of the event loop's time; what can't wait so long is dropped.
        """
        thread = ThreadPoolExecutor(1, "shadow")
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(_PAUSE)
                self._arrived.clear()
                while self._waiting:
                    began = time.perf_counter()
                    await self._compute(thread, self._next())
                    if await _is_busy():
                        await asyncio.sleep(min(_LONGEST_REST, _RESTS * (time.perf_counter() - began)))
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> list[_Pair]:
        """The oldest pairs of one shadow; as many rows as may be, at least one pair."""
        pairs: list[_Pair] = []
        rows = 0
        while self._waiting and (not pairs or self._waiting[0].shadow is pairs[0].shadow):
            size = len(self._waiting[0].answered)
            if pairs and rows + size > _MOST_ROWS:
                break
            pairs.append(self._waiting.popleft())
            rows += size
        self._rows -= rows
        return pairs

    async def _compute(self, thread: ThreadPoolExecutor, pairs: list[_Pair]) -> None:
        shadow, model = pairs[0].shadow, pairs[0].shadow.model
        asked = [each for pair in pairs for each in pair.asked]
        begun = time.perf_counter()
        try:
            await model.bring()
            rows, scores = await asyncio.get_running_loop().run_in_executor(thread, _scores, model, asked)
            self._enter(pairs, rows, scores, time.perf_counter() - begun)
            self._ailing.discard(model.digest)
        except Exception as error:  # noqa: BLE001  # the loop's edge: a shadow harms nobody
            _count(shadow, "failed", sum(len(pair.answered) for pair in pairs))
            self._accounting.failed(shadow.source, asked)
            if model.digest not in self._ailing:
                log.warning("the shadow fails", model=model.name, digest=model.digest, why=str(error))
            self._ailing.add(model.digest)

    def _enter(self, pairs: list[_Pair], rows: Rows, scores: Float32, seconds: float) -> None:
        start = 0
        for shadow, _, champion in pairs:
            part = slice(start, start + len(champion))
            start = part.stop
            answered = replace(
                champion,
                rows=rows[part],
                scores=scores[part],
                champion_scores=champion.scores,
                seconds=[seconds] * len(champion.keys),
            )
            entered = self._accounting.enter_unawaited(shadow.source, answered)
            _count(shadow, "logged" if entered else "dropped", len(champion))


def _scores(model: LoadedModel, asked: list[Asked]) -> tuple[Rows, Float32]:
    """The rows of all requests as `model` takes them, and its scores [n, k]."""
    read = [each.read_by(model.encoder) for each in asked]
    stacks = [stack(part) for part in ([read] if model.stackable else [[each] for each in read])]
    scores = [model.scores(model.run(stacked.tensor)) for stacked in stacks]
    numeric = np.concatenate([stacked.rows.numeric for stacked in stacks])
    categorical = np.concatenate([stacked.rows.categorical for stacked in stacks])
    return Rows(numeric, categorical), np.concatenate(scores)


async def _is_busy() -> bool:
    """Whether one turn of the event loop takes so long that requests wait for each other."""
    began = time.perf_counter()
    await asyncio.sleep(0)
    return time.perf_counter() - began > _BUSY_TURN


def _count(shadow: Served, outcome: str, rows: int) -> None:
    ROWS.labels(shadow.model.name, outcome).inc(rows)
