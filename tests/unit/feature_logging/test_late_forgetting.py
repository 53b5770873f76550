"""What comes after an order to forget, or is written while it is carried out, is forgotten as well."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.store.forgetting.forgotten_ids import ForgottenIds
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.refill import Refill
from services.feature_logging.store.table import LogTable
from shared.feature_log.damage import find_damage
from shared.feature_log.forgotten import Orders
from shared.kafka.message import InMessage
from tests.unit.feature_logging.pairing import NAMES, L, labelled, told
from tests.unit.feature_logging.samples import MODEL, batch, definition, key, prediction_message
from tests.unit.feature_logging.test_forgetting import forget, intake
from tests.unit.feature_logging.test_restating import SOURCES, faults

Actions = list[AddAction | RemoveAction]
# Of the four rows of `prediction_message(0, count=4)`, which are of nobody, N1, nobody and N3.
NAMED = [str(UUID(bytes=each)) for each in batch(4).request_id]
OTHERS = [name for name in NAMED if name != NAMED[1]]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def predictions() -> InMessage:
    return prediction_message(0, count=4)


def labels(offset: int = 0) -> InMessage:
    return labelled(offset, *(L(name, 1) for name in NAMED))


def ids(tables: Path, kind: str) -> list[bytes | None]:
    table = DeltaTable(tables / MODEL / kind)
    order = [(name, "ascending") for name in ("source_offset", "source_row")]
    found: list[bytes | None] = table.to_pyarrow_table().sort_by(order).column("request_id").to_pylist()
    return found


async def log(tables: Path, *messages: InMessage) -> list[str]:
    """As a worker logs them; whose pairs were published."""
    worker = intake(tables, definition())
    sent = [out for each in messages for out in await worker.handle(each)]
    sent += await worker.flush()
    NAMES.update({key(number): name for number, name in enumerate(NAMED)})
    return [name for name, *_ in told(sent)]


async def prove(tables: Path) -> None:
    await intake(tables, definition()).assigned(SOURCES, dict.fromkeys(SOURCES, 99))


WITHOUT = [key(0), None, key(2), key(3)]


async def test_a_label_that_is_logged_after_the_order_is_concealed_and_meets_nobody(tables: Path) -> None:
    await log(tables, predictions())
    forget(tables, "N1")
    assert await log(tables, labels()) == OTHERS
    assert ids(tables, "labels") == WITHOUT
    await prove(tables)
    assert faults(tables) == []


async def test_a_label_that_waits_in_the_buffer_is_concealed_and_meets_nobody(tables: Path) -> None:
    worker = intake(tables, definition())
    await worker.handle(predictions())
    await worker.flush()
    await worker.handle(labels())
    forget(tables, "N1")
    assert [name for name, *_ in told(list(await worker.flush()))] == OTHERS
    assert ids(tables, "labels") == WITHOUT


async def test_labels_and_predictions_that_a_repair_writes_again_stay_concealed(tables: Path) -> None:
    await log(tables, predictions(), labels())
    forget(tables, "N1")
    await prove(tables)
    for kind in ("labels", "predictions"):
        for file in (tables / MODEL / kind).rglob("*.parquet"):
            file.unlink()
    refill = Refill(tables, {damage.table: damage.files for damage in find_damage(tables)})
    again = intake(tables, definition()).into(refill)
    for each in (predictions(), labels()):
        await again.handle(each)
    await refill.finish()
    assert refill.restored == 8
    assert (ids(tables, "labels"), ids(tables, "predictions")) == (WITHOUT, WITHOUT)
    assert faults(tables) == []


async def test_a_label_that_was_quicker_than_its_prediction_is_concealed_with_it(tables: Path) -> None:
    await log(tables, labels())
    await prove(tables)
    forget(tables, "N1")  # whose prediction is on Kafka still
    assert await log(tables, predictions()) == OTHERS
    assert ids(tables, "labels") == WITHOUT
    assert await log(tables, labels(1)) == []  # a repeat
    assert ids(tables, "labels") == [*WITHOUT, *WITHOUT]
    await prove(tables)
    assert faults(tables) == []


async def test_what_was_to_be_concealed_when_a_worker_died_is_concealed_by_the_next(tables: Path) -> None:
    await log(tables, labels())
    forget(tables, "N1")
    keys = KeyStore(tables.parent / "keys")
    ForgottenIds(tables, keys).add(MODEL, [(key(1), 0)])  # so far it came
    assert ids(tables, "labels")[1] is not None
    await log(tables, predictions())
    assert ids(tables, "labels") == WITHOUT
    (order,) = Orders(tables)()
    before = DeltaTable(tables / "_forgotten_ids").version()
    Forgetting(tables, keys).came_late(order, MODEL, [(key(1), 0)])  # all is done by now
    assert DeltaTable(tables / "_forgotten_ids").version() == before


def meanwhile(monkeypatch: pytest.MonkeyPatch, kind: str, act: Callable[[], object]) -> None:
    """Do something when files of a table are written, and their commit is still to come."""
    before: Callable[..., object] = LogTable.apply
    done: list[str] = []

    def apply(table: LogTable, actions: Actions, versions: dict[str, int]) -> object:
        if table.path.name == kind and not done:
            done.append(kind)
            act()
        return before(table, actions, versions)

    monkeypatch.setattr(LogTable, "apply", apply)


@pytest.mark.parametrize("kind", ["predictions", "labels"])
async def test_an_order_between_the_making_of_rows_and_their_commit_conceals_them(
    tables: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "labels":
        await log(tables, predictions())
    meanwhile(monkeypatch, kind, lambda: forget(tables, "N1"))
    await log(tables, predictions() if kind == "predictions" else labels())
    monkeypatch.undo()
    assert ids(tables, kind) == WITHOUT
    files = [*(tables / MODEL / kind).rglob("*.parquet")]
    assert len(files) == len(DeltaTable(tables / MODEL / kind).file_uris())  # those with plain rows are gone
    await prove(tables)
    assert faults(tables) == []


async def test_an_order_between_the_matchers_look_and_its_commit_makes_no_pair(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "outcomes", lambda: forget(tables, "N1"))
    assert await log(tables, predictions(), labels()) == OTHERS
    assert ids(tables, "outcomes") == [key(0), key(2), key(3)]


async def test_rows_that_were_made_while_the_disk_was_full_are_made_anew_after_an_order(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten() -> None:
        forget(tables, "N1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.feature_logging.store.persist.RETRY_SECONDS", (0.01,))
    monkeypatch.setattr("services.feature_logging.store.table.FRESH", 0)  # as after a minute
    meanwhile(monkeypatch, "predictions", forgotten)
    await log(tables, predictions())
    assert ids(tables, "predictions") == WITHOUT


async def test_what_the_entity_sends_afterwards_is_logged_as_ever(tables: Path) -> None:
    await log(tables, predictions())
    forget(tables, "N1")
    await log(tables, prediction_message(2, count=4), labelled(1, L(str(UUID(bytes=key(2001))), 1)))
    assert ids(tables, "labels") == [key(2001)]
