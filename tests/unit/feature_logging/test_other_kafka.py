"""Tables that are of another Kafka, or ahead of theirs, are not written to: its messages would be skipped as known."""

from pathlib import Path

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.consume import OtherKafka, check_cluster, check_offsets
from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from tests.unit.feature_logging.samples import DIGEST, TOPIC, FakeBundles, definition, feature_log, prediction_message


async def test_a_kafka_that_ends_before_the_tables_is_refused(tmp_path: Path) -> None:
    intake = Intake(feature_log(tmp_path), FakeBundles({DIGEST: definition()}).get)
    await intake.handle(prediction_message(4))
    await intake.flush()
    tables = open_log(tmp_path).tables
    check_offsets(tables, {TopicPartition(TOPIC, 0): 5, TopicPartition(TOPIC, 1): 0})
    with pytest.raises(OtherKafka, match=r"flights/predictions holds driftline\.predictions/0 up to offset 5"):
        check_offsets(tables, {TopicPartition(TOPIC, 0): 4})


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
