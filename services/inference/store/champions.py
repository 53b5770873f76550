"""Which bundles serve, for a process that serves nothing itself."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from services.inference.settings import InferenceSettings
from services.inference.store.deployments import KeptDeployments
from shared.deployments import DeploymentFeed, Newest
from shared.errors import InvalidInput
from shared.events import DeploymentChanged
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Trust

_SERVICE = "inference"


class Champions:
    """The deployments of the highest revision: those kept on this disk, and what the topic says."""

    def __init__(self, settings: InferenceSettings) -> None:
        trust = Trust(settings.trust)
        self._bootstrap = settings.kafka_bootstrap
        self._newest = Newest()
        for event in KeptDeployments(settings.kept).read(trust):
            self._newest.take(event)
        self._feed = DeploymentFeed(trust, _SERVICE, self._deployed, _left)

    @property
    def digests(self) -> Mapping[str, str]:
        """The champion's bundle by model."""
        return {event.model: event.champion for event in self._newest.all()}

    async def run(self) -> None:
        """Follow the topic, for ever."""
        await self._feed.run(self._bootstrap)

    async def caught_up(self, seconds: float = 10) -> bool:
        """Read the topic once to its end, for at most `seconds`; whether that was reached."""
        following = asyncio.create_task(self.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._feed.caught_up.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return self._feed.caught_up.is_set()

    def digest(self, model: str) -> str:
        """The champion of a model; raises InvalidInput if none is known."""
        found = self._newest.get(model)
        if found is None:
            raise InvalidInput("model", f"the name of a model that is deployed, or a bundle's digest, not {model!r}")
        return found.champion

    async def _deployed(self, event: DeploymentChanged, _: InMessage) -> None:
        self._newest.take(event)


async def _left(_: list[OutMessage]) -> None:
    """The service itself buries what is none: here it is passed over."""
