"""The follower of deployments: only what governance signed counts."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError
from structlog import get_logger

from shared.cloudevents import verified
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.kafka.admin import DEPLOYMENTS
from shared.kafka.dead_letters import dead_letter
from shared.kafka.follow import follow
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Trust

log = get_logger()
SERVICE = "drift_detection"


class Deployments:
    """Hands each signed `DeploymentChanged` on; what is none goes to the dead-letters."""

    def __init__(
        self,
        trust: Trust,
        deployed: Callable[[DeploymentChanged], Awaitable[None]],
        bury: Callable[[list[OutMessage]], Awaitable[None]],
    ) -> None:
        self.caught_up = asyncio.Event()
        self._trust = trust
        self._deployed = deployed
        self._bury = bury

    async def take(self, message: InMessage) -> None:
        """Handle one message of the topic."""
        if message.value is None:  # compaction's mark that a key is gone
            return
        try:
            event = verified(message, self._trust, "governance")
        except Unreadable as error:
            log.warning("dead letter", topic=message.topic, offset=message.offset, why=str(error))
            await self._bury([dead_letter(message, str(error), SERVICE)])
            return
        if isinstance(event, DeploymentChanged):
            await self._deployed(event)

    async def run(self, bootstrap: str) -> None:
        """Follow the topic from its beginning, for ever."""
        while True:
            try:
                await follow(bootstrap, [DEPLOYMENTS], self.take, self.caught_up, SERVICE)
            except KafkaError as error:
                log.warning("deployments can't be read, trying again", error=str(error))
                await asyncio.sleep(1)
