"""What is broken in a table is found and told, and rows that are gone come back once."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from deltalake import DeltaTable

from services.feature_logging.store.compaction import checkpoint
from services.feature_logging.store.refill import Refill
from services.feature_logging.store.rejections import Rejections
from services.feature_logging.store.table import LogTable
from services.feature_logging.stream.intake import Intake
from services.feature_logging.stream.repair import NotMended, Span, Taking, make_readable, parted, write_gap
from shared.feature_log.completeness import completeness
from shared.feature_log.damage import find_damage, settle
from shared.feature_log.delta_log import DeltaLog
from shared.feature_log.opened import open_log
from shared.kafka.message import InMessage
from tests.unit.feature_logging.samples import (
    DIGEST,
    TOPIC,
    FakeBundles,
    definition,
    feature_log,
    label_message,
    message,
    place,
    prediction_message,
    rows_of,
)

BUNDLES = FakeBundles({DIGEST: definition()})


async def logged(tables: Path, messages: Sequence[InMessage]) -> None:
    """As the service logs them, with a commit for each."""
    intake = Intake(feature_log(tables), BUNDLES.get)
    for each in messages:
        await intake.handle(each)
        await intake.flush()


def told(tables: Path) -> list[str]:
    return [said for damage in find_damage(tables) for said in damage.told()]


def lose(data_file: Path) -> None:
    data_file.unlink()


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def entry(tables: Path, version: int) -> Path:
    return place(tables).path / "_delta_log" / f"{version:020}.json"


async def refilled(tables: Path, messages: Sequence[InMessage]) -> int:
    """How many rows came back when the messages were read again."""
    damages = find_damage(tables)
    refill = Refill(tables, {damage.table: damage.files for damage in damages})
    intake = Intake(refill, BUNDLES.get)
    for each in messages:
        await intake.handle(each)
    await refill.finish()
    for damage in damages:
        for broken in damage.entries:
            settle(broken)
    return refill.restored


@pytest.mark.parametrize("content", [b"", b'{"commitInfo":{"timest'], ids=["empty", "half"])
async def test_a_commit_whose_log_entry_was_cut_comes_back_from_its_messages(tmp_path: Path, content: bytes) -> None:
    messages = [prediction_message(offset) for offset in range(4)]
    await logged(tmp_path, messages)
    before = rows_of(place(tmp_path)).sort_by("source_offset")
    entry(tmp_path, 4).write_bytes(content)
    assert told(tmp_path) == ["log entry 4 has lost its content"]
    report = completeness(open_log(tmp_path))
    assert (report.complete, report.problems) == (
        False,
        ("flights/predictions: log entry 4 has lost its content",),
    )
    make_readable(tmp_path)
    assert told(tmp_path) == ["log entry 4 has lost its content"]
    assert len(rows_of(place(tmp_path))) == 9
    assert await refilled(tmp_path, messages) == 3
    assert told(tmp_path) == []
    assert rows_of(place(tmp_path)).sort_by("source_offset").equals(before)
    assert completeness(open_log(tmp_path)).complete


async def test_rows_of_a_data_file_that_is_gone_come_back_and_a_message_of_two_days_is_not_doubled(
    tmp_path: Path,
) -> None:
    messages = [prediction_message(offset, count=2_000) for offset in range(2)]
    await logged(tmp_path, messages)
    before = rows_of(place(tmp_path))
    lost = Path(sorted(DeltaTable(place(tmp_path).path).file_uris())[0])
    lose(lost)
    assert told(tmp_path) == [f"data file {lost.relative_to(place(tmp_path).path)} is gone"]
    assert not completeness(open_log(tmp_path)).complete
    make_readable(tmp_path)
    restored = await refilled(tmp_path, messages)
    order = [("source_offset", "ascending"), ("source_row", "ascending")]
    assert 0 < restored < 2_000
    assert rows_of(place(tmp_path)).sort_by(order).equals(before.sort_by(order))
    assert completeness(open_log(tmp_path)).complete
    assert await refilled(tmp_path, messages) == 0


async def test_a_data_file_that_was_cut_counts_as_gone(tmp_path: Path) -> None:
    await logged(tmp_path, [prediction_message(0), label_message(0)])
    cut(Path(DeltaTable(place(tmp_path, "labels").path).file_uris()[0]), 100)
    assert [said.rsplit(" has ")[1][:13] for said in told(tmp_path)] == ["100 bytes ins"]
    assert await refilled(tmp_path, [label_message(0)]) == 2
    assert told(tmp_path) == []


async def test_a_rejected_message_whose_row_is_gone_is_rejected_again(tmp_path: Path) -> None:
    intake, bad = Intake(feature_log(tmp_path), BUNDLES.get), message(b"rubbish", 0)
    await intake.reject(bad, "why")
    await intake.flush()
    path = tmp_path / "_rejected"
    lose(Path(DeltaTable(path).file_uris()[0]))
    refill = Refill(tmp_path, {damage.table: damage.files for damage in find_damage(tmp_path)})
    await Intake(refill, BUNDLES.get).reject(bad, "why")
    await refill.finish()
    assert DeltaTable(path).to_pyarrow_table()["reason"].to_pylist() == ["why"]


async def test_a_checkpoint_that_was_cut_is_not_needed(tmp_path: Path) -> None:
    await logged(tmp_path, [prediction_message(offset) for offset in range(3)])
    checkpoint(LogTable(place(tmp_path)))
    (broken,) = (each.path for each in DeltaLog(place(tmp_path).path).checkpoints)
    cut(broken, 50)
    assert told(tmp_path) == [f"checkpoint {broken.name} is cut short"]
    make_readable(tmp_path)
    assert told(tmp_path) == []
    assert len(rows_of(place(tmp_path))) == 9


async def test_a_table_that_was_never_begun_is_begun_again(tmp_path: Path) -> None:
    LogTable(place(tmp_path))
    entry(tmp_path, 0).write_bytes(b"")
    make_readable(tmp_path)
    await logged(tmp_path, [prediction_message(0)])
    assert len(rows_of(place(tmp_path))) == 3


async def test_a_table_without_its_beginning_is_not_mended_and_the_service_says_so(tmp_path: Path) -> None:
    await logged(tmp_path, [prediction_message(0)])
    entry(tmp_path, 0).unlink()
    with pytest.raises(NotMended, match=r"flights/predictions: can't be opened"):
        make_readable(tmp_path)


@pytest.mark.parametrize(
    ("first", "end", "gone", "there"),
    [
        (0, 90, range(10, 10), range(10, 20)),
        (13, 90, range(10, 13), range(13, 20)),
        (40, 90, range(10, 20), range(20, 20)),
        (0, 15, range(10, 10), range(10, 15)),
    ],
)
def test_only_what_kafka_still_has_is_read_again(first: int, end: int, gone: range, there: range) -> None:
    assert parted(Span(TopicPartition(TOPIC, 0), 10, 20), first, end) == (gone, there)


def test_what_kafka_has_no_more_is_a_gap_each_time(tmp_path: Path) -> None:
    for gone in (range(40, 50), range(10, 20)):
        write_gap(tmp_path, TopicPartition(TOPIC, 0), gone)
    rows = DeltaTable(tmp_path / "_gaps").to_pyarrow_table().sort_by("first").to_pylist()
    assert [(row["topic"], row["partition"], row["first"], row["last"]) for row in rows] == [
        (TOPIC, 0, 10, 19),
        (TOPIC, 0, 40, 49),
    ]


async def test_what_can_not_be_read_just_now_is_not_given_up(tmp_path: Path) -> None:
    refill = Refill(tmp_path, {place(tmp_path).path: []})
    taking = Taking(Intake(refill, FakeBundles({}).get), Rejections({(TOPIC, 0, 1): "bundle: none"}))
    await taking.take(prediction_message(1))  # it was rejected when it came
    with pytest.raises(NotMended, match=f"{TOPIC}/0, offset 2"):
        await taking.take(prediction_message(2))


async def test_what_is_put_back_is_not_matched(tmp_path: Path) -> None:
    way_in = Intake(Refill(tmp_path, {place(tmp_path).path: []}), BUNDLES.get)
    await Taking(way_in, Rejections()).take(prediction_message(0))
    assert way_in._outcomes.rows == 0
