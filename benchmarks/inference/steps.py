"""What a request takes, step by step, in one process without sockets.

`python -m benchmarks.inference.steps` prints, for turns of the event loop of 1, 16 and 64 requests of one row, the
microseconds of the core for a request in each step. Beside a running server all is slower: the kernel empties the
processor's memory of branches at each call of it.
"""

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.inference.data import Form
from benchmarks.inference.models import make
from benchmarks.inference.requests import Bodies
from services.inference.api.core import Core, Run, written
from services.inference.domain.recent import RecentIds
from services.inference.domain.stack import stack
from services.inference.models.catalogue import Served
from services.inference.models.loaded import load
from services.inference.store.accounting import Accounting
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared import garbage
from shared.bundle import open_bundle
from shared.kafka.backlog import Settled
from shared.keys import make_keys

STEPS = ("read", "stack", "run the model", "write the answers", "note what is logged", "put a message together")
TURNS = (1, 16, 64)
_SECONDS = 0.025  # of a message
_TURNS = 1_000


def _forget(value: bytes, rows: int, settled: Settled | None = None) -> None:
    """Where messages go."""


class Steps:
    """Seconds of the core by step."""

    def __init__(self, served: Served) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._served = served
        self._log = PredictionLog(_forget, "steps", GatherPolicy(60, 1_000_000))
        self._core = Core(Accounting(self._log, lambda: False), RecentIds(200_000), 256)

    def _timed(self, step: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.process_time()
        done = work(*arguments)
        self.seconds[step] += time.process_time() - began
        return done

    def turn(self, bodies: list[tuple[bytes, int | None]]) -> None:
        """One turn of the event loop with these requests."""
        core, model, now = self._core, self._served.model, time.time_ns() // 1_000
        received = [time.perf_counter()] * len(bodies)

        def read() -> Any:
            return [core.read(model, body, length, now) for body, length in bodies]

        asked = self._timed(STEPS[0], read)
        stacked = self._timed(STEPS[1], stack, asked)
        outputs = self._timed(STEPS[2], model.run, stacked.tensor)
        self._timed(STEPS[3], written, model, asked, outputs)
        run = Run(asked, received, None)

        def note() -> None:
            answered = core.answered(self._served, run, stacked, outputs)
            core.accounting.enter(self._served.source, answered, lambda _: None, refuse=True)

        self._timed(STEPS[4], note)

    def flush(self) -> None:
        """What is done once for each message."""
        self._timed(STEPS[5], self._log.flush)


async def measure(served: Served, form: Form, requests: int, rate: float) -> list[float]:
    """Microseconds for a request in each step, with messages as often as at this rate of requests a second."""
    bodies = cycle(_split(*Bodies("/").body(1, form, seed)) for seed in range(32))
    steps, waiting = Steps(served), 0
    for _ in range(_TURNS):
        steps.turn(list(islice(bodies, requests)))
        waiting += requests
        if waiting >= rate * _SECONDS:
            steps.flush()
            waiting = 0
    steps.flush()
    return [steps.seconds[step] * 1e6 / _TURNS / requests for step in STEPS]


def _split(body: bytes, line: str) -> tuple[bytes, int | None]:
    return body, int(line.partition(":")[2]) if line else None


def main() -> None:
    """Print a JSON list of turn, form, and the microseconds of each step."""
    os.sched_setaffinity(0, {0})
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        make_keys(state)
        digest = make(state, "gbm")
        served = Served(load(open_bundle(state / "bundles", digest, state / "trust")), "champion", 1)
    garbage.settle()
    forms: tuple[Form, ...] = ("json", "binary")
    found = [
        (turn, form, uvloop.run(measure(served, form, turn, rate=20_000 if turn > 1 else 3_000)))
        for turn in TURNS
        for form in forms
    ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
