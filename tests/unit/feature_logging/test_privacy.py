"""What a definition calls sensitive never stands in the clear in the log; who has the keys reads what is encrypted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from services.feature_logging.domain.history import history_rows
from services.feature_logging.domain.predictions import Message, prediction_rows
from services.feature_logging.domain.privacy import _hasher, protect
from services.feature_logging.models import Known
from services.feature_logging.store.history import import_history
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.stream.intake import Intake
from shared.definition import ModelDefinition, Sensitive, parse_definition
from shared.errors import Unreadable
from shared.feature_log.keystore import KeyReader, NoKeys
from shared.feature_log.schema import table_path
from shared.feature_log.sealing import entity_hash, key_id
from shared.feature_log.snapshot import Bounds, Snapshot, pin_snapshot, read_snapshot
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    LOGGED_MS,
    MODEL,
    START,
    batch,
    feature_log,
    origin,
    prediction_message,
)
from tests.unit.feature_logging.test_history import history

END = np.datetime64(LOGGED_MS, "ms").astype("datetime64[us]").item().replace(tzinfo=START.tzinfo)


def sensitive(wind: Sensitive, where: Sensitive = "encrypt", *, entity: bool = False) -> ModelDefinition:
    return parse_definition(
        f"""
        name = "flights"
        owner = "ops"
        entity_sensitive = {str(entity).lower()}
        features = [
            {{ name = "wind", kind = "numeric", sensitive = "{wind}" }},
            {{ name = "origin", kind = "categorical", sensitive = "{where}" }},
            {{ name = "temp", kind = "numeric" }},
        ]
        label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
        """
    )


async def log_rows(state: Path, definition: ModelDefinition) -> DeltaTable:
    """Rows of None, N1, None, N3, None, N5: winds 0 to 5; origins missing, unseen, EWR, JFK, LGA, missing."""
    known = Known(definition, CATEGORIES, KeyStore(state / "keys"))
    intake = Intake(feature_log(state / "tables"), lambda _: known)
    await intake.handle(prediction_message(0, count=6, definition_digest=definition.digest))
    await intake.flush()
    return DeltaTable(table_path(state / "tables", MODEL, "predictions"))


def pinned(state: Path, keys: KeyReader | None) -> Snapshot:
    return pin_snapshot(state / "tables", MODEL, Bounds(START, END, END, "binary", "left"), keys)


def column(snapshot: Snapshot, name: str) -> list[object]:
    values: list[object] = snapshot.table[name].to_pylist()
    return values


def on_disk(state: Path) -> str:
    """All values in quotes: those in the tables' files, and the least and greatest that files and logs tell of."""
    files = [pq.ParquetFile(path) for path in (state / "tables").rglob("*.parquet")]
    logs = [path.read_text() for path in (state / "tables").rglob("*.json")]
    told = str([(file.read().to_pylist(), file.metadata.to_dict()) for file in files]) + "".join(logs)
    return told.replace('\\"', "'").replace('"', "'")


async def test_encrypted_features_are_read_again_with_the_keys_alone(tmp_path: Path) -> None:
    table = await log_rows(tmp_path, sensitive("encrypt"))
    assert {field.type for field in table.to_pyarrow_dataset().schema if field.name in {"wind", "origin"}} == {
        pa.binary()
    }
    assert [name for name in ("EWR", "N3") if f"'{name}'" in on_disk(tmp_path)] == ["N3"]  # which is not sensitive here
    snapshot = pinned(tmp_path, KeyReader(tmp_path / "keys"))
    assert column(snapshot, "wind") == [0, 1, 2, 3, 4, 5]
    assert column(snapshot, "origin") == [None, None, "EWR", "JFK", "LGA", None]
    without = pinned(tmp_path, None)
    assert (column(without, "wind"), without.table.schema.field("wind").type) == ([None] * 6, pa.float32())
    assert column(without, "origin") == [None] * 6
    assert without.pin == snapshot.pin
    with pytest.raises(NoKeys):
        pinned(tmp_path, KeyReader(tmp_path / "elsewhere"))


