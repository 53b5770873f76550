"""What is remembered of the log, within bounds: labels, which may wait for predictions, and when ids were predicted."""

from collections.abc import Iterable, Sequence
from itertools import islice

from services.feature_logging.domain.pairs import Label, RowKey


class _Held:
    """Labels by (request_id, row), the oldest first, and how many there are."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, list[Label]] = {}
        self.count = 0

    def put(self, label: Label) -> None:
        self.rows.setdefault(label.key, []).append(label)
        self.count += 1

    def take(self, key: RowKey) -> list[Label]:
        labels = self.rows.pop(key, [])
        self.count -= len(labels)
        return labels

    def take_oldest(self) -> list[Label]:
        return self.take(next(iter(self.rows)))


class RememberedLabels:
    """At most `bound` labels: those that wait for a prediction, and others that met one, for a row may be answered by a
    shadow, too. Where there are more, `forget_oldest` lets the oldest that met go first, and then the oldest that wait,
    which are counted.
    """

    def __init__(self, bound: int) -> None:
        self._forgotten = 0
        self._bound = bound
        self._waiting = _Held()
        self._met = _Held()
        self._predicted: dict[RowKey, set[int]] = {}

    @property
    def waiting(self) -> int:
        """How many labels wait."""
        return self._waiting.count

    def forgotten(self) -> int:
        """How many that waited had to go since the last call."""
        count, self._forgotten = self._forgotten, 0
        return count

    def ids(self) -> list[bytes]:
        """The request ids of all labels that are remembered; some are there twice."""
        return [request_id for held in (self._waiting, self._met) for request_id, _ in held.rows]

    def knows(self, key: RowKey) -> bool:
        """Is a label of the row remembered?"""
        return key in self._waiting.rows or key in self._met.rows

    def of(self, key: RowKey) -> list[Label]:
        """The labels of a row in the order in which they came true."""
        found = (*self._waiting.rows.get(key, ()), *self._met.rows.get(key, ()))
        return sorted(found, key=lambda label: (label.time, label.logged, *label[-3:]))

    def predicted(self, key: RowKey) -> frozenset[int]:
        """When the predictions were made that a row's labels met, in microseconds since 1970."""
        return frozenset(self._predicted.get(key, ()))

    def add(self, labels: Iterable[Label]) -> None:
        """Remember labels; they wait unless others of their row have met a prediction."""
        for label in labels:
            (self._met if label.key in self._met.rows else self._waiting).put(label)

    def passed_over(self, count: int) -> None:
        """So many that wait were too many to be remembered at all."""
        self._forgotten += count

    def meet(self, rows: Iterable[tuple[RowKey, int]]) -> None:
        """These rows have a prediction, made at this time."""
        for key, time in rows:
            for label in self._waiting.take(key):
                self._met.put(label)
            if key in self._met.rows:
                self._predicted.setdefault(key, set()).add(time)

    def forget_oldest(self) -> None:
        """Let go of what is beyond the bound."""
        while self._waiting.count + self._met.count > self._bound:
            if self._met.rows:
                oldest = self._met.take_oldest()
                self._predicted.pop(oldest[0].key, None)
            else:
                self._forgotten += len(self._waiting.take_oldest())


class RecentTimes:
    """Of at most `bound` request ids when they were predicted, in microseconds since 1970; the oldest go."""

    def __init__(self, bound: int) -> None:
        self._forgotten = 0
        self._bound = bound
        self._times: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._times)

    def forgotten(self) -> int:
        """How many had to go since the last call."""
        count, self._forgotten = self._forgotten, 0
        return count

    def get(self, request_id: bytes) -> int | None:
        """When it was predicted; None if that is not known."""
        return self._times.get(request_id)

    def add(self, ids: Sequence[bytes], times: Sequence[int]) -> None:
        """Remember the first time of each."""
        for request_id, time in zip(ids, times, strict=True):
            self._times.setdefault(request_id, time)
        excess = max(0, len(self._times) - self._bound)
        for request_id in list(islice(self._times, excess)):
            del self._times[request_id]
        self._forgotten += excess
