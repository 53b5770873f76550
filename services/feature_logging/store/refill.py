"""Putting rows back into a table that has lost some: what Kafka still has of them, each once."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.feature_logging.domain.origin import Origin
from services.feature_logging.store.files import removal
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.pending import Pending, Unmade
from services.feature_logging.store.place import Place
from services.feature_logging.store.rejections import Rejections
from services.feature_logging.store.table import LogTable
from shared.feature_log.damage import LostFile, lost_files
from shared.feature_log.proof.reading import END
from shared.feature_log.reading import live_files
from shared.feature_log.schema import app_id
from shared.storage import open_parquet

APP_ID = "driftline/repair"
ROWS = 100_000  # in one commit
# A message's rows, its partition's app id, and the offset after it.
_Found = tuple[str, int, pa.Table | Unmade]

PLACE = ("source_partition", "source_offset", "source_row")
REJECTED_PLACE = ("partition", "offset", "topic")


class Refill(FeatureLog):
    """Takes messages that were read again as the log does, but only for the tables that are in `lost`, and of those
    only the rows that they lack. The lost data files go out when the rows of all messages have been taken.
    """

    def __init__(
        self,
        tables: Path,
        lost: Mapping[Path, Sequence[LostFile]],
        on_trouble: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        super().__init__(tables, Limits(ROWS, ROWS), on_trouble)
        self._lost = lost
        self._found: dict[Path, list[_Found]] = defaultdict(list)
        self.restored = 0

    async def rejections(self, place: Place) -> Rejections:  # noqa: ARG002  # the table itself may have lost some
        """Nothing is known of them: who reads again looks first."""
        return Rejections(since=defaultdict(lambda: END))

    async def holds(self, place: Place, origin: Origin) -> bool:  # noqa: ARG002  # of a wanted table each row is looked at
        """Whether the table is not wanted."""
        return place.path not in self._lost

    async def add(self, place: Place, rows: pa.Table | Unmade, origin: Origin) -> None:
        """Take a message's rows; raises Fenced if a worker writes for the partition meanwhile."""
        found = self._found[place.path]
        found.append((app_id(origin.topic, origin.partition), origin.offset + 1, rows))
        if sum(len(table) for _, _, table in found) >= ROWS:
            await self._persist.until_done(partial(self._restore, place.path, ()))

    async def finish(self) -> None:
        """All messages were taken; raises Fenced as `add` does."""
        for path, files in self._lost.items():
            await self._persist.until_done(partial(self._restore, path, files))

    def _restore(self, path: Path, lost: Sequence[LostFile]) -> None:
        found = self._found.get(path, [])
        schema = pa.unify_schemas([table.schema for _, _, table in found]) if found else pa.schema([])
        table = LogTable(Place(path, schema))
        pending = Pending(
            schema, files=[], mark=table.mark, removed=[removal(file.action, data_change=True) for file in lost]
        )
        pending.judged[APP_ID] = table.version_of(APP_ID)
        pending.versions[APP_ID] = table.version_of(APP_ID) + 1
        if found:
            self._add(pending, table, found)
        if len(pending) or lost:
            table.commit(pending)
        self._found.pop(path, None)
        self.restored += len(pending)

    def _add(self, pending: Pending, table: LogTable, found: list[_Found]) -> None:
        missing = lacking(pa.concat_tables([_made(rows) for _, _, rows in found], promote_options="default"), table)
        if not len(missing):
            return
        for app, end, _ in found:
            pending.judged[app] = table.version_of(app)
            pending.versions[app] = max(pending.versions.get(app, pending.judged[app]), end)
        pending.files = None
        pending.add(missing, APP_ID, pending.judged[APP_ID], pending.versions[APP_ID])


def _made(rows: pa.Table | Unmade) -> pa.Table:
    """Made only now that the table is open, so that what is to be forgotten by then is concealed."""
    return rows.make([rows.message]) if isinstance(rows, Unmade) else rows


def lacking(rows: pa.Table, table: LogTable) -> pa.Table:
    """Those of the rows of messages that the table does not have, in their order."""
    key = PLACE if PLACE[1] in rows.column_names else REJECTED_PLACE
    offsets = rows.column(key[1])
    there = _held(table, key, pc.call_function("min", [offsets]).as_py(), pc.call_function("max", [offsets]).as_py())
    numbered = rows.select(key).append_column("number", pa.array(np.arange(len(rows))))
    left = numbered.join(there, list(key), join_type="left anti").column("number").to_numpy()
    return rows.take(pa.array(np.sort(left)))


def _held(table: LogTable, key: Sequence[str], first: int, last: int) -> pa.Table:
    """The places of the rows that lie in whole files and may be of these offsets."""
    gone = {file.action["path"] for file in lost_files(table.path, table.delta)}
    files = live_files(table.delta).to_pylist()
    parts = [
        open_parquet(table.path / file["path"]).read(columns=list(key))
        for file in files
        if file["path"] not in gone and file[f"min.{key[1]}"] <= last and file[f"max.{key[1]}"] >= first
    ]
    return pa.concat_tables([pa.schema([table.schema.field(name) for name in key]).empty_table(), *parts])
