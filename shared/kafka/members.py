"""Which partitions the members of a consumer group read, and whether there are some that nobody does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from structlog import get_logger

from shared.kafka.group import ConsumerConfig, told

log = get_logger()
LOOK_SECONDS = 20.0
_STABLE = "Stable"


class Unread:
    """Whether there are partitions that nobody in the group reads, which joining it anew mends.

    A member that came back under its `instance` gets its partitions without their being shared out again, and then none
    of aiokafka's members looks out for new ones.
    """

    found = False

    @asynccontextmanager
    async def looked_for(
        self, config: ConsumerConfig, places: Callable[[], Collection[TopicPartition]]
    ) -> AsyncIterator[None]:
        """Now and then while the body runs, among the partitions that there are then."""
        task = asyncio.create_task(self._look(config, places))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self, config: ConsumerConfig, places: Callable[[], Collection[TopicPartition]]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                unread = await read_by_nobody(config.bootstrap, config.group, places())
            except Exception as error:  # noqa: BLE001  # whatever it is, it is looked again
                log.warning("can't see who reads what", error=told(error))
                continue
            if unread:
                log.info("nobody reads these partitions; joining the group anew", partitions=sorted(unread))
                self.found = True


async def read_by_nobody(bootstrap: str, group: str, places: Collection[TopicPartition]) -> set[TopicPartition]:
    """Those of the partitions that no member of a group has; none while its members share them out.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=group)
    try:
        await admin.start()
        answers: list[Any] = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    ((_, _, state, _, _, members, *_),) = answers[0].groups
    if state != _STABLE:
        return set()
    held = [
        ConsumerProtocolMemberAssignment.decode(assignment).partitions() for *_, assignment in members if assignment
    ]
    return set(places).difference(*held)
