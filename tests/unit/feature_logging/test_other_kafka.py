"""Tables that are of another Kafka, or ahead of theirs, are not written to: its messages would be skipped as known."""

from pathlib import Path

import pytest

from services.feature_logging.store.upstream import OtherKafka
from services.feature_logging.stream.consume import check_cluster, check_offsets
from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from tests.unit.feature_logging.samples import DIGEST, TOPIC, FakeBundles, definition, feature_log, prediction_message


async def test_a_kafka_that_ends_before_the_tables_is_refused(tmp_path: Path) -> None:
    intake = Intake(feature_log(tmp_path), FakeBundles({DIGEST: definition()}).get)
    await intake.handle(prediction_message(4))
    await intake.flush()
    held = {(TOPIC, partition): open_log(tmp_path).next_offset((TOPIC, partition)) for partition in (0, 1)}
    check_offsets(held, {(TOPIC, 0): 5, (TOPIC, 1): 0})
    with pytest.raises(OtherKafka, match=r"the tables hold driftline\.predictions/0 up to offset 5"):
        check_offsets(held, {(TOPIC, 0): 4, (TOPIC, 1): 0})


def test_another_kafka_is_refused_wherever_it_ends_until_that_is_said_to_be_meant(tmp_path: Path) -> None:
    tables = tmp_path / "tables"  # which are not there yet
    for _ in range(2):
        check_cluster(tables, "one")
    file = tables / "_kafka" / "cluster"
    with pytest.raises(OtherKafka, match=f"Kafka cluster one, this one is two: .* remove {file}"):
        check_cluster(tables, "two")
    file.unlink()
    check_cluster(tables, "two")
    assert [each.name for each in file.parent.iterdir()] == ["cluster"]
    assert completeness(open_log(tables)).complete


async def test_a_partition_that_begins_again_is_another_and_none_of_it_is_passed_over(tmp_path: Path) -> None:
    log = feature_log(tmp_path)
    intake = Intake(log, FakeBundles({DIGEST: definition()}).get)
    await intake.assigned({(TOPIC, 0): 0}, {})
    for offset in (0, 1, 1, 2):  # the same once more: as what can't be read is, when it is rejected
        await intake.handle(prediction_message(offset))
    with pytest.raises(OtherKafka, match=r"driftline\.predictions/0 gives offset 1 after 2: the topic was made anew"):
        await intake.handle(prediction_message(1))


async def test_what_is_read_again_by_a_new_assignment_is_no_other_topic(tmp_path: Path) -> None:
    intake = Intake(feature_log(tmp_path), FakeBundles({DIGEST: definition()}).get)
    for _ in range(2):  # the second while what came waits to be written
        await intake.assigned({(TOPIC, 0): 0}, {})
        for offset in range(2):
            await intake.handle(prediction_message(offset))
    await intake.flush()
    intake.forget()
    await intake.handle(prediction_message(0))
