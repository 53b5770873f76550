"""The table of pairs: each is made once, whichever worker is quicker, and can be read again by its trigger."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.pairs import Label, Meeting, Row, RowKey, in_force, new_pairs
from services.feature_logging.domain.told import DAY, Span
from services.feature_logging.store.finding import Source, find, rows_of
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable
from shared.feature_log.reading import dataset
from shared.feature_log.schema import OUTCOMES, TIME, app_id, table_path

# Every commit of pairs moves it, so that of two at once the second must look again: their pairs may be the same.
APP_ID = "driftline/pairs"


def outcomes_place(tables: Path, model: str) -> Place:
    """Where a model's pairs lie."""
    return Place(table_path(tables, model, "outcomes"), OUTCOMES)


class NewPairs:
    """Makes a commit of meetings that the table does not hold yet. `rows`: the pairs of its last try, in OUTCOMES."""

    def __init__(
        self,
        meetings: Sequence[Meeting],
        judged: dict[str, int],
        counts: Callable[[Label, Row], bool],
        predicted: Callable[[RowKey], Collection[int]],
        remembered: Callable[[Sequence[Meeting]], Sequence[Meeting]] = list,
    ) -> None:
        """`judged`: the version of each trigger's app id by which the meetings' triggers were taken for new;
        `predicted`: when the other predictions of a row were made that may have made pairs; `remembered`: those
        meetings of which nothing is to be forgotten by now.
        """
        self.rows = OUTCOMES.empty_table()
        self._meetings = sorted(meetings, key=lambda meeting: _order(meeting.trigger))
        self._last = {app: offset + 1 for app, offset in sorted(_apps(meeting.trigger for meeting in meetings))}
        self._judged = judged
        self._counts = counts
        self._predicted = predicted
        self._remembered = remembered

    def __call__(self, table: LogTable) -> Pending | None:
        """The commit; None if there are no new pairs.

        Raises:
            Fenced: another worker has made the pairs of one of the triggers' partitions.
        """
        moved = [app for app, version in self._judged.items() if table.version_of(app) != version]
        if moved:
            raise Fenced(f"{table.path}: another worker has matched {', '.join(moved)}")
        pairs = new_pairs(self._remembered(self._meetings), self._before(table), self._counts)
        numbers = _numbered(pairs, table)
        self.rows = _table(pairs)
        if not pairs:
            return None
        pending = Pending(OUTCOMES, mark=table.mark)
        pending.add(self.rows, APP_ID, judged=table.version_of(APP_ID), version=table.version_of(APP_ID) + 1)
        pending.versions |= self._last | numbers
        return pending

    def _before(self, table: LogTable) -> dict[Any, Row]:
        wanted: dict[bytes, list[Span]] = {}
        for meeting in self._meetings:
            times = {meeting.prediction["event_time"], *self._predicted(meeting.label.key)}
            wanted.setdefault(meeting.label.request_id, []).extend(Span(time, time) for time in times)
        return dict(in_force(rows_of(find(Source(table.path, table.delta, OUTCOMES), wanted))))


def _order(trigger: Origin) -> tuple[str, int, int]:
    return trigger.topic, trigger.partition, trigger.offset


def _apps(triggers: Iterable[Origin]) -> Iterable[tuple[str, int]]:
    return ((app_id(trigger.topic, trigger.partition), trigger.offset) for trigger in triggers)


def _numbered(pairs: list[dict[str, Any]], table: LogTable) -> dict[str, int]:
    """Give each pair its number; returns the numbers reached, by the app ids that keep them."""
    reached: dict[str, int] = {}
    for pair in pairs:
        source = app_id(pair["trigger_topic"], pair["trigger_partition"])
        app = f"{APP_ID}/{source}/{pair['bundle_digest']}/{pair['role']}"
        reached[app] = pair["number"] = reached.get(app, table.version_of(app)) + 1
    return reached


def _table(pairs: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in OUTCOMES:
        if field.name == "event_day":
            days = pa.array([pair["event_time"] // DAY for pair in pairs], pa.int32())
            columns.append(days.cast(pa.date32()))
        else:
            kind = pa.int64() if field.type == TIME else field.type
            columns.append(pa.array([pair[field.name] for pair in pairs], kind).cast(field.type))
    return pa.table(columns, schema=OUTCOMES)


def pairs_of(delta: DeltaTable, triggers: Sequence[Origin]) -> pa.Table:
    """The pairs that messages have made, in OUTCOMES."""
    offsets: dict[tuple[str, int], list[int]] = {}
    for trigger in triggers:
        offsets.setdefault((trigger.topic, trigger.partition), []).append(trigger.offset)
    chosen = ds.scalar(False)
    for (topic, partition), each in offsets.items():
        place = (ds.field("trigger_topic") == topic) & (ds.field("trigger_partition") == partition)
        offset = ds.field("trigger_offset")
        chosen |= place & (offset >= min(each)) & (offset <= max(each)) & offset.isin(each)
    known = ds.field("request_id").is_valid()  # else it was forgotten since
    return dataset(delta).to_table(columns=OUTCOMES.names, filter=chosen & known).cast(OUTCOMES)
