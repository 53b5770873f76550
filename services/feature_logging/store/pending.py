"""Rows that wait for the next commit of their table."""

from dataclasses import dataclass, field

import pyarrow as pa
from deltalake.transaction import AddAction


@dataclass
class Pending:
    """`versions`: the txn version that the commit sets per app id; `judged`: the version that the table had when the
    first of these rows was taken; `files`: the rows as data files, once they are written.
    """

    batches: list[pa.Table] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    files: list[AddAction] | None = None

    def add(self, rows: pa.Table, app: str, judged: int, version: int) -> None:
        """Take rows after which the app id stands at `version`; `judged` is where the table stands now."""
        self.batches.append(rows)
        self.judged.setdefault(app, judged)
        self.versions[app] = version

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)

    def schema(self) -> pa.Schema:
        """All columns of the waiting rows."""
        return pa.unify_schemas([batch.schema for batch in self.batches])
