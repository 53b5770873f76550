"""Which (request_id, row) were forgotten: told by keyed hashes, so that nothing of what comes later of them is kept."""

import secrets
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from services.feature_logging.domain.forgetting import Key
from services.feature_logging.store.compactor import record
from services.feature_logging.store.following import Reader
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.place import Place
from services.feature_logging.store.rewriting import persistently
from services.feature_logging.store.table import LogTable
from shared.feature_log.forgotten import IDS, ids_path
from shared.feature_log.reading import dataset
from shared.feature_log.sealing import request_hash

_APP = "driftline/forgotten-ids"
_HASH = np.dtype("S16")


class ForgottenIds:
    """The table as it is at each call. Used by one thread at a time."""

    def __init__(self, tables: Path, keys: KeyStore) -> None:
        self._path = ids_path(tables)
        self._reader = Reader(self._path)
        self._keys = keys
        self._version: int | None = None
        self._rows = IDS.empty_table()
        self._known: dict[str, NDArray[np.bytes_]] = {}

    def has(self, model: str, keys: Sequence[Key]) -> NDArray[np.bool_]:
        """Which of them were forgotten, bool [n]."""
        known = self._of(model)
        if not (len(known) and len(keys)):
            return np.zeros(len(keys), np.bool_)
        hashes = np.array(self._hashes(model, keys), _HASH)
        at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        found: NDArray[np.bool_] = known[at] == hashes
        return found

    def is_settled(self, model: str, keys: Collection[Key]) -> bool:
        """Is what the tables held of all of them concealed?"""
        self._of(model)
        hashes, is_in = self._hashes(model, keys), partial(pc.call_function, "is_in")
        ended = self._rows.filter(ds.field("hash").is_null()).column("batch").combine_chunks()
        here = self._rows.filter(ds.field("model") == model)
        here = here.filter(is_in([here.column("hash")], pc.SetLookupOptions(pa.array(hashes, pa.binary()))))
        done = here.filter(is_in([here.column("batch")], pc.SetLookupOptions(ended)))
        return {*hashes} <= {*done.column("hash").to_pylist()}

    def add(self, model: str, keys: Collection[Key]) -> str:
        """They are to be forgotten from now on; the name of their batch, for `settle`."""
        batch = secrets.token_hex(8)
        self._append([{"batch": batch, "model": model, "hash": each} for each in self._hashes(model, keys)])
        return batch

    def settle(self, model: str, batch: str) -> None:
        """What the tables held of a batch is concealed."""
        self._append([{"batch": batch, "model": model, "hash": None}])

    def _of(self, model: str) -> NDArray[np.bytes_]:
        delta = self._reader.fresh()
        if delta is not None and delta.version() != self._version:
            self._rows, self._version, self._known = dataset(delta).to_table().cast(IDS), delta.version(), {}
        if model not in self._known:
            mine = self._rows.filter((ds.field("model") == model) & ds.field("hash").is_valid())
            self._known[model] = np.unique(np.array(mine.column("hash").to_pylist(), _HASH))
        return self._known[model]

    def _hashes(self, model: str, keys: Collection[Key]) -> list[bytes]:
        secret = self._keys.secret
        return [request_hash(secret, model, *key) for key in keys]

    def _append(self, rows: list[dict[str, object]]) -> None:
        table = pa.Table.from_pylist(rows, schema=IDS)
        if len(table):
            persistently(partial(self._write, table))

    def _write(self, rows: pa.Table) -> None:
        record(LogTable(Place(self._path, IDS)), rows, _APP)
