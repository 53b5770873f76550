"""What is measured of every request."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache

from prometheus_client import REGISTRY, Counter
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

ROWS = Counter("driftline_inference_rows_total", "Rows answered", ["model", "digest"])
_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@lru_cache(maxsize=1_024)
def counter(model: str, digest: str) -> Counter:
    """That of the rows of one version."""
    return ROWS.labels(model, digest)


class LatencyHistogram(Collector):
    """Seconds from a request's receipt to its answer, by model: a histogram that takes many at once.

    The client library's takes one at a time, under a lock: at tens of thousands a second that costs as much as reading
    the requests.
    """

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, model: str, seconds: Sequence[float]) -> None:
        """Add one observation for each."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0] * (len(_BOUNDS) + 1)
            self._sums[model] = 0.0
        for each in seconds:
            counts[bisect_left(_BOUNDS, each)] += 1
        self._sums[model] += sum(seconds)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For Prometheus."""
        family = HistogramMetricFamily(
            "driftline_inference_seconds", "From receipt of a request to its answer", labels=["model"]
        )
        for model, counts in list(self._counts.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([model], buckets, self._sums[model])
        yield family


LATENCY = LatencyHistogram()
REGISTRY.register(LATENCY)
