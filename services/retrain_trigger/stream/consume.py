"""The background work of the service: it hears, it runs, it says."""

import asyncio
from functools import partial

from aiokafka.errors import KafkaConnectionError
from structlog import get_logger

from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from services.retrain_trigger.stream.intake import Intake
from services.retrain_trigger.stream.labels import labelled_to
from services.retrain_trigger.stream.outbox import send_outbox
from services.retrain_trigger.stream.runner import SERVICE, Runner
from shared.http import Health
from shared.kafka.admin import DRIFT, GOVERNANCE
from shared.kafka.consumer import ConsumeLoop, ConsumerConfig
from shared.kafka.producer import Producer
from shared.signing import Trust

log = get_logger()


async def work(settings: Settings, journal: Journal, health: Health) -> None:
    """Until cancelled; `health` is ready once the topics are assigned."""
    health.not_ready("waiting for Kafka")
    champions = Champions(settings.bundles, settings.trust)
    labels = partial(labelled_to, settings.tables)
    runner = Runner(settings, journal, champions, labels)
    intake = Intake(journal, champions, labels, runner.wake, Trust(settings.trust))
    producer = Producer(settings.kafka_bootstrap, SERVICE)
    config = ConsumerConfig(settings.kafka_bootstrap, settings.retrain_group, (DRIFT, GOVERNANCE), SERVICE)
    loop = ConsumeLoop(config, producer, intake.handle)
    await _reach(producer)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(loop.run())
            group.create_task(send_outbox(journal, producer))
            group.create_task(runner.run())
            await loop.ready.wait()
            health.ready()
    finally:
        await producer.stop()


async def _reach(producer: Producer) -> None:
    """Start the producer as soon as a broker answers."""
    said = False
    while True:
        try:
            await producer.start()
        except KafkaConnectionError as error:
            if not said:
                log.warning("no Kafka broker answers; trying on", why=str(error))
                said = True
            await asyncio.sleep(1)
        else:
            return
