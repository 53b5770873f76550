"""The real service on a real Kafka: frozen, and with messages deleted, it logs exactly once what it can."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.feature_logging.models import Bundles
from services.feature_logging.settings import Settings
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upstream import OtherKafka, cluster_of, cluster_path
from services.feature_logging.stream.consume import consume
from services.feature_logging.stream.intake import Intake
from shared.feature_log.schema import REJECTED, app_id, rejected_path
from shared.http import Health
from shared.kafka.admin import LABELS, PREDICTIONS, ensure_topics
from tests.integration.feature_log_service import (
    Service,
    end_offsets,
    kafka_of_its_own,
    make_bundle,
    until_all_is_committed,
)
from tests.integration.log_stream import (
    MODELS,
    Stream,
    check_next_offsets,
    completeness,
    logged,
    paired,
    producing,
    verify,
)


async def until_all_is_handled(workers: Sequence[Service], stream: Stream) -> None:
    async with asyncio.timeout(60):
        handled = 0.0
        while handled < len(stream.sent):
            await asyncio.sleep(0.1)
            told = [await worker.metrics() for worker in workers]
            handled = sum(
                value for each in told for name, value in each.items() if name.startswith("driftline_messages_total")
            )


async def test_two_workers_that_were_frozen_beyond_their_sessions_double_nothing(tmp_path: Path) -> None:
    stream = Stream({model: make_bundle(tmp_path, model) for model in MODELS})
    # They hold rows back, so that they freeze with full buffers; one may wait for as long until the other commits.
    slow = {"DRIFTLINE_COMMIT_SECONDS": "20", "DRIFTLINE_COMMIT_ROWS": "100000"}
    async with kafka_of_its_own(tmp_path) as kafka, producing(kafka) as producer:
        frozen = [Service(tmp_path, kafka, **slow) for _ in range(2)]
        async with frozen[0].running(), frozen[1].running():
            for count in (12, 60):  # the first are committed at once, the others wait
                await stream.send(producer, count)
                await until_all_is_handled(frozen, stream)
            for each in frozen:
                each.send(signal.SIGSTOP)
            async with Service(tmp_path, kafka).running() as other:
                await until_all_is_committed(kafka)
                for each in frozen:
                    each.send(signal.SIGCONT)
                await stream.send(producer, 60)
                assert [await each.end() for each in frozen] == [0, 0]
                ends = await until_all_is_committed(kafka)
                assert await other.end() == 0
            assert any("another worker has written for our partitions" in each.said() for each in frozen)
        assert await paired(kafka) == stream.pairs
    assert logged(tmp_path / "tables") == stream.sent
    check_next_offsets(tmp_path, ends)
    assert verify(tmp_path) == []


async def test_of_more_than_is_remembered_each_label_meets_its_prediction_when_there_is_much_to_read(
    tmp_path: Path,
) -> None:
    bounds = {"DRIFTLINE_RECENT_LABELS": "400", "DRIFTLINE_RECENT_IDS": "600", "DRIFTLINE_COMMIT_ROWS": "100"}
    stream = Stream({model: make_bundle(tmp_path, model) for model in MODELS}, partitions=1)
    async with kafka_of_its_own(tmp_path) as kafka, producing(kafka) as producer:
        await stream.send(producer, 900)
        service = Service(tmp_path, kafka, DRIFTLINE_COMMIT_SECONDS="5", **bounds)
        async with service.running():
            await until_all_is_committed(kafka)
            assert await service.end() == 0
        assert await paired(kafka) == stream.pairs


async def delete_before(kafka: str, ends: dict[TopicPartition, int]) -> None:
    """Kafka deletes all messages before these offsets, as its retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=end) for place, end in ends.items()})
    finally:
        await admin.close()


@pytest.mark.parametrize("before", [30, 0])
async def test_what_kafka_deletes_while_the_service_is_stopped_is_said_to_be_lost(tmp_path: Path, before: int) -> None:
    stream = Stream({model: make_bundle(tmp_path, model) for model in MODELS})
    async with kafka_of_its_own(tmp_path) as kafka, producing(kafka) as producer:
        service = Service(tmp_path, kafka)
        async with service.running():
            await stream.send(producer, before)
            held = await until_all_is_committed(kafka)
            assert await service.end() == 0
        await stream.send(producer, 30)
        ends = await end_offsets(kafka)
        await delete_before(kafka, ends)
        async with service.running():  # that Kafka has lost something is known though no message comes
            report = (await service.get("/completeness", "viewer")).json()
            metrics = (await service.get("/metrics", "viewer")).text
            assert await service.end() == 0
    lost = {
        TopicPartition(part["topic"], part["partition"]): [(span["first"], span["last"]) for span in part["lost"]]
        for part in report["partitions"]
    }
    assert lost == {place: [(held.get(place, 0), end - 1)] for place, end in ends.items()}
    assert not report["complete"]
    gone = sum(ends[place] - held.get(place, 0) for place in ends if place.topic == PREDICTIONS)
    assert f'driftline_feature_log_lost_messages_total{{topic="{PREDICTIONS}"}} {gone}.0' in metrics
    assert completeness(tmp_path) == report


async def test_tables_of_another_kafka_are_not_written_to(tmp_path: Path, kafka: str) -> None:
    await ensure_topics(kafka)
    settings = Settings(state=tmp_path, kafka_bootstrap=kafka)
    file = cluster_path(settings.tables)
    table = LogTable(Place(rejected_path(settings.tables), REJECTED))
    waiting = Pending(REJECTED)
    waiting.add(REJECTED.empty_table(), app_id(LABELS, 2), judged=0, version=1_000_000)
    table.commit(waiting)
    with pytest.raises(OtherKafka, match=r"the tables hold driftline\.labels/2 up to offset 1000000"):
        await until_refused(settings)
    assert not file.exists()  # this Kafka is none that the tables are of
    rmtree(table.path)
    assert cluster_of(settings.tables, "elsewhere") == "elsewhere"
    with pytest.raises(OtherKafka, match=r"of the Kafka cluster elsewhere, this one is \S{22}:"):
        await until_refused(settings)


async def until_refused(settings: Settings) -> None:
    log = FeatureLog(settings.tables, Limits(1, 50), lambda _: None)
    intake = Intake(log, Bundles(settings.bundles, settings.trust).get)
    await asyncio.wait_for(consume(settings, log, intake, Health()), 60)
