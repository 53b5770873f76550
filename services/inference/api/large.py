"""Large requests are computed in threads, so that small ones need not wait; those that would be late are refused."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from services.inference.api.shedding import SHED
from services.inference.models.loaded import LoadedModel
from shared.errors import DriftlineError
from shared.features import Float32

_NEWEST = 0.2  # the weight of the latest run in what a row is expected to take

Outputs = dict[str, NDArray[Any]]


class Overloaded(DriftlineError):
    """The answer would come too late, so it is not computed; the client should ask again."""


class LargeRuns:
    """As many at a time as this process has cores; the others wait, for half of the model's latency objective at most.

    What they will take is told by the runs before them, and at first by one when the model was loaded.
    """

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self._cores, "model")
        self._seconds = 0.0  # that all of those in hand are expected to take
        self._row_seconds: WeakKeyDictionary[LoadedModel, float] = WeakKeyDictionary()

    async def run(self, model: LoadedModel, tensor: Float32) -> Outputs:
        """Outputs as `LoadedModel.run` gives them; raises Overloaded, and as that does."""
        expected = len(tensor) * self._row_seconds.get(model, model.row_seconds)
        objective = model.definition.serving.latency_slo_ms / 1_000
        if self._seconds and (self._seconds + expected) / self._cores > objective / 2:
            SHED.labels(model.name).inc()
            raise Overloaded("too many large requests wait; ask again")
        self._seconds += expected
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, _timed, model, tensor)
            outputs, seconds = await running
        finally:
            self._seconds -= expected
        before = self._row_seconds.get(model, seconds / len(tensor))
        self._row_seconds[model] = before + _NEWEST * (seconds / len(tensor) - before)
        return outputs


def _timed(model: LoadedModel, tensor: Float32) -> tuple[Outputs, float]:
    began = time.perf_counter()
    return model.run(tensor), time.perf_counter() - began
