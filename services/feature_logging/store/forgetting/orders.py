"""Forgetting an entity: its rows in every table, the files of older versions that hold them, and its keys."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from services.feature_logging.domain.forgetting import Key, conceal, keys_of, logged_of, of_entities, of_keys, without
from services.feature_logging.store.compactor import record
from services.feature_logging.store.forgetting.forgotten_ids import ForgottenIds
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.place import Place
from services.feature_logging.store.restating import Book, Restating
from services.feature_logging.store.rewriting import Find, delete_old, found_rows, persistently, rewrite
from services.feature_logging.store.table import LogTable
from shared.events import Record
from shared.feature_log.forgotten import SCHEMA, Order, forgotten_path
from shared.feature_log.reading import live_files, models_in, open_table
from shared.feature_log.sealing import entity_hash, key_id

_APP = "driftline/forgotten"
_KEY, _LOGGED = ("request_id", "row"), ("entity", "log_time")
_BY_KEY = ("outcomes", "labels", "business")


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


class Forgetting:
    """Carries out orders, one at a time. Both steps may be repeated after an error.

    Raises:
        Fenced, OSError, DeltaError, NotDurable: see LogTable; what is done stays, and the order can be given again.
    """

    def __init__(self, tables: Path, keys: KeyStore) -> None:
        self._tables = tables
        self._keys = keys
        self._ids = ForgottenIds(tables, keys)
        self._book = Book(tables, keys)

    def order(self, entity: str, model: str | None, by: str) -> Order:
        """Write down whom to forget, with all that was logged until now: what of it is yet to be written is concealed
        from now on.
        """
        hashed = entity_hash(self._keys.secret, entity)
        order = Order(secrets.token_hex(8), hashed, model, self._now(model), by)
        self._record(order, [None])
        return order

    def carry_out(self, order: Order, entity: str) -> Forgotten:
        """Conceal what the tables hold; what of it is written by anyone from now on is concealed as well."""
        models = [order.model] if order.model else self._models()
        deleted = sum(self._keys.delete_key(key_id(self._keys.secret, model, order.entity)) for model in models)
        done = [each for model in models for each in self._of_model(order, entity, model)]
        self._record(order, done)
        of = {"id": order.id, "entity": order.entity, "time": order.time, "by": order.by}
        return Forgotten(keys_deleted=deleted, tables=tuple(done), **of)

    def came_late(self, order: Order, model: str, keys: Sequence[Key]) -> None:
        """Predictions that an order is about are only now to be written: conceal what the tables hold of them, such as
        labels that were quicker.
        """
        if not self._ids.is_settled(model, keys):
            self._record(order, list(self._of_keys(order, model, set(keys))))

    def _of_model(self, order: Order, entity: str, model: str) -> Iterator[Concealed]:
        entities = {entity, order.entity}
        logged = partial(logged_of, entities=entities, until=order.time)
        self._fence(model, "predictions")  # from here on its rows are concealed as they are written
        found = found_rows(self._tables / model / "predictions", _LOGGED, logged, _KEY)
        yield from self._of_keys(order, model, {key for rows in found for key in keys_of(rows)})
        # Predictions come last: only they say which labels are the entity's, should this be broken off and done again.
        yield from self._of_table(order, f"{model}/predictions", _LOGGED, logged)
        yield from self._of_table(order, f"{model}/history", ("entity",), partial(of_entities, entities=entities))

    def _of_keys(self, order: Order, model: str, keys: set[Key]) -> Iterator[Concealed]:
        batch = self._ids.add(model, keys)
        for kind in _BY_KEY:
            self._fence(model, kind)
            yield from self._of_table(order, f"{model}/{kind}", _KEY, partial(of_keys, keys=keys))
        self._ids.settle(model, batch)

    def _fence(self, model: str, kind: str) -> None:
        path = self._tables / model / kind
        if (table := open_table(path)) is not None:
            place = Place.of(path, table)
            persistently(lambda: LogTable(place).fence())

    def _of_table(self, order: Order, name: str, columns: tuple[str, ...], find: Find) -> Iterator[Concealed]:
        path, (model, _, kind) = self._tables / name, name.partition("/")
        if open_table(path) is None:
            return
        change = without if kind == "history" else partial(conceal, kind)
        chain = Restating(self._book, name, order.id, columns, find)
        rows, version = rewrite(path, columns, find, change, partial(chain.before, change))
        chain.after()
        old = delete_old(path, columns, find)
        yield Concealed(model=model, table=kind, rows=rows, version=version, old_files=old)

    def _models(self) -> list[str]:
        return models_in(self._tables)

    def _now(self, model: str | None) -> datetime:
        """By Kafka's clock as well, which may be before ours: not before anything that the tables hold."""
        paths = [self._tables / name / "predictions" for name in ([model] if model else self._models())]
        files = [live_files(table) for path in paths if (table := open_table(path)) is not None]
        times: list[datetime] = [
            time for each in files if len(each) for time in each.column("max.log_time").to_pylist()
        ]
        return max([datetime.now(UTC), *times])

    def _record(self, order: Order, done: Sequence[Concealed | None]) -> None:
        rows = [order._asdict() | (each.model_dump(exclude={"old_files"}) if each else {}) for each in done]
        if rows:
            persistently(partial(self._add, pa.Table.from_pylist(rows, schema=SCHEMA)))

    def _add(self, rows: pa.Table) -> None:
        record(LogTable(Place(forgotten_path(self._tables), SCHEMA)), rows, _APP)
