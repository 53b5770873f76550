"""The handler: what is readable is logged, what is not is written down with its reason, and both only once."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced
from services.feature_logging.stream.intake import Intake
from shared.batch import encode_batch
from shared.errors import Unreadable
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.schema import REJECTED, rejected_path
from shared.kafka.dead_letters import Letter, dead_letter
from shared.kafka.message import InMessage
from shared.kafka.replays import replay
from tests.unit.feature_logging.samples import (
    DIGEST,
    LOGGED_MS,
    MODEL,
    START,
    TOPIC,
    FakeBundles,
    batch,
    definition,
    feature_log,
    label_message,
    message,
    place,
    prediction_message,
    rows_of,
)

KNOWN = FakeBundles({DIGEST: definition()})
POISON = [
    b"",
    b"not arrow",
    prediction_message(0, digest="e" * 64).value,
    prediction_message(0, model="../../etc").value,
    prediction_message(0, model="wine").value,
    None,
]


class Consumer:
    """Drives an intake as the consume loop does, and keeps the dead-letters."""

    def __init__(self, log: FeatureLog, bundles: FakeBundles = KNOWN) -> None:
        self.log = log
        self.intake = Intake(log, bundles.get)
        self.dead: list[tuple[int, str]] = []

    async def read(self, *messages: InMessage) -> None:
        for each in messages:
            try:
                await self.intake.handle(each)
            except Unreadable as error:
                self.dead.append((each.offset, str(error)))
                await self.intake.reject(each, str(error))


async def test_the_offsets_of_good_and_bad_messages_leave_no_gap(tmp_path: Path) -> None:
    consumer = Consumer(feature_log(tmp_path))
    stream = [message(bad, offset) for offset, bad in enumerate(POISON)]
    stream += [prediction_message(offset) for offset in range(len(POISON), len(POISON) + 4)]
    await consumer.read(*stream, label_message(0), label_message(1, model="wine"))
    await consumer.intake.flush()
    assert [offset for offset, _ in consumer.dead] == list(range(len(POISON)))
    report = completeness(open_log(tmp_path))
    assert report.complete
    labels, predictions = report.partitions
    assert (labels.messages, labels.rows, labels.next_offset) == (2, 4, 2)
    assert (predictions.messages, predictions.rejected, predictions.rows) == (10, 6, 12)
    assert (predictions.first_offset, predictions.next_offset) == (0, 10)
    rejected = rows_of(Place(rejected_path(tmp_path), REJECTED)).to_pylist()
    assert {row["offset"]: row["reason"] for row in rejected} == dict(consumer.dead)


async def test_no_folder_is_made_for_a_model_whose_bundle_is_unknown(tmp_path: Path) -> None:
    consumer = Consumer(feature_log(tmp_path))
    await consumer.read(prediction_message(0, model="wine", digest="e" * 64))
    await consumer.intake.flush()
    assert os.listdir(tmp_path) == ["_rejected"]


async def test_a_stream_read_again_changes_nothing(tmp_path: Path) -> None:
    stream = [prediction_message(0), message(b"bad", 1), label_message(0), prediction_message(2)]
    for _ in range(2):
        consumer = Consumer(feature_log(tmp_path))
        await consumer.read(*stream)
        await consumer.intake.flush()
    report = completeness(open_log(tmp_path))
    assert (report.complete, [part.rows for part in report.partitions]) == (True, [2, 6])


async def test_a_message_that_was_rejected_stays_rejected_though_it_could_now_be_read(tmp_path: Path) -> None:
    first = Consumer(feature_log(tmp_path), FakeBundles({}))
    await first.read(prediction_message(0), prediction_message(1))
    await first.intake.flush()
    second = Consumer(feature_log(tmp_path))
    await second.read(prediction_message(0), prediction_message(1), prediction_message(2))
    await second.intake.flush()
    assert second.dead == first.dead  # the dead-letter may not have been sent before the crash
    report = completeness(open_log(tmp_path)).partitions[0]
    assert (report.complete, report.messages, report.rejected, report.rows) == (True, 3, 2, 3)


async def test_a_replay_for_another_service_is_stepped_over_and_leaves_no_gap(tmp_path: Path) -> None:
    def again(offset: int, *services: str) -> InMessage:
        letter = Letter(TOPIC, 0, 0, "why", services[0], 1, None, (), True, prediction_message(0).value or b"")
        out = replay(letter, ["0/1"], services)
        return InMessage(out.topic, 0, offset, out.key, out.value, out.headers, LOGGED_MS)

    consumer = Consumer(feature_log(tmp_path), FakeBundles({}))
    await consumer.read(prediction_message(0))
    await consumer.intake.flush()
    for _ in range(2):
        consumer = Consumer(feature_log(tmp_path))
        await consumer.read(again(1, "drift_detection"), again(2, "drift_detection", "feature_logging"))
        await consumer.intake.flush()
        assert consumer.dead == []
    (report,) = completeness(open_log(tmp_path)).partitions
    assert (report.complete, report.messages, report.rejected, report.rows) == (True, 3, 2, 3)


async def test_a_reason_that_is_long_and_no_text_is_kept_as_in_the_dead_letter(tmp_path: Path) -> None:
    consumer = Consumer(feature_log(tmp_path))
    reason = "\udfff" + "r" * 5_000
    await consumer.intake.reject(message(b"", 0), reason)
    await consumer.intake.flush()
    (row,) = rows_of(Place(rejected_path(tmp_path), REJECTED)).to_pylist()
    letter = dead_letter(message(b"", 0), reason, "feature_logging")
    assert row["reason"].encode() == dict(letter.headers)["driftline-reason"]


async def test_labels_from_the_future_are_rejected_with_their_message_and_time(tmp_path: Path) -> None:
    consumer = Consumer(feature_log(tmp_path))
    now = START + timedelta(days=1, microseconds=123_000)  # when the broker appended them
    in_time = label_message(0, first=now + timedelta(minutes=5 - 60))
    await consumer.read(in_time, label_message(1, first=now + timedelta(minutes=5 - 60, microseconds=1)))
    await consumer.intake.flush()
    ((offset, reason),) = consumer.dead
    assert (offset, "labels[1].event_time: 2013-03-02T00:05:00.123001Z lies in the future" in reason) == (1, True)
    report = completeness(open_log(tmp_path)).partitions[0]
    assert (report.complete, report.messages, report.rejected, report.rows) == (True, 2, 1, 2)


async def test_another_event_on_the_topic_of_labels_is_unreadable(tmp_path: Path) -> None:
    consumer = Consumer(feature_log(tmp_path))
    good = label_message(0)
    headers = tuple((name, b"ModelPromoted" if name == "ce_type" else value) for name, value in good.headers)
    await consumer.read(InMessage(good.topic, 0, 0, good.key, good.value, headers, good.timestamp_ms))
    assert consumer.dead[0][1].startswith("ModelPromoted")


async def test_after_partitions_came_the_commits_of_others_are_seen(tmp_path: Path) -> None:
    ours, theirs = Consumer(feature_log(tmp_path)), Consumer(feature_log(tmp_path))
    await ours.read(prediction_message(0))
    await ours.intake.flush()
    await theirs.read(prediction_message(0), prediction_message(1))
    await theirs.intake.flush()
    await ours.intake.assigned({}, {})
    await ours.read(prediction_message(1), prediction_message(2))
    await ours.intake.flush()
    assert completeness(open_log(tmp_path)).complete


async def test_partitions_that_come_while_rows_wait_do_not_hide_a_fence(tmp_path: Path) -> None:
    ours, theirs = Consumer(feature_log(tmp_path)), Consumer(feature_log(tmp_path))
    await ours.read(prediction_message(0))
    await theirs.read(prediction_message(0))
    await theirs.intake.flush()
    await ours.intake.assigned({}, {})
    await ours.read(prediction_message(1))
    with pytest.raises(Fenced):
        await ours.intake.flush()
    assert len(rows_of(place(tmp_path, model=MODEL))) == 3


async def test_messages_that_take_much_memory_are_committed_before_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer(feature_log(tmp_path))
    long = encode_batch(replace(batch(1), entity=["x" * 100_000]))
    monkeypatch.setattr("services.feature_logging.store.log.BYTES_PER_COMMIT", 3 * len(long))
    await consumer.read(message(long, 0), message(long, 1))
    assert consumer.log.waiting == 2
    await consumer.read(message(long, 2), message(long, 3))
    assert (consumer.log.waiting, len(rows_of(place(tmp_path)))) == (1, 3)


async def test_a_rejected_message_is_not_taken_for_logged_after_a_crash_between_commits(tmp_path: Path) -> None:
    """Its bundle is there when it is read again, but the table has gone past it."""
    unknown = prediction_message(1, digest="e" * 64)
    log = feature_log(tmp_path)
    consumer, order = Consumer(log), list[str]()
    await consumer.read(prediction_message(0), unknown, prediction_message(2))
    commit = log._commit_table

    def noted(path: Path) -> None:
        order.append(path.name)
        commit(path)

    log._commit_table = noted  # type: ignore[method-assign]
    await log.commit()
    assert order == ["_rejected", "predictions"]
