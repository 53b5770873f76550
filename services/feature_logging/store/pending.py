"""Rows that wait for the next commit of their table."""

from dataclasses import dataclass, field

import pyarrow as pa
from deltalake.transaction import AddAction

from shared.feature_log.schema import PARTITION


@dataclass
class Pending:
    """`versions`: the txn version that the commit sets per app id; `judged`: the version that the table had when the
    first of these rows was taken; `schema`: all columns of the rows; `files`: the rows as data files, once written;
    `days`: theirs, since 1970, of which each becomes a file.
    """

    schema: pa.Schema
    batches: list[pa.Table] = field(default_factory=list)
    count: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    files: list[AddAction] | None = None
    days: set[int] = field(default_factory=set)

    def add(self, rows: pa.Table, app: str, judged: int, version: int) -> None:
        """Take rows after which the app id stands at `version`; `judged` is where the table stands now."""
        if rows.schema != self.schema:
            self.schema = pa.unify_schemas([self.schema, rows.schema])
        self.batches.append(rows)
        self.count += len(rows)
        if PARTITION in rows.column_names:
            self.days.update(rows.column(PARTITION).cast(pa.int32()).unique().to_pylist())
        self.judged.setdefault(app, judged)
        self.versions[app] = version

    def __len__(self) -> int:
        return self.count

    def rows(self) -> pa.Table:
        """All rows that wait, in the order they came; what an older definition lacks is null."""
        return pa.concat_tables(self.batches, promote_options="default")
