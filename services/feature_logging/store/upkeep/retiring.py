"""The rows of a day taken out of one table, beside its readers and writers, so that the log stays provable.

Of rows from Kafka only those go that are in the hash chain: the others wait for the next time. Before they go it is
written down what goes (`_retired`) and what the links of the chain hold without it (`_restated`). Commits fence with
compaction and forgetting by the same app id, so that neither brings back what the other took away.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction
from numpy.typing import NDArray

from services.feature_logging.domain.evolution import conform
from services.feature_logging.store.compaction import APP_ID as REWRITING
from services.feature_logging.store.compaction import File, read_file
from services.feature_logging.store.compactor import record
from services.feature_logging.store.files import read_parquet, removal, write_files
from services.feature_logging.store.place import Place
from services.feature_logging.store.restating import Book
from services.feature_logging.store.rewriting import persistently
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep.retired_links import PLACE, ChainOf
from shared.feature_log.opened import TOPICS
from shared.feature_log.proof.content import digest
from shared.feature_log.proof.links import Link, Part
from shared.feature_log.reading import dataset, live_files, open_table, read_table
from shared.feature_log.retired import APP_ID, SCHEMA, reason, retired_path
from shared.feature_log.schema import PARTITION, TIME, app_id, proof_path

FORMAT = b"driftline retired 1\n"
_ORDER = [
    *("source_partition", "source_offset", "source_row", "label_partition", "label_offset", "label_row"),
    *("trigger_topic", "trigger_partition", "trigger_offset", "number"),
]
_RECORDS = "driftline/retired"
Actions = list[AddAction | RemoveAction]
Ends = Mapping[int, int]


@dataclass(frozen=True)
class Retired:
    """How many rows went, and how many files are live no more."""

    rows: int
    files: int


def days_of(table: DeltaTable) -> dict[date, list[File]]:
    """The live files by day."""
    found: dict[date, list[File]] = {}
    for file in live_files(table).to_pylist():
        found.setdefault(file[f"partition.{PARTITION}"], []).append(file)
    return found


def retire(book: Book, name: str, day: date, keep_days: int) -> Retired:
    """Take the rows of a day out of a table (`model/kind`), since the setting `keep_days` says so.

    May be killed at any point and be done by any number at once: then it is done by another, or the next time.

    Raises:
        Fenced: other workers changed the table again and again.
        OSError, DeltaError, NotDurable: see LogTable.
    """
    return persistently(partial(_retire, book, name, day, keep_days))


def _retire(book: Book, name: str, day: date, keep_days: int) -> Retired:
    path = book.tables / name
    proof = open_table(proof_path(book.tables))  # before the table: whatever is in the chain is in the table as well
    table = LogTable(Place.of(path, read_table(path)))
    # Before the files are listed: to ask later might read the log anew.
    after, before = table.version_of(REWRITING) + 1, table.version_of(APP_ID)
    files = days_of(table.delta).get(day, [])
    topic = TOPICS.get(name.rpartition("/")[2])  # type: ignore[call-overload]  # any name
    ends = None if topic is None else _ends(proof, topic, files)
    going = _going(day, ends)
    rows, content = _content(table.delta, files, going)
    if not rows:
        return Retired(0, 0)
    parts, counted = list[tuple[Link, Part]](), 0
    if topic is not None and proof is not None:
        parts, counted = ChainOf(proof, name, topic, table.delta, _offsets(files)).without(book, day, going)
    said = {"before": before, "table": name, "day": day, "keep_days": keep_days}
    number = persistently(
        partial(_write_down, book.tables, said | {"rows": rows, "counted": counted, "content": content})
    )
    book.write(reason(number), parts)
    actions = (action for file in files for action in _actions(table, file, ends))
    return Retired(rows, table.rewrite(actions, {REWRITING: after, APP_ID: number}))


def _offsets(files: Sequence[File]) -> tuple[int, int]:
    return min(file["min.source_offset"] for file in files), max(file["max.source_offset"] for file in files)


def _ends(proof: DeltaTable | None, topic: str, files: Sequence[File]) -> Ends:
    """The offset after the last one in the chain, by partition."""
    if proof is None or not files:
        return {}
    ends = ([file[f"{end}.source_partition"] for file in files] for end in ("min", "max"))
    numbers = range(min(next(ends)), max(next(ends)) + 1)
    return {number: proof.transaction_version(app_id(topic, number)) or 0 for number in numbers}


def _going(day: date, ends: Ends | None) -> ds.Expression:
    """The rows that go."""
    of_day = ds.field(PARTITION) == pa.scalar(day, pa.date32())
    if ends is None:
        return of_day
    partition, offset = map(ds.field, PLACE)
    proven = ds.scalar(False)
    for number, end in ends.items():
        proven |= (partition == number) & (offset < end)
    return of_day & proven


def _content(table: DeltaTable, files: Sequence[File], going: ds.Expression) -> tuple[int, str]:
    """How many rows go, and the sha256 of FORMAT and the digests of those of each hour, ordered by their places."""
    rows, found, source, event_time = 0, hashlib.sha256(FORMAT), dataset(table), ds.field("event_time")
    hour, times = timedelta(hours=1), [file[f"{end}.event_time"] for file in files for end in ("min", "max")]
    start = min(times).replace(minute=0, second=0, microsecond=0) if times else None
    while start is not None and start <= max(times):  # by hours, so that it fits into memory
        of_hour = (event_time >= pa.scalar(start, TIME)) & (event_time < pa.scalar(start + hour, TIME))
        if len(part := source.to_table(filter=going & of_hour)):
            rows += len(part)
            found.update(digest(part.sort_by([(name, "ascending") for name in _ORDER if name in part.column_names])))
        start += hour
    return rows, found.hexdigest()


def _write_down(tables: Path, said: Mapping[str, object]) -> int:
    """Add a record; its number."""
    table = LogTable(Place(retired_path(tables), SCHEMA))
    number = table.version_of(_RECORDS) + 1
    row = {"number": number, "time": datetime.now(UTC), **said}
    record(table, pa.Table.from_pylist([row], schema=SCHEMA), _RECORDS)
    return number


def _actions(table: LogTable, file: File, ends: Ends | None) -> Actions:
    """Take a file out, and write those of its rows anew that stay."""
    stays = _stays(read_parquet(table.path / file["path"], PLACE), ends)
    if stays.all():
        return []
    kept: Actions = []
    if stays.any():
        rows = conform(read_file(table, file, file[f"partition.{PARTITION}"]), table.schema).filter(pa.array(stays))
        kept += write_files(table.path, rows, data_change=False)
    # As if no data changed: else delta-rs would refuse all appends of those who read the table before.
    return [*kept, removal(file, data_change=False)]


def _stays(places: pa.Table, ends: Ends | None) -> NDArray[np.bool_]:
    partition, offset = (places.column(name).to_numpy() for name in PLACE)
    if ends is None:
        return np.zeros(len(places), np.bool_)
    reached = np.zeros(len(places), np.int64)
    for number, end in ends.items():
        reached[partition == number] = end
    return np.asarray(offset >= reached)
