"""What is measured of every request."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache

from prometheus_client import REGISTRY, Counter
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

ROWS = Counter("driftline_inference_rows_total", "Rows answered", ["model", "digest"])
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192)


@lru_cache(maxsize=1_024)
def counter(model: str, digest: str) -> Counter:
    """That of the rows of one version."""
    return ROWS.labels(model, digest)


class ManyHistogram(Collector):
    """By model: a histogram that takes many at once.

    The client library's takes one at a time, under a lock: at tens of thousands a second that costs as much as reading
    the requests.
    """

    def __init__(self, name: str, told: str, bounds: Sequence[float]) -> None:
        self._name, self._told, self._bounds = name, told, bounds
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, model: str, values: Sequence[float]) -> None:
        """Add one observation for each, at least one."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0] * (len(self._bounds) + 1)
            self._sums[model] = 0.0
        bounds = self._bounds
        least = bisect_left(bounds, min(values))
        if least == bisect_left(bounds, max(values)):  # as nearly always: they waited for each other
            counts[least] += len(values)
        else:
            for each in values:
                counts[bisect_left(bounds, each)] += 1
        self._sums[model] += sum(values)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For Prometheus."""
        family = HistogramMetricFamily(self._name, self._told, labels=["model"])
        for model, counts in list(self._counts.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([model], buckets, self._sums[model])
        yield family


LATENCY = ManyHistogram("driftline_inference_seconds", "From receipt of a request to its answer", _SECONDS)
RUN_ROWS = ManyHistogram("driftline_inference_run_rows", "Rows that a model computed at once", _SIZES)
RUN_REQUESTS = ManyHistogram("driftline_inference_run_requests", "Requests that a model computed at once", _SIZES)
for histogram in (LATENCY, RUN_ROWS, RUN_REQUESTS):
    REGISTRY.register(histogram)


def observe_run(model: str, digest: str, seconds: Sequence[float], rows: int) -> None:
    """A model answered a request in each of these seconds, with so many rows in all."""
    counter(model, digest).inc(rows)
    LATENCY.observe(model, seconds)
    RUN_ROWS.observe(model, (rows,))
    RUN_REQUESTS.observe(model, (len(seconds),))
