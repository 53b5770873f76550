"""What serves now, as governance says it on `driftline.deployments`."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import Counter
from structlog import get_logger

from shared.cloudevents import verified
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.kafka.admin import DEPLOYMENTS
from shared.kafka.dead_letters import dead_letter
from shared.kafka.follow import keep_following
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Trust

log = get_logger()

REFUSED = Counter("driftline_deployments_refused_total", "Messages on the topic that were not governance's")

Deployed = Callable[[DeploymentChanged, InMessage], Awaitable[None]]
Bury = Callable[[list[OutMessage]], Awaitable[None]]


def deployment(message: InMessage, trust: Trust) -> DeploymentChanged:
    """The deployment in a message; raises Unreadable for anything that governance did not sign as one."""
    event = verified(message, trust, "governance")
    if not isinstance(event, DeploymentChanged):
        raise Unreadable(f"ce_type: {event.type} is no deployment")
    return event


class Newest:
    """The deployment of the highest revision, by model: an older one never takes its place."""

    def __init__(self) -> None:
        self._events: dict[str, DeploymentChanged] = {}

    def take(self, event: DeploymentChanged) -> bool:
        """Whether it is news."""
        known = self._events.get(event.model)
        if known is not None and event.revision <= known.revision:
            return False
        self._events[event.model] = event
        return True

    def get(self, model: str) -> DeploymentChanged | None:
        """That of a model, if there is one."""
        return self._events.get(model)

    def all(self) -> list[DeploymentChanged]:
        """That of each model."""
        return list(self._events.values())


class DeploymentFeed:
    """Hands on each deployment with its message; what is none goes to the dead-letters, and changes nothing.

    `service` names the reader. `caught_up` is set once the topic's end was reached.
    """

    def __init__(self, trust: Trust, service: str, deployed: Deployed, bury: Bury) -> None:
        self.caught_up = asyncio.Event()
        self._trust = trust
        self._service = service
        self._deployed = deployed
        self._bury = bury

    async def take(self, message: InMessage) -> None:
        """Handle one message of the topic."""
        if message.value is None and message.key is not None:  # compaction's mark that a key is gone
            return
        try:
            event = deployment(message, self._trust)
        except Unreadable as error:
            REFUSED.inc()
            log.warning("deployment refused", offset=message.offset, why=str(error))
            await self._bury([dead_letter(message, str(error), self._service)])
            return
        await self._deployed(event, message)

    async def run(self, bootstrap: str) -> None:
        """Follow the topic from its beginning, for ever."""
        await keep_following(bootstrap, DEPLOYMENTS, self.take, self.caught_up, self._service)
