"""What parts of links are since their rows were lawfully changed: the table `_restated`, a hash chain of its own.

Each record hashes what it says and the record before it, so that none can be changed, put in between or taken out; and
it is sealed with the key of the feature log's hashes, so that none can be added by who can only write the tables.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from shared.feature_log.damage import Damage
from shared.feature_log.proof.links import Part
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.sealing import keyed_hash

# The app id whose version is the number of records.
APP_ID = "driftline/restated"
SCHEMA = pa.schema(
    [
        ("record", pa.string()),
        ("number", pa.int64()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("first", pa.int64()),
        ("table", pa.string()),
        ("rows", pa.int64()),
        ("content", pa.string()),
        ("before", pa.string()),
        ("hash", pa.string()),
        ("seal", pa.string()),
    ]
)
BEGINNING = hashlib.sha256(b"driftline restated 1").hexdigest()
PartKey = tuple[str, int, int, str]


class Restatement(NamedTuple):
    """A row of SCHEMA. `record` says why, as the id of an order in `_forgotten`, or `7 of _retired`. They are numbered
    from 0. What one says of a part of a link (by its topic, partition, first offset and table) may not be done yet.
    """

    record: str
    number: int
    topic: str
    partition: int
    first: int
    table: str
    rows: int
    content: str
    before: str
    hash: str = ""
    seal: str = ""

    def computed(self) -> str:
        """What `hash` must be."""
        return hashlib.sha256("\n".join(["driftline restated 1", *map(str, self[:-2])]).encode()).hexdigest()

    def sealed(self, secret: bytes) -> "Restatement":
        """With its hash and its seal."""
        made = self.computed()
        return self._replace(hash=made, seal=keyed_hash(secret, "restated", made))

    @property
    def key(self) -> PartKey:
        """Of which part of which link it tells."""
        return self.topic, self.partition, self.first, self.table


@dataclass(frozen=True)
class Restated:
    """All records in their order, and how many there must be by the table's commits. `secret`: by which their seals are
    checked; None where the keys are not at hand.
    """

    records: Sequence[Restatement] = ()
    count: int = 0
    secret: bytes | None = None

    @property
    def head(self) -> str:
        """The hash of the last record."""
        return self.records[-1].hash if self.records else BEGINNING

    @cached_property
    def parts(self) -> Mapping[PartKey, Collection[Part]]:
        """What parts of links may be instead of what these say, by the records that hold."""
        found: dict[PartKey, set[Part]] = {}
        for each in filter(self._holds, self.records):
            found.setdefault(each.key, set()).add(Part(each.table, each.rows, each.content))
        return found

    def rows_by(self, why: Collection[str]) -> Mapping[PartKey, int]:
        """How many rows parts of links have by the last of the records that hold and have one of these reasons."""
        return {each.key: each.rows for each in self.records if each.record in why and self._holds(each)}

    def faults(self) -> Iterator[str]:
        """What is wrong with the records, in words."""
        before, expected = BEGINNING, 0
        for each in self.records:
            name = f"record {each.number} of _restated"
            if each.hash != each.computed():
                yield f"{name} was changed: its hash is not that of what it says"
            elif not self._holds(each):
                yield f"{name} is forged: it was not sealed with the feature log's key"
            if (each.before, each.number) != (before, expected):
                yield f"{name} does not follow on the one before it, which is gone or was changed"
            before, expected = each.hash, each.number + 1
        if expected != self.count:
            ends = f"they end before {expected}, its commits before {self.count}"
            yield f"records of _restated are gone, or were added: {ends}"

    def _holds(self, record: Restatement) -> bool:
        return record.hash == record.computed() and (self.secret is None or record == record.sealed(self.secret))


def restated_path(tables: Path) -> Path:
    """Where the table lies."""
    return tables / "_restated"


def restated(tables: Path, secret: bytes | None = None, damage: Damage | None = None) -> Restated:
    """The records as the table has them now; of one that is damaged, those that can be read."""
    table = None if damage and damage.closed else open_table(restated_path(tables))
    if table is None:
        return Restated(secret=secret)
    lost = {file.action["path"] for file in damage.files} if damage else ()
    rows = dataset(table, lost).to_table(columns=SCHEMA.names).sort_by("number").to_pylist()
    return Restated([Restatement(**row) for row in rows], table.transaction_version(APP_ID) or 0, secret)
