"""A scorer whose rows are on the topic before the caller has their scores."""

import asyncio
import time
import uuid
from pathlib import Path
from threading import Thread
from types import TracebackType

from services.inference.batch.scorer import Scored, Scorer
from services.inference.domain.answered import Answered, Source
from services.inference.domain.columns import Columns, as_table, entities, event_times, texts
from services.inference.domain.recent import RecentIds
from services.inference.domain.uuid7 import uuid7
from services.inference.store.accounting import Accounting
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import request_key
from shared.kafka.admin import PREDICTIONS
from shared.kafka.publisher import Publisher

_QUEUE_BYTES = 32 * 2**20
_PATIENCE = 30.0  # seconds: what is in memory so long without Kafka's word may come to the topic, but nobody knows
_GATHER = GatherPolicy(seconds=0.002, rows=4_096)
_RECENT = 200_000


class LoggedScorer:
    """`with` one of these, `score` returns when its rows are acknowledged by Kafka, or synced on disk in the spool.

    An event loop in a thread of its own publishes. At the end it delivers for some seconds; what is left in the spool
    goes out when that is opened again.

    `id`, `event_time` and `entity` name columns that say of each row which request it is, when it happened, and whom it
    is about. Without them each call is one request with an id of its own, and its rows are about nobody, now.
    """

    def __init__(  # noqa: PLR0913  # the names of columns are options
        self,
        scorer: Scorer,
        bootstrap: str,
        spool: Path | str,
        *,
        id: str | None = None,
        event_time: str | None = None,
        entity: str | None = None,
    ) -> None:
        self._scorer = scorer
        self._id, self._event_time, self._entity = id, event_time, entity
        model = scorer.model
        self._source = Source(model.name, model.digest, model.definition.digest, "champion")
        self._recent = RecentIds(_RECENT)
        self._publisher = Publisher(bootstrap, PREDICTIONS, Path(spool), _QUEUE_BYTES)
        log = PredictionLog(self._publisher.enqueue, str(uuid.uuid4()), _GATHER)
        self._accounting = Accounting(log, lambda: self._publisher.full, _PATIENCE)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="driftline-log", daemon=True)

    def __enter__(self) -> "LoggedScorer":
        """Raises OSError: the spool can't be written, or another process has it open."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._publisher.start(), self._loop).result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._publisher.stop(), self._loop).result()
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def score(self, columns: Columns, *, first: int = 0) -> Scored:
        """As `Scorer.score`, and the rows are logged; one whose id was logged here before is marked as a repeat.

        Raises:
            InvalidInput: also for an id that is missing, or a time that is none.
            NotLogged: the rows could not be logged.
        """
        began, now_us, table = time.perf_counter(), time.time_ns() // 1_000, as_table(columns)
        times = event_times(table, self._event_time, now_us, first)
        about = entities(table, self._entity, first)
        keys = self._keys(texts(table, self._id, first)) if self._id else []
        scored = self._scorer.score(table, first=first)
        if len(table):
            counts = [1] * len(table) if self._id else [len(table)]
            keys = keys or [uuid7(int(times[0].astype("int64")) // 1_000, uuid.uuid4().bytes[6:])]
            rows = Answered(
                keys=keys,
                counts=counts,
                seen=self._recent.seen_all(keys, counts),
                seconds=[time.perf_counter() - began] * len(keys),
                entities=[*about] if self._id else [about],
                event_times=times.astype("int64").tolist() if self._id else [times],
                rows=scored.rows,
                scores=scored.scores,
            )
            asyncio.run_coroutine_threadsafe(self._logged(rows), self._loop).result()
        return scored

    async def _logged(self, rows: Answered) -> None:
        self._accounting.check(refuse=True)
        await self._accounting.entered(self._source, rows, refuse=True)

    def _keys(self, ids: list[str]) -> list[bytes]:
        return [request_key(self._source.model, each) for each in ids]
