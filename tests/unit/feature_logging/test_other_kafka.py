"""Tables that are ahead of their Kafka are not written to: its messages would be skipped as known."""

from pathlib import Path

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.consume import OtherKafka, check_offsets
from services.feature_logging.stream.intake import Intake
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
