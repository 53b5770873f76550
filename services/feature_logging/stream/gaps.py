"""Noticing what Kafka's retention deleted before it was read: each such span becomes a row of `_gaps`. And that a
partition begins again, which only another one of its name does.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from prometheus_client import Counter
from structlog import get_logger

from services.feature_logging.domain.gaps import gap_row
from services.feature_logging.domain.origin import Origin
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.place import Place
from services.feature_logging.store.upstream import OtherKafka, begun_at
from shared.feature_log.opened import Source, open_log
from shared.feature_log.schema import GAPS, gaps_path

log = get_logger()
LOST = Counter(
    "driftline_feature_log_lost_messages_total", "Messages that Kafka had no more when to be read", ["topic"]
)


class Gaps:
    """Knows with which offset each assigned partition goes on. A partition may begin anywhere: where it stood when it
    was first assigned.
    """

    def __init__(self, feature_log: FeatureLog) -> None:
        self._log = feature_log
        self._place = Place(gaps_path(feature_log.tables), GAPS)
        self._next: dict[Source, int] = {}
        self._last: dict[Source, int] = {}

    def read_anew(self) -> None:
        """What comes next may have come before."""
        self._last = {}

    async def assigned(self, earliest: Mapping[Source, int]) -> Mapping[Source, int]:
        """These partitions came, with the oldest offset that Kafka still has of each; nothing of them is in hand.

        Gives the next offset of each by the tables, 0 where they hold nothing of it.
        """
        held = await self._log.read(partial(self._held, list(earliest)))
        new = {source: offset for source, offset in earliest.items() if not held[source]}
        self._next = {**held, **await self._log.written(partial(begun_at, self._log.tables, new))}
        for source, offset in earliest.items():
            await self._goes_on(source, offset)
        await self._log.commit()
        return held

    async def passed(self, origin: Origin) -> None:
        """A message came.

        Raises:
            OtherKafka: later ones of its partition came before it since the last `read_anew`.
            Fenced, NotDurable: see FeatureLog.
        """
        source = origin.topic, origin.partition
        if origin.offset < self._last.get(source, 0):
            raise OtherKafka(
                f"{origin.topic}/{origin.partition} gives offset {origin.offset} after {self._last[source]}: the topic "
                "was made anew, or has lost its end; its messages would be skipped. It needs tables of its own"
            )
        self._last[source] = origin.offset
        await self._goes_on(source, origin.offset)
        self._next[source] = max(origin.offset + 1, self._next.get(source, 0))

    async def _goes_on(self, source: Source, offset: int) -> None:
        if offset > self._next.get(source, offset):
            await self._write(source, range(self._next[source], offset))
            self._next[source] = offset

    async def _write(self, source: Source, gone: range) -> None:
        last = Origin(*source, gone.stop - 1, time.time_ns() // 1_000_000)
        if await self._log.holds(self._place, last):  # another worker has seen it
            return
        log.error("Kafka has lost messages before they were read", topic=source[0], partition=source[1], lost=str(gone))
        LOST.labels(source[0]).inc(len(gone))
        await self._log.add(self._place, gap_row(*source, gone, datetime.now(UTC)), last)

    def _held(self, sources: list[Source]) -> dict[Source, int]:
        """The next offset of each by the tables, 0 where they hold nothing of it."""
        tables = open_log(self._log.tables)
        return {source: tables.next_offset(source) for source in sources}
