"""What was measured, and the ratios of it; a figure is the median over the rounds, a ratio that of the rounds' own."""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.inference.cases import Case
from benchmarks.inference.kinds import KINDS, Graph

_BUSY = 0.9


class Run(NamedTuple):
    """One case once: requests a second, latencies in ms, and how much of a core each took; `lost` is how long the
    server was ready to run and had no core, `load_lost` the load.
    """

    requests: float
    p50: float
    p99: float
    server: float
    lost: float
    load: float
    load_lost: float
    broker: float

    @property
    def microseconds(self) -> float:
        """Of the server's core for one request: what other processes on the machine disturb least."""
        return self.server / self.requests * 1e6

    @property
    def binds(self) -> str:
        """Who never had to wait for the others; where none was, they waited for each other, or for Kafka."""
        if self.server + self.lost >= _BUSY:
            return "server"
        return "load" if self.load + self.load_lost >= _BUSY else "none"


class Overloaded(NamedTuple):
    """One overload: `rate` of requests a second against what the service can do, `answers` by status, `mute` those
    that did not say when to ask again; latencies in ms, memory in MB before, after and at the most.
    """

    can: float
    rate: float
    sent: int
    unsent: int
    seconds: float
    answers: dict[int, int]
    mute: int
    p50: float
    p99: float
    refused_p99: float
    late_p99: float
    before: float
    after: float
    most: float
    server: float
    lost: float
    load: float
    load_lost: float
    broker: float

    @property
    def strange(self) -> int:
        """Answers that no client expects."""
        return sum(count for status, count in self.answers.items() if status not in (200, 429, 503)) + self.mute


class Figures:
    """All rounds."""

    def __init__(self) -> None:
        self.runs: dict[Case, list[Run]] = defaultdict(list)
        self.alone: dict[tuple[Graph, int], list[float]] = defaultdict(list)
        self.overloads: list[Overloaded] = []
        self.steps: dict[tuple[int, str], list[list[float]]] = defaultdict(list)

    def middle(self, case: Case) -> Run:
        """The median of each figure."""
        return Run(*map(statistics.median, zip(*self.runs[case], strict=True)))

    def to_plain(self, case: Case) -> float:
        """Requests a second to those of the plain application with JSON."""
        return self.to(case, case._replace(form="json", server="plain"))

    def to(self, case: Case, other: Case) -> float:
        """Requests a second to another case's."""
        return self._ratio(case, other, lambda run: run.requests)

    def p99_to(self, case: Case, other: Case) -> float:
        """p99 to another case's."""
        return self._ratio(case, other, lambda run: run.p99)

    def _ratio(self, case: Case, other: Case, figure: Callable[[Run], float]) -> float:
        pairs = zip(self.runs[case], self.runs[other], strict=True)
        return statistics.median(figure(one) / figure(two) for one, two in pairs)

    def to_alone(self, case: Case) -> float:
        """Requests a second to calls a second of ONNX Runtime alone."""
        calls = self.alone[KINDS[case.place.model].graph, case.place.rows]
        return statistics.median(run.requests / call for run, call in zip(self.runs[case], calls, strict=True))

    def overload(self, figure: Callable[[Overloaded], float]) -> float:
        """The median of a figure of the overloads."""
        return statistics.median(map(figure, self.overloads))
