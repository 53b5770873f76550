"""Forgetting an entity: its rows in every table, the files of older versions that hold them, and its keys."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from services.feature_logging.domain.forgetting import Key, conceal, keys_of, of_entities, of_keys, without
from services.feature_logging.store.files import read_parquet
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.restating import Restating
from services.feature_logging.store.rewriting import Find, delete_old, found_in, persistently, rewrite
from services.feature_logging.store.table import LogTable, Place
from shared.events import Record
from shared.feature_log.forgotten import SCHEMA, forgotten_path
from shared.feature_log.reading import live_paths, open_table
from shared.feature_log.sealing import entity_hash, key_id

_APP = "driftline/forgotten"
_KEY = ("request_id", "row")
# Predictions come last: only they say which labels are the entity's, should this be broken off and done again.
_BY_KEY, _BY_ENTITY = ("outcomes", "labels", "business"), ("predictions", "history")


class Concealed(Record):
    """Of one table: how many rows, and the version from which on nothing of the entity is in it."""

    model: str
    table: str
    rows: int
    version: int
    old_files: int


class Forgotten(Record):
    """What was done; `entity` is its keyed hash, `id` that of the records in `_forgotten`."""

    id: str
    entity: str
    time: datetime
    by: str
    keys_deleted: int
    tables: tuple[Concealed, ...]


@dataclass(frozen=True)
class Order:
    """To forget an entity, of one model or all (None)."""

    id: str
    entity: str
    model: str | None
    time: datetime
    by: str


class Forgetting:
    """Carries out orders, one at a time. Both steps may be repeated after an error.

    Raises:
        Fenced, OSError, DeltaError, NotDurable: see LogTable; what is done stays, and the order can be given again.
    """

    def __init__(self, tables: Path, keys: KeyStore) -> None:
        self._tables = tables
        self._keys = keys

    def order(self, entity: str, model: str | None, by: str) -> Order:
        """Write down whom to forget: rows logged before that are yet to be written are concealed from now on."""
        order = Order(secrets.token_hex(8), entity, model, datetime.now(UTC), by)
        self._record(order, [None])
        return order

    def carry_out(self, order: Order) -> Forgotten:
        """Conceal what the tables hold."""
        models = [order.model] if order.model else self._models()
        done = [each for model in models for each in self._of_model(order, model)]
        deleted = sum(self._keys.delete_key(self._key_of(order, model)) for model in models)
        self._record(order, done)
        return Forgotten(
            id=order.id,
            entity=self._hash(order),
            time=order.time,
            by=order.by,
            keys_deleted=deleted,
            tables=tuple(done),
        )

    def _of_model(self, order: Order, model: str) -> Iterator[Concealed]:
        mine = partial(of_entities, entities={order.entity, self._hash(order)})
        keys = set(self._keys_of(model, mine))
        for table in _BY_KEY:
            yield from self._of_table(order, f"{model}/{table}", _KEY, partial(of_keys, keys=keys))
        for table in _BY_ENTITY:
            yield from self._of_table(order, f"{model}/{table}", ("entity",), mine)

    def _of_table(self, order: Order, name: str, columns: tuple[str, ...], find: Find) -> Iterator[Concealed]:
        path, (model, _, kind) = self._tables / name, name.partition("/")
        if open_table(path) is None:
            return
        change = without if kind == "history" else conceal
        chain = Restating(self._tables, name, order.id, columns, find)
        chain.before(change)
        rows, version = rewrite(path, columns, find, change)
        chain.after()
        old = delete_old(path, columns, find)
        yield Concealed(model=model, table=kind, rows=rows, version=version, old_files=old)

    def _keys_of(self, model: str, mine: Find) -> Iterator[Key]:
        path = self._tables / model / "predictions"
        table = open_table(path)
        for name in [] if table is None else live_paths(table):
            if (found := found_in(path / name, ("entity",), mine)) is not None:
                yield from keys_of(read_parquet(path / name, _KEY).filter(found))

    def _models(self) -> list[str]:
        return [path.name for path in sorted(self._tables.glob("[a-z]*")) if path.is_dir()]

    def _hash(self, order: Order) -> str:
        return entity_hash(self._keys.secret, order.entity)

    def _key_of(self, order: Order, model: str) -> str:
        return key_id(self._keys.secret, model, self._hash(order))

    def _record(self, order: Order, done: Sequence[Concealed | None]) -> None:
        common = {"id": order.id, "entity": self._hash(order), "model": order.model, "time": order.time, "by": order.by}
        rows = [common | (each.model_dump(exclude={"old_files"}) if each else {}) for each in done]
        if rows:
            persistently(partial(self._add, pa.Table.from_pylist(rows, schema=SCHEMA)))

    def _add(self, rows: pa.Table) -> None:
        LogTable(Place(forgotten_path(self._tables), SCHEMA)).append(rows, _APP)
