"""Forgetting is no fault of the hash chain; what else was changed stays one."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from services.feature_logging.models import Known
from services.feature_logging.store.concealing import Concealer
from services.feature_logging.store.forgetting import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.forgotten import restated
from shared.feature_log.opened import open_log
from shared.feature_log.proof.verify import verify
from shared.kafka.admin import LABELS as LABELS_TOPIC
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    TOPIC,
    definition,
    feature_log,
    label_message,
    place,
    prediction_message,
)

ROW = "source_offset = 0 and source_row = 2"
SOURCES = {(TOPIC, 0): 0, (LABELS_TOPIC, 0): 0}


def intake(tables: Path) -> Intake:
    keys = KeyStore(tables.parent / "keys")
    concealer = Concealer(tables, keys)
    known = Known(definition(), CATEGORIES, keys, concealer.predictions)
    return Intake(feature_log(tables), lambda _: known, concealer)


def forget(tables: Path, entity: str) -> int:
    forgetting = Forgetting(tables, KeyStore(tables.parent / "keys"))
    return sum(each.rows for each in forgetting.carry_out(forgetting.order(entity, None, "local-admin"), entity).tables)


def faults(tables: Path) -> list[str]:
    log = open_log(tables)
    return [fault.what for fault in verify(log, completeness(log), [], restated(tables)).faults]


@pytest.fixture
async def tables(tmp_path: Path) -> Path:
    """Two messages of three rows, of which N1 and N1001 have one each, and labels; all in links of the chain."""
    tables = tmp_path / "tables"
    worker = intake(tables)
    for offset in (0, 1):
        await worker.handle(prediction_message(offset))
        await worker.handle(label_message(offset))
        await worker.flush()
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tables) == []
    return tables


async def test_the_chain_holds_after_each_of_two_entities_is_forgotten(tables: Path) -> None:
    for entity in ("N1", "N1001"):
        assert forget(tables, entity) == 1
        assert faults(tables) == []
    assert len(restated(tables)) == 1  # one link, restated twice
    worker = intake(tables)
    await worker.handle(prediction_message(2))
    await worker.flush()
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tables) == []


async def test_what_was_changed_before_is_a_fault_still(tables: Path) -> None:
    DeltaTable(place(tables).path).update(updates={"latency_us": "1"}, predicate=ROW)
    assert len(faults(tables)) == 1
    forget(tables, "N1")
    assert len(faults(tables)) == 1


async def test_what_is_changed_afterwards_is_a_fault(tables: Path) -> None:
    forget(tables, "N1")
    DeltaTable(place(tables).path).update(updates={"latency_us": "1"}, predicate=ROW)
    assert len(faults(tables)) == 1


async def test_rows_that_were_forgotten_before_they_were_in_a_link_are_no_fault(tmp_path: Path) -> None:
    worker = intake(tmp_path / "tables")
    await worker.handle(prediction_message(0))
    await worker.flush()
    assert forget(tmp_path / "tables", "N1") == 1
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tmp_path / "tables") == []
    assert restated(tmp_path / "tables") == {}
