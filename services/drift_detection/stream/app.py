"""The Faust app: an agent and a table for each topic: the predictions, the outcomes, the partials."""

import asyncio
from typing import Any

import faust
from aiokafka.errors import KafkaError
from mode.supervisors import CrashingSupervisor
from structlog import get_logger

from services.drift_detection.settings import Settings
from services.drift_detection.store.table import MOST_BYTES, add_table
from services.drift_detection.stream.holding import TOPICS, Tables
from services.drift_detection.stream.transport import use_careful_transport
from services.drift_detection.stream.worker import SESSION_SECONDS, Worker
from shared.kafka.admin import count_partitions

log = get_logger()
APP_ID = "driftline.drift_detection"  # names the consumer group and the changelogs of the tables


def build(settings: Settings, worker: Worker, sources: int, outcomes: int, homes: int) -> faust.App:
    """An app that feeds the predictions, the outcomes and the partials, topics of so many partitions, to the worker and
    keeps its state.

    At least once, never exactly_once: offsets lie in the state, so that a message is applied once whatever is read
    again.
    """
    app = _app(settings)
    use_careful_transport(app)
    for topic, partitions in zip(TOPICS, (sources, outcomes, homes), strict=True):
        _take(app, worker, topic, partitions)
    tables = Tables(
        add_table(app, "sources", sources, "Partial sketches, clocks and offset of each source partition."),
        add_table(app, "outcomes", outcomes, "How far the labels of each partition of the outcomes were told."),
        add_table(app, "models", homes, "What all source partitions told of each model; its windows, incidents."),
    )
    _follow_assignments(app, worker, tables)
    return app


def _app(settings: Settings) -> faust.App:
    """One that reads and keeps nothing yet. Faust's windows and its own web server are not used."""
    return faust.App(
        APP_ID,
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        datadir=str(settings.data),
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance,
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=2.0,
        producer_acks=-1,
        producer_max_request_size=MOST_BYTES,
        table_standby_replicas=0,
        stream_buffer_maxsize=512,
        stream_wait_empty=False,  # else a rebalance waits for offsets that only a cycle releases, and that for it
        agent_supervisor=CrashingSupervisor,
    )


def _take(app: faust.App, worker: Worker, name: str, partitions: int) -> None:
    topic = app.topic(
        name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=partitions,
    )

    @app.agent(topic, name=name, supervisor_strategy=CrashingSupervisor)
    async def take(stream: faust.StreamT[bytes]) -> None:
        await worker.take(name, stream)


def _follow_assignments(app: faust.App, worker: Worker, tables: Tables) -> None:
    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        await worker.revoked()

    @tables.models.on_recover  # called when all tables are restored
    async def restore() -> None:
        # Faust drops what this raises: it has to be told
        try:
            await worker.restore(app, tables)
        except Exception as error:  # noqa: BLE001  # whatever it is, working on would lose rows
            await app.crash(error)


async def _partitions(bootstrap: str, topic: str) -> int:
    """How many partitions a topic has; waits until there is a broker and the topic."""
    while True:
        try:
            if count := await count_partitions(bootstrap, topic):
                return count
            log.info("waiting for a topic", topic=topic)
        except KafkaError as error:
            log.warning("waiting for the broker", error=str(error))
        await asyncio.sleep(1)


async def run(worker: Worker, settings: Settings) -> None:
    """Run an app until cancelled.

    Raises:
        Exception: what crashed it.
    """
    counts = [await _partitions(settings.kafka_bootstrap, topic) for topic in TOPICS]
    app = build(settings, worker, *counts)
    tasks = [asyncio.create_task(coroutine) for coroutine in (worker.work(app, settings.cycle_seconds), worker.beat())]
    try:
        await app.start()
        stopped = asyncio.create_task(app.wait_until_stopped())
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise app.crash_reason or RuntimeError("the stream ended by itself")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await app.stop()
