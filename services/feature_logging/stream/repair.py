"""Mending what is broken in the tables: rows that are gone are read again from Kafka, while Kafka has them."""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import Counter
from structlog import get_logger

from services.feature_logging.domain.gaps import gap_row
from services.feature_logging.domain.origin import Origin
from services.feature_logging.store.place import Place
from services.feature_logging.store.refill import APP_ID, Refill
from services.feature_logging.store.rejections import Rejections, recent_rejections
from services.feature_logging.store.table import LogTable
from services.feature_logging.stream.intake import SERVICE, Intake
from shared.errors import DriftlineError, Unreadable
from shared.feature_log.damage import Damage, find_damage, mark, remove_checkpoint, restart, settle
from shared.feature_log.opened import TOPICS
from shared.feature_log.reading import open_table, read_table
from shared.feature_log.schema import GAPS, OWN, app_id, gaps_path, proof_path, rejected_path
from shared.kafka.message import InMessage
from shared.kafka.reading import Reader, from_record

log = get_logger()
RESTORED = Counter("driftline_feature_log_restored_rows_total", "Rows that were lost and read again from Kafka")
Committed = Mapping[TopicPartition, int]


class NotMended(DriftlineError):
    """A table is broken in a way that nothing is known against."""


@dataclass(frozen=True)
class Span:
    """Offsets first <= offset < end of a topic partition, of which a table may have lost rows."""

    place: TopicPartition
    first: int
    end: int


def make_readable(tables: Path) -> None:
    """Tell what is broken, and see that every table can be opened, without forgetting what it has lost.

    Raises:
        NotMended: one still can't.
    """
    for damage in find_damage(tables):
        log.error("the feature log is damaged", table=_name(tables, damage), what=damage.told())
        for path in damage.checkpoints:
            remove_checkpoint(path)
        for entry in damage.entries:
            restart(entry) if entry.version == 0 else mark(entry)
    for damage in find_damage(tables):
        if damage.unreadable or damage.checkpoints:
            raise NotMended(f"{_name(tables, damage)}: {'; '.join(damage.told())}")


async def repair(tables: Path, bootstrap: str, intake: Intake) -> None:
    """Put back what tables have lost. What Kafka has no more becomes a row of `_gaps`. While a message can't be read
    that could be when it was logged, all stays broken.

    Raises:
        NotMended: see make_readable.
        Fenced: a worker writes for the same partitions; try again.
        KafkaError: the broker is away.
    """
    found = [damage for damage in await asyncio.to_thread(find_damage, tables) if can_mend(tables, damage)]
    if not found:
        return
    await asyncio.to_thread(make_readable, tables)
    committed = await _committed(bootstrap)
    rejected = await asyncio.to_thread(_rejected, tables, found)
    spans = {damage.table: list(spans_of(tables, damage, committed)) for damage in found}
    refill = Refill(tables, {damage.table: damage.files for damage in found})
    try:
        for span in _joined(span for each in spans.values() for span in each):
            await _read_again(tables, bootstrap, span, Taking(intake.into(refill), rejected))
    except NotMended as error:
        log.warning("not mended; it is tried again with the next cleaning", why=str(error))
        return
    await refill.finish()
    _mended(tables, found, refill.restored)


def _mended(tables: Path, found: Iterable[Damage], rows: int) -> None:
    """All of it is there again, these rows among it."""
    RESTORED.inc(rows)
    for damage in found:
        for entry in damage.entries:
            settle(entry)
        log.info("mended", table=_name(tables, damage), what=damage.told(), rows_of_all_tables=rows)


def can_mend(tables: Path, damage: Damage) -> bool:
    """Whether what a table has lost can be read from Kafka, or is made of other tables, as the hash chain's last links.
    Lost history must be imported again.
    """
    return bool(_topics(tables, damage.table)) or (damage.table == proof_path(tables) and not damage.files)


def _name(tables: Path, damage: Damage) -> str:
    return damage.table.relative_to(tables).as_posix()


def _topics(tables: Path, table: Path) -> Sequence[str]:
    """Those that a table has its rows from; none for tables that are made otherwise."""
    if table == rejected_path(tables):
        return sorted(set(TOPICS.values()))
    return [topic for kind, topic in TOPICS.items() if table.name == kind]