async def test_a_key_that_is_deleted_makes_its_entitys_values_null_even_if_the_entity_comes_again(
    tmp_path: Path,
) -> None:
    await log_rows(tmp_path, sensitive("encrypt"))
    keys = KeyStore(tmp_path / "keys")
    pin = pinned(tmp_path, keys).pin
    gone = keys.keys_of([key_id(keys.secret, MODEL, entity_hash(keys.secret, "N3"))])
    assert keys.delete_key(*gone)
    assert column(read_snapshot(tmp_path / "tables", MODEL, pin, keys), "wind") == [0, 1, 2, None, 4, 5]
    assert keys.make_keys(gone) != gone
    assert column(pinned(tmp_path, keys), "origin") == [None, None, "EWR", None, "LGA", None]
    assert not any(key in keys.path.read_bytes() for key in gone.values())
    assert not list(keys.path.parent.glob("*-journal"))


async def test_hashes_are_alike_for_like_values_of_one_feature_and_come_as_text(tmp_path: Path) -> None:
    await log_rows(tmp_path, sensitive("hash", "hash", entity=True))
    snapshot = pinned(tmp_path, None)
    winds, origins = column(snapshot, "wind"), column(snapshot, "origin")
    assert [type(wind) for wind in winds] == [str] * 6
    assert len(set(winds)) == 6
    assert [origin is None for origin in origins] == [True, True, False, False, False, True]
    secret = KeyReader(tmp_path / "keys").secret
    assert column(snapshot, "entity") == [
        *(entity and entity_hash(secret, entity) for entity in (None, "N1", None, "N3", None, "N5"))
    ]
    assert not [name for name in ("EWR", "N3") if f"'{name}'" in on_disk(tmp_path)]
    again = pinned(tmp_path, None)
    assert again.pin.row_hash == snapshot.pin.row_hash


def test_zero_has_one_hash_whatever_its_sign(tmp_path: Path) -> None:
    hashed = _hasher(KeyStore(tmp_path).secret, "flights", "wind")
    assert hashed(0.0) == hashed(-0.0) != hashed(1e-45)


async def test_encrypted_features_of_hashed_entities_are_read_again(tmp_path: Path) -> None:
    await log_rows(tmp_path, sensitive("encrypt", "leave_out", entity=True))
    snapshot = pinned(tmp_path, KeyReader(tmp_path / "keys"))
    assert column(snapshot, "wind") == [0, 1, 2, 3, 4, 5]
    assert "origin" not in snapshot.table.column_names


def test_without_sensitive_features_rows_are_as_they_were_and_no_key_is_made(tmp_path: Path) -> None:
    definition = parse_definition(PLAIN)
    rows = prediction_rows([Message(batch(definition_digest=definition.digest), origin(0))], definition, CATEGORIES)
    assert protect(rows, definition, KeyStore(tmp_path / "keys")) is rows
    assert not (tmp_path / "keys").exists()


PLAIN = """
name = "flights"
owner = "ops"
features = [
    { name = "wind", kind = "numeric" },
    { name = "origin", kind = "categorical" },
    { name = "temp", kind = "numeric" },
]
label = { name = "late", kind = "binary", expected_delay_hours = 1 }
"""


def test_where_there_are_no_keys_sensitive_rows_are_refused() -> None:
    definition = sensitive("encrypt")
    with pytest.raises(Unreadable, match="there are no keys"):
        Known(definition, CATEGORIES).check(batch(definition_digest=definition.digest))


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path / "keys")
    made = keys.make_keys(["a", "b"])
    assert KeyStore(tmp_path / "keys").make_keys(["b", "c"])["b"] == made["b"]
    assert (keys.path.stat().st_mode & 0o777, keys.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_ids_that_are_made_of_what_history_says_are_keyed(tmp_path: Path) -> None:
    pq.write_table(history(request_id=None, row=None), tmp_path / "history.parquet")
    ids = []
    for state, known in (("a", sensitive("encrypt")), ("b", sensitive("encrypt")), ("c", parse_definition(PLAIN))):
        secrets = KeyStore(tmp_path / state / "keys")
        assert import_history(tmp_path / state / "tables", known, tmp_path / "history.parquet", secrets).added
        table = DeltaTable(table_path(tmp_path / state / "tables", MODEL, "history")).to_pyarrow_table()
        ids.append(set(table["request_id"].to_pylist()))
    plain = history_rows(history(request_id=None, row=None), parse_definition(PLAIN), START)
    assert ids[2] == set(plain["request_id"].to_pylist())
    assert not ids[0] & ids[1]
    assert not (ids[0] | ids[1]) & ids[2]
