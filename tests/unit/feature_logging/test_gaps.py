"""What Kafka deleted before it was read is written down, once, and the log is then not complete."""

from pathlib import Path

import pytest

from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.reports import PartitionReport
from tests.unit.feature_logging.samples import (
    TOPIC,
    intake,
    message,
    prediction_message,
)


def report(tables: Path) -> PartitionReport:
    (found,) = completeness(open_log(tables)).partitions
    return found


def lost(tables: Path) -> list[tuple[int, int]]:
    return [(span.first, span.last) for span in report(tables).lost]


async def logged(tables: Path, *offsets: int) -> Intake:
    """A log with these messages, and the worker that took them."""
    worker = intake(tables)
    await worker.assigned({(TOPIC, 0): 0}, {})
    for offset in offsets:
        await worker.handle(prediction_message(offset))
    await worker.flush()
    return worker


async def test_what_was_deleted_while_nobody_read_is_known_before_any_message_comes(tmp_path: Path) -> None:
    await logged(tmp_path, 0, 1)
    for _ in range(2):  # and not again at the next start
        await intake(tmp_path).assigned({(TOPIC, 0): 7}, {})
        assert lost(tmp_path) == [(2, 6)]
    assert (report(tmp_path).complete, report(tmp_path).next_offset) == (False, 7)
    assert not completeness(open_log(tmp_path)).complete


async def test_a_partition_that_its_topic_got_later_begins_at_0(tmp_path: Path) -> None:
    await logged(tmp_path, 0)
    await intake(tmp_path).assigned({(TOPIC, 0): 0, (TOPIC, 1): 4}, {})
    _, later = completeness(open_log(tmp_path)).partitions
    assert (later.partition, [(span.first, span.last) for span in later.lost]) == (1, [(0, 3)])


async def test_what_is_deleted_in_front_of_a_slow_reader_is_known_by_the_next_message(tmp_path: Path) -> None:
    worker = await logged(tmp_path, 0, 1)
    await worker.handle(prediction_message(5))
    await worker.handle(prediction_message(6))
    await worker.reject(message(b"", 7), "empty")
    await worker.flush()
    assert lost(tmp_path) == [(2, 4)]
    assert [(gap.first, gap.last) for gap in report(tmp_path).gaps] == [(2, 4)]


async def test_messages_that_are_read_again_are_no_gap(tmp_path: Path) -> None:
    await logged(tmp_path, 0, 1, 2)
    again = intake(tmp_path)
    await again.assigned({(TOPIC, 0): 1}, {})
    for offset in (1, 2, 3):
        await again.handle(prediction_message(offset))
    await again.flush()
    assert report(tmp_path).complete


async def test_a_log_may_begin_anywhere(tmp_path: Path) -> None:
    worker = intake(tmp_path)
    await worker.assigned({(TOPIC, 0): 40}, {})
    await worker.handle(prediction_message(40))
    await worker.flush()
    assert (report(tmp_path).complete, report(tmp_path).first_offset) == (True, 40)


@pytest.mark.parametrize("restarted", [False, True])
async def test_where_it_began_is_known_before_any_message_of_it_is(tmp_path: Path, restarted: bool) -> None:
    worker = intake(tmp_path)
    await worker.assigned({(TOPIC, 0): 40}, {})
    if restarted:  # by when Kafka has deleted all that came
        worker = intake(tmp_path)
        await worker.assigned({(TOPIC, 0): 45}, {})
        assert (lost(tmp_path), report(tmp_path).complete) == ([(40, 44)], False)
    await worker.handle(prediction_message(45))
    await worker.flush()
    assert (lost(tmp_path), report(tmp_path).first_offset) == ([(40, 44)], 45)
    assert (report(tmp_path).complete, report(tmp_path).problems) == (False, ())
