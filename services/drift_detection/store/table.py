"""A Faust table that is written from outside a stream's iteration, and survives a writer that should be gone."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

import faust
from faust.stores import memory
from faust.tables.table import Table

from services.drift_detection.store.entries import Entry, partition_of, version_of

# Heads are written four times a second: only segments that are closed are compacted, so they are closed early.
MOST_BYTES = 16 * 2**20  # of one entry: a model's record is one, so that all of it is stored or none
CHANGELOG = {
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(MOST_BYTES),
    "segment.bytes": str(32 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.2",
}


class NewestStore(memory.Store[bytes, bytes]):
    """Keeps the value with the highest version, so that a process that woke up late changes nothing on restore."""

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Apply events of the changelog, oldest first."""
        for event in batch:
            key, value = to_key(event.key), event.message.value
            self._key_partition[key] = event.message.partition
            if value is None:
                self.data.pop(key, None)
            elif key not in self.data or version_of(value) >= version_of(self.data[key]):
                self.data[key] = to_value(event.value)


class StateTable(Table[bytes, bytes]):
    """Keys and values are bytes; each key says its changelog partition."""

    def _new_store(self) -> NewestStore:
        return NewestStore(
            "memory://",
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_type=self.value_type,
            value_serializer=self.value_serializer,
            loop=self.loop,
        )

    def partition_for_key(self, key: bytes) -> int:
        """Where the key belongs, whatever event is being handled."""
        return partition_of(key)

    async def write(self, entries: Iterable[Entry]) -> None:
        """Store entries, in order within a partition; returns when the broker has them all.

        Raises:
            KafkaError: it has not; what was stored is unknown.
        """
        sent = []
        for key, value in entries:
            self.data[key] = value
            sent.append(self.send_changelog(partition_of(key), key, value))
        await asyncio.gather(*sent)

    async def remove(self, keys: Iterable[bytes]) -> None:
        """Forget entries; those that are not there are left out."""
        there = [key for key in keys if self.data.pop(key, None) is not None]
        await asyncio.gather(
            *(self.send_changelog(partition_of(key), key, None, value_serializer="raw") for key in there)
        )

    def entries(self) -> list[Entry]:
        """All that is stored."""
        return list(self.data.items())

    def keep(self, numbers: Collection[int]) -> None:
        """Drop from memory what belongs in other changelog partitions: other workers change it."""
        for key in [key for key in self.data if partition_of(key) not in numbers]:
            del self.data[key]


def add_table(app: faust.App, name: str, partitions: int, told: str) -> StateTable:
    """A table with as many partitions as the topic it goes with."""
    table = StateTable(
        app,
        name=name,
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        extra_topic_configs=CHANGELOG,
        help=told,
    )
    app.tables.add(table)
    return table
