"""Every answered request is accounted for: in mode fast soon after its answer, in mode durable before it."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import Counter

from services.inference.domain.answered import Answered, Source
from services.inference.domain.asked import Asked
from services.inference.store.predictions import PredictionLog
from shared.errors import DriftlineError

UNLOGGED = Counter("driftline_inference_unlogged_rows_total", "Rows answered while the log was full", ["model"])

Told = Callable[[bool], None]


class NotLogged(DriftlineError):
    """A prediction can't be logged, so it is not given; the client should ask again."""


class Accounting:
    """`is_full` says whether the log has no room left. `durable_seconds`: how long an answer waits for its rows to be
    safe (acknowledged by Kafka, or synced on disk); None is mode fast, which does not wait.
    """

    def __init__(self, log: PredictionLog, is_full: Callable[[], bool], durable_seconds: float | None = None) -> None:
        self.log = log
        self._is_full = is_full
        self._durable_seconds = durable_seconds

    def check(self, *, refuse: bool) -> None:
        """Raises NotLogged if the log is full and the model's policy is to refuse then."""
        if refuse and self._is_full():
            raise NotLogged("predictions can't be logged now; ask again later")

    def enter(self, source: Source, answered: Answered, told: Told, *, refuse: bool) -> None:
        """Log rows; `told` hears once whether they may be answered: at once, or in mode durable when that is known.

        If the log is full they may not, or are served unlogged and counted: as the policy `refuse` says.
        """
        full = self._is_full()  # once: it may try the disk
        if full and refuse:
            told(False)
        elif full:
            UNLOGGED.labels(source.model).inc(len(answered))
            told(True)
        elif self._durable_seconds is None:
            self.log.add(source, answered)
            told(True)
        else:
            self.log.add(source, answered, _Receipt(told, self._durable_seconds))

    def enter_unawaited(self, source: Source, answered: Answered) -> bool:
        """Log rows that nobody waits for; False if the log has no room for them."""
        if self._is_full():
            return False
        self.log.add(source, answered)
        return True

    def failed(self, source: Source, asked: Sequence[Asked]) -> None:
        """Count the rows of requests that `source` could not compute."""
        for each in asked:
            self.log.unanswered.add(source, each)

    async def entered(self, source: Source, answered: Answered, *, refuse: bool) -> None:
        """As `enter`, returning when the rows may be answered; raises NotLogged if they may not."""
        known: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def told(safe: bool) -> None:
            if not known.done():  # the client may be gone
                known.set_result(safe)

        self.enter(source, answered, told, refuse=refuse)
        if not await known:
            raise NotLogged("the prediction could not be logged in time; ask again")


class _Receipt:
    """Tells once what became of rows; that nothing is known of them in time counts as not safe."""

    def __init__(self, told: Told, seconds: float) -> None:
        self._told: Told | None = told
        self._timer = asyncio.get_running_loop().call_later(seconds, self, False)

    def __call__(self, safe: bool) -> None:
        told, self._told = self._told, None
        self._timer.cancel()
        if told is not None:
            told(safe)
