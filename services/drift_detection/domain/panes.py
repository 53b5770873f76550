"""Which windows of a model are under way, in order of time."""

import heapq
from collections.abc import Iterable

from services.drift_detection.domain.source.parts import WindowKey
from shared.reference.segments import ALL


class Panes:
    """The windows of one model that are under way. `fresh` are those with parts that were not looked at yet."""

    def __init__(self) -> None:
        self.fresh: set[WindowKey] = set()
        self._by_start: list[WindowKey] = []  # a heap: only those whose end may have come are looked at

    def add(self, key: WindowKey, *, new: bool) -> None:
        """A window has a part that was not looked at yet; `new`: its first."""
        self.fresh.add(key)
        if new:
            heapq.heappush(self._by_start, key)

    def started_by(self, time: int) -> list[WindowKey]:
        """Take out those that start by a time."""
        found = []
        while self._by_start and self._by_start[0].start <= time:
            found.append(heapq.heappop(self._by_start))
        return found

    def put_back(self, keys: Iterable[WindowKey]) -> None:
        """Those that were taken out and are not over."""
        for key in keys:
            heapq.heappush(self._by_start, key)

    def last(self, role: str) -> dict[str, int]:
        """The start of the last window of a role that was not looked at yet, by bundle."""
        found: dict[str, int] = {}
        for key in self.fresh:
            if key.role == role and key.segment == ALL:
                found[key.digest] = max(key.start, found.get(key.digest, key.start))
        return found
