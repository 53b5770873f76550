"""The background work of the service: it hears, and it says."""

import asyncio

from aiokafka.errors import KafkaConnectionError
from structlog import get_logger

from services.governance.store.desk import Desk
from services.governance.stream.intake import Intake
from services.governance.stream.outbox import OutboxSender
from shared.http import Health
from shared.kafka.admin import DRIFT, RETRAINING
from shared.kafka.consumer import ConsumeLoop, ConsumerConfig
from shared.kafka.producer import Producer

log = get_logger()
SERVICE = "governance"


async def work(desk: Desk, health: Health) -> None:
    """Consume and send until cancelled; `health` is ready once the topics are assigned."""
    health.not_ready("waiting for Kafka")
    bootstrap = desk.settings.kafka_bootstrap
    producer = Producer(bootstrap, SERVICE)
    config = ConsumerConfig(bootstrap, desk.settings.group, (DRIFT, RETRAINING), SERVICE)
    loop = ConsumeLoop(config, producer, Intake(desk).handle)
    await _reach(producer)
    await asyncio.to_thread(desk.registrar.announce_again)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(loop.run())
            group.create_task(OutboxSender(desk, producer).run())
            await loop.ready.wait()
            health.ready()
    finally:
        await producer.stop()


async def _reach(producer: Producer) -> None:
    """Start the producer as soon as a broker answers."""
    while True:
        try:
            await producer.start()
        except KafkaConnectionError as error:
            log.warning("no Kafka broker answers; trying on", why=str(error))
            await asyncio.sleep(1)
        else:
            return
