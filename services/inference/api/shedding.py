"""Overload: who would be answered too late is told so at once, so that those who are admitted are in time."""

from typing import Protocol, TypeVar

from prometheus_client import Counter

SHED = Counter("driftline_inference_shed_requests_total", "Requests refused since they would come too late", ["model"])

_LEAST = 16  # requests of a turn that are never too many
_MOST = 100_000
_GROWTH = 1.1
_PARTS = 3


class Refusable(Protocol):
    """A request that waits."""

    def refuse(self) -> None:
        """It can't be answered now."""


Job = TypeVar("Job", bound=Refusable)


class Shedding:
    """How many requests for one model one turn of the event loop may hold.

    Those of one turn wait for each other, so a turn may take a third of the latency objective: one third may have
    passed before they could be read, and one is for the pauses of process and network. Two turns in a row that took
    longer (one may be a pause of the process) cut the number to what would have been in time; each that did not lets it
    grow by a tenth.
    """

    def __init__(self) -> None:
        self.most = _MOST
        self._slow = 0

    def admitted(self, model: str, jobs: list[Job]) -> list[Job]:
        """Those that may wait; the others, which came last, are refused."""
        late = jobs[self.most :]
        if late:
            SHED.labels(model).inc(len(late))
            for job in late:
                job.refuse()
        return jobs[: self.most]

    def learn(self, answered: int, seconds: float, objective: float) -> None:
        """A turn answered so many in so many seconds."""
        if seconds <= objective / _PARTS:
            self._slow = 0
            self.most = min(_MOST, int(self.most * _GROWTH) + 1)
            return
        self._slow += 1
        if self._slow > 1:
            self.most = max(_LEAST, int(answered * objective / _PARTS / seconds))
