"""What producers say of their messages is held against the log: what never came is named, and nothing else is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.feature_logging.stream.intake import Intake
from shared.errors import Unreadable
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.producers import ProducerReport
from shared.feature_log.proof.restated import Restated
from shared.feature_log.proof.verify import verify
from shared.kafka.message import InMessage
from tests.unit.feature_logging.samples import (
    DIGEST,
    TOPIC,
    FakeBundles,
    definition,
    feature_log,
    prediction_message,
)

ASSIGNED = {(TOPIC, number): 0 for number in range(3)}
READ = dict.fromkeys(ASSIGNED, 99)


def sent(sequence: int, producer: str = "one", offset: int | None = None, **meta: object) -> InMessage:
    """Message `sequence` of a producer, of 3 rows; they go round three partitions."""
    told: dict[str, Any] = {"producer": producer, "sequence": sequence, "rows_so_far": 3 * (sequence + 1)} | meta
    return prediction_message(sequence // 3 if offset is None else offset, sequence % 3, **told)


async def logged(tables: Path, *messages: InMessage) -> None:
    """These are flushed, and half of them in the chain."""
    worker = Intake(feature_log(tables), FakeBundles({DIGEST: definition()}).get)
    await worker.assigned(ASSIGNED, READ)
    for number, each in enumerate(messages):
        try:
            await worker.handle(each)
        except Unreadable as error:
            await worker.reject(each, str(error))
        if number == len(messages) // 2:
            await worker.flush()
            await worker.assigned(ASSIGNED, READ)
    await worker.flush()


def reports(tables: Path) -> dict[str, ProducerReport]:
    """By name, recomputed; what the chain alone tells is the same but for the holes' places."""
    log = open_log(tables)
    short = completeness(log)
    exact = verify(log, short, [], Restated())
    assert [replace_holes(each) for each in exact.report.producers] == list(short.producers)
    assert exact.complete == (not any(each.missing_messages for each in exact.report.producers))
    return {each.producer: each for each in exact.report.producers}


def replace_holes(exact: ProducerReport) -> ProducerReport:
    return exact.model_copy(update={"holes": ()})


async def test_messages_over_all_partitions_are_one_sequence(tmp_path: Path) -> None:
    await logged(tmp_path, *(sent(number) for number in (1, 4, 0, 2, 5, 3)))
    found = reports(tmp_path)["one"]
    assert (found.messages, found.rows, found.last_sequence) == (6, 18, 5)
    assert (found.missing_messages, found.missing_rows, found.repeated_messages) == (0, 0, 0)


async def test_a_hole_says_whose_messages_are_missing_and_how_many_rows(tmp_path: Path) -> None:
    offsets = {0: 0, 1: 0, 2: 0, 3: 1, 6: 2, 8: 1}
    await logged(tmp_path, *(sent(number, offset=offset) for number, offset in offsets.items()))
    found = reports(tmp_path)["one"]
    assert (found.missing_messages, found.missing_rows) == (3, 9)
    assert found.holes == ("messages 4 to 5 with 6 rows", "messages 7 to 7 with 3 rows")


async def test_a_producer_that_begins_anew_with_another_name_leaves_no_hole(tmp_path: Path) -> None:
    await logged(tmp_path, sent(0), sent(1), sent(0, "two", offset=1), sent(1, "two", offset=1))
    assert [(each.producer, each.missing_rows) for each in reports(tmp_path).values()] == [("one", 0), ("two", 0)]


async def test_a_message_that_was_sent_again_is_no_hole_and_is_counted(tmp_path: Path) -> None:
    await logged(tmp_path, sent(0), sent(1), sent(2), sent(0, offset=1))
    log = open_log(tmp_path)
    found = verify(log, completeness(log), [], Restated())
    (producer,) = found.report.producers
    assert (producer.repeated_messages, producer.missing_messages, found.complete) == (1, 0, True)


async def test_a_message_that_was_rejected_did_come(tmp_path: Path) -> None:
    await logged(tmp_path, sent(0), sent(1, digest="e" * 64), sent(2))
    found = reports(tmp_path)["one"]
    assert (found.missing_messages, found.missing_rows, found.last_sequence) == (0, 0, 2)


async def test_a_message_that_was_rejected_and_replayed_is_counted_once(tmp_path: Path) -> None:
    bad = sent(1)
    rejecting = Intake(feature_log(tmp_path), FakeBundles({}).get)
    await rejecting.reject(bad, "bundle: there is none")
    await rejecting.flush()
    headers = (("driftline-replay-of", b"0/1"), ("driftline-replay-for", b"feature_logging"))
    await logged(tmp_path, sent(0), replace(bad, offset=1, headers=headers), sent(2))
    found = reports(tmp_path)["one"]
    assert (found.messages, found.rows, found.repeated_messages, found.missing_messages) == (3, 9, 0, 0)
    assert completeness(open_log(tmp_path)).partitions[1].rows == 3
    twice = replace(bad, offset=2, headers=headers)
    await rejecting.reject(twice, "still none")
    await rejecting.flush()
    assert completeness(open_log(tmp_path)).producers[0].messages == 3


async def test_a_running_count_that_does_not_follow_is_said(tmp_path: Path) -> None:
    await logged(tmp_path, sent(0), sent(1, rows_so_far=10), sent(2, rows_so_far=13))
    log = open_log(tmp_path)
    found = verify(log, completeness(log), [], Restated())
    assert not found.complete
    assert "message 1: its running count" in found.report.producers[0].holes[0]


@pytest.mark.parametrize("lost", [0, 3])
async def test_rows_of_the_first_messages_are_missed_as_others_are(tmp_path: Path, lost: int) -> None:
    await logged(tmp_path, *(sent(number) for number in range(6) if number != lost))
    assert reports(tmp_path)["one"].holes == (f"messages {lost} to {lost} with 3 rows",)
