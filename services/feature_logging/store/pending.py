"""Rows that wait for the next commit of their table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake.transaction import AddAction, RemoveAction

from shared.feature_log.schema import PARTITION


@dataclass(frozen=True)
class Unmade:
    """`count` rows of a message that are made when they are written: `make` is called once, with the messages of all
    that wait and have the same `make`. `days`: theirs, since 1970; `nbytes`: what the message takes.
    """

    schema: pa.Schema
    count: int
    nbytes: int
    days: frozenset[int]
    message: Any
    make: Callable[[Sequence[Any]], pa.Table]

    def __len__(self) -> int:
        return self.count


@dataclass
class Pending:
    """`versions`: the txn version that the commit sets per app id; `judged`: the version that the table had when the
    first of these rows was taken; `schemas`: those of the rows, and `schema` all their columns; `files`: the rows as
    data files, once written, and `written` the rows as they stand in them; `days`: theirs, since 1970, of which each
    becomes a file; `nbytes`: what the rows take; `removed`: files that the same commit takes out; `mark`: the table's
    mark (see LogTable) when the rows were made, None where that is still to be done, or does not matter.
    """

    schema: pa.Schema
    schemas: list[pa.Schema] = field(default_factory=list)
    made: list[pa.Table] = field(default_factory=list)
    unmade: list[Unmade] = field(default_factory=list)
    count: int = 0
    nbytes: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    files: list[AddAction] | None = None
    written: pa.Table | None = None
    days: set[int] = field(default_factory=set)
    removed: list[RemoveAction] = field(default_factory=list)
    mark: str | None = None

    def add(self, rows: pa.Table | Unmade, app: str, judged: int, version: int) -> None:
        """Take rows after which the app id stands at `version`; `judged` is where the table stands now."""
        if rows.schema not in self.schemas:
            self.schemas.append(rows.schema)
            self.schema = pa.unify_schemas([self.schema, rows.schema])
        if isinstance(rows, Unmade):
            self.unmade.append(rows)
            self.days |= rows.days
        else:
            self.made.append(rows)
            if PARTITION in rows.column_names:
                self.days.update(rows.column(PARTITION).cast(pa.int32()).unique().to_pylist())
        self.count += len(rows)
        self.nbytes += rows.nbytes
        self.judged.setdefault(app, judged)
        # Of what is set aside, a message may come after later ones: offsets that were reached stay reached.
        self.versions[app] = max(version, judged, self.versions.get(app, 0))

    def __len__(self) -> int:
        return self.count

    def rows(self) -> pa.Table:
        """All rows that wait; what an older definition lacks is null."""
        of_a_kind: dict[Callable[[Sequence[Any]], pa.Table], list[Any]] = {}
        for rows in self.unmade:
            of_a_kind.setdefault(rows.make, []).append(rows.message)
        tables = [make(messages) for make, messages in of_a_kind.items()]
        return pa.concat_tables([*tables, *self.made], promote_options="default")
