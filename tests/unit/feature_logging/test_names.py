"""A feature may have any name that is not reserved, such as one of a column of the log's other tables."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from aiokafka import TopicPartition
from deltalake import DeltaTable

from services.feature_logging.models import Known
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.query import View, run_query
from services.feature_logging.stream.intake import Intake
from services.feature_logging.stream.repair import Span, spans_of
from shared.batch import encode_batch
from shared.feature_log.columns import RESERVED
from shared.feature_log.damage import find_damage
from shared.feature_log.schema import GAPS, OUTCOMES, PROOF, REJECTED
from shared.feature_log.snapshot import Bounds, pin_snapshot
from shared.features import Rows
from tests.unit.feature_logging.samples import MODEL, START, TOPIC, batch, definition, feature_log, message, place

TAKEN = {name for schema in (GAPS, OUTCOMES, PROOF, REJECTED) for name in schema.names}
NAMES = sorted({*TAKEN, *("bare", "highest", "partition", "rank", "select", "source")} - RESERVED)


@pytest.fixture
async def tables(tmp_path: Path) -> Path:
    """Of six rows each other has an entity, N1 and so on, and values; of the others all are missing."""
    tables = tmp_path / "tables"
    of = definition(more="".join(f'{{ name = "{name}", kind = "numeric" }},' for name in NAMES))
    intake = Intake(feature_log(tables), lambda _: Known(of, {"origin": ("EWR",)}))
    values = np.repeat([[np.nan], [100.0]] * 3, len(of.numeric), axis=1).astype(np.float32)
    sent = replace(batch(6, definition_digest=of.digest), rows=Rows(values, np.zeros((6, 1), np.int32)))
    await intake.handle(message(encode_batch(sent), 4))
    await intake.flush()
    return tables


def predictions(tables: Path) -> ds.Dataset:
    return DeltaTable(place(tables).path).to_pyarrow_dataset()


def test_of_a_forgotten_entity_no_feature_is_kept(tables: Path) -> None:
    orders = Forgetting(tables, KeyStore(tables.parent / "keys"))
    orders.carry_out(orders.order("N1", None, "local-admin"), "N1")
    (row,) = predictions(tables).to_table(columns=NAMES, filter=ds.field("role") == "forgotten").to_pylist()
    assert row == dict.fromkeys(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_missing_values_are_found(tables: Path, name: str) -> None:
    assert predictions(tables).count_rows(filter=ds.field(name).is_null()) == 3


def test_a_snapshot_has_them(tables: Path) -> None:
    bounds = Bounds(START, START + timedelta(days=1), START + timedelta(days=2), "binary", "left")
    rows = pin_snapshot(tables, MODEL, bounds).table
    assert [rows[name].to_pylist() for name in NAMES] == [[None, 100.0] * 3] * len(NAMES)


@pytest.mark.parametrize("view", ["joined", "late"])
def test_views_have_them(tables: Path, view: str) -> None:
    names = ", ".join(f'"{name}"' for name in NAMES)
    found = run_query(tables, f"SELECT {names} FROM {view}", View(MODEL, None))
    assert found.schema.names == NAMES


def test_what_a_lost_file_held_is_known(tables: Path) -> None:
    (file,) = DeltaTable(place(tables).path).file_uris()
    Path(file).unlink()
    (damage,) = find_damage(tables)
    assert list(spans_of(tables, damage, {})) == [Span(TopicPartition(TOPIC, 0), 4, 5)]