def spans_of(tables: Path, damage: Damage, committed: Committed) -> Iterator[Span]:
    """Where in Kafka the rows stand that a table may have lost; `committed` is before which offsets all was read."""
    for topic in _topics(tables, damage.table):
        for file in damage.files:
            low, high = (_place(damage.table, file.action, side) for side in ("min", "max"))
            for partition in range(low[0], high[0] + 1):
                yield Span(TopicPartition(topic, partition), low[1], high[1] + 1)
        for entry in damage.entries:
            before = read_table(damage.table, entry.version - 1)
            for place, end in committed.items():
                if place.topic == topic:
                    yield Span(place, before.transaction_version(app_id(topic, place.partition)) or 0, end)


def _place(table: Path, action: Mapping[str, int], side: str) -> tuple[int, int]:
    own = "source_" if table.name in OWN else ""
    return action[f"{side}.{own}partition"], action[f"{side}.{own}offset"]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """One for each partition, from the first offset to the last that any table may lack."""
    by_place: dict[TopicPartition, list[Span]] = {}
    for span in spans:
        if span.first < span.end:
            by_place.setdefault(span.place, []).append(span)
    return [
        Span(place, min(span.first for span in each), max(span.end for span in each))
        for place, each in sorted(by_place.items())
    ]


async def _committed(bootstrap: str) -> Committed:
    """The group's next offset of each partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        told = await admin.list_consumer_group_offsets(SERVICE)
        return {place: at.offset for place, at in told.items() if at.offset >= 0}
    finally:
        await admin.close()


async def _read_again(tables: Path, bootstrap: str, span: Span, taking: "Taking") -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([span.place])
        first = (await consumer.beginning_offsets([span.place]))[span.place]
        end = (await consumer.end_offsets([span.place]))[span.place]
        gone, there = parted(span, first, end)
        if gone:
            await asyncio.to_thread(write_gap, tables, span.place, gone)
        await _read(consumer, span.place, there, taking)
    finally:
        await consumer.stop()


def parted(span: Span, first: int, end: int) -> tuple[range, range]:
    """The offsets of a span that Kafka has no more, and those that it has, when it has first <= offset < end."""
    begun = min(max(span.first, first), span.end)
    return range(span.first, begun), range(begun, min(span.end, end))


async def _read(consumer: AIOKafkaConsumer, place: TopicPartition, offsets: range, taking: "Taking") -> None:
    consumer.seek(place, offsets.start)
    reader = Reader(consumer)
    while await consumer.position(place) < offsets.stop:
        for records in (await reader.read(200)).values():
            for record in records:
                if record.offset < offsets.stop:
                    await taking.take(from_record(record))


def _rejected(tables: Path, found: Sequence[Damage]) -> Rejections | None:
    """All that was ever rejected; None if some of that is itself to be mended."""
    if any(damage.table == rejected_path(tables) for damage in found):
        return None
    path = rejected_path(tables)
    table = open_table(path)
    return Rejections() if table is None else recent_rejections(path, table, sys.maxsize)


@dataclass
class Taking:
    """Takes messages that are read again; one that was `rejected` has no rows to be put back."""

    intake: Intake
    rejected: Rejections | None

    async def take(self, message: InMessage) -> None:
        """Raises NotMended: its rows are wanted and it can't be read now, so the damage must stand until it can."""
        origin = Origin(message.topic, message.partition, message.offset, message.timestamp_ms)
        if self.rejected is not None and self.rejected.reason(origin) is not None:
            return
        try:
            await self.intake.handle(message)
        except Unreadable as error:
            if self.rejected is not None:
                raise NotMended(f"{message.topic}/{message.partition}, offset {message.offset}: {error}") from error
            await self.intake.reject(message, str(error))
        self.intake.forget_outcomes()  # made when they first came, or by the loop, which reads on from there


def write_gap(tables: Path, place: TopicPartition, gone: range) -> None:
    """Write down that these offsets are lost for good."""
    log.error(
        "Kafka has no more what the tables have lost", topic=place.topic, partition=place.partition, lost=str(gone)
    )
    rows = gap_row(place.topic, place.partition, gone, datetime.now(UTC))
    LogTable(Place(gaps_path(tables), GAPS)).append(rows, APP_ID)
