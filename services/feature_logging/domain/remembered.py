"""What is remembered of the log, within bounds: labels, which may wait for predictions, and when ids were predicted."""

from bisect import bisect_left
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

    def take_oldest(self, count: int) -> list[Label]:
        """At least so many, since a row's go together."""
        taken: list[Label] = []
        # Asked once for all keys: a dict whose first ones have gone is slow to say which is first.
        for key in list(islice(self.rows, max(0, count))):
            if len(taken) < count:
                taken += self.take(key)
        return taken


class RememberedLabels:
    """At most `bound` labels: those that wait for a prediction, and others that met one, for a row may be answered by a
    shadow, too. Where there are more, `forget_oldest` lets the oldest that met go until they are a quarter of the
    bound, and then the oldest that wait, which are counted.
    """

    def __init__(self, bound: int) -> None:
        self._forgotten = 0
        self._bound = bound
        self._waiting = _Held()
        self._met = _Held()
        self._predicted: dict[RowKey, set[int]] = {}

    def __len__(self) -> int:
        return self._waiting.count + self._met.count

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
        for label in self._met.take_oldest(min(self._excess(), self._met.count - self._bound // 4)):
            self._predicted.pop(label.key, None)
        self._forgotten += len(self._waiting.take_oldest(self._excess()))

    def _excess(self) -> int:
        return len(self) - self._bound


class RecentTimes:
    """At most `bound` times at which request ids were predicted, in microseconds since 1970. Rows of one id may be of
    several times, and each of these counts; the oldest ids go.
    """

    def __init__(self, bound: int) -> None:
        self._forgotten = 0
        self._bound = bound
        self._count = 0
        self._times: dict[bytes, int | Sequence[int]] = {}

    def __len__(self) -> int:
        return self._count

    def forgotten(self) -> int:
        """How many had to go since the last call."""
        count, self._forgotten = self._forgotten, 0
        return count

    def of(self, request_id: bytes) -> Sequence[int]:
        """When its rows were predicted, ascending; empty if that is not known."""
        known = self._times.get(request_id, [])
        return [known] if isinstance(known, int) else known

    def add(self, ids: Sequence[bytes], times: Sequence[int]) -> None:
        """Remember when each was predicted."""
        for request_id, time in zip(ids, times, strict=True):
            if request_id in self._times:
                self._another(request_id, time)
            else:  # nearly always, so it is quick: lists would be gone through by Python's garbage collector
                self._times[request_id] = time
                self._count += 1
        for request_id in list(islice(self._times, max(0, self._count - self._bound))):
            if self._count > self._bound:
                gone = len(self.of(request_id))
                del self._times[request_id]
                self._count -= gone
                self._forgotten += gone

    def _another(self, request_id: bytes, time: int) -> None:
        known = [*self.of(request_id)]
        place = bisect_left(known, time)
        if known[place : place + 1] != [time]:
            known.insert(place, time)
            self._times[request_id] = known
            self._count += 1
