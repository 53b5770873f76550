"""What governance says shall serve, made to serve: signed events only, never back to an older revision."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from prometheus_client import Counter, Gauge
from structlog import get_logger

from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from shared.cloudevents import verified
from shared.errors import InvalidInput, Unreadable
from shared.events import DeploymentChanged
from shared.http import Health
from shared.kafka.message import InMessage
from shared.signing import Trust

log = get_logger()

LOADS = Counter("driftline_model_loads_total", "Bundles loaded or refused", ["model", "outcome"])
REVISION = Gauge("driftline_model_revision", "Revision of the deployment that serves", ["model"])
FORGED = Counter("driftline_deployments_refused_total", "Deployment messages that were not governance's")

# Bundle digest → a model that is ready to answer; blocks, and raises what is wrong with the bundle.
Load = Callable[[str], LoadedModel]


class Deployments:
    """`wanted` is the highest revision seen per model; `run` loads it and publishes it in the catalogue."""

    def __init__(self, trust: Trust, catalogue: Catalogue, load: Load, health: Health) -> None:
        self.caught_up = asyncio.Event()
        self._trust = trust
        self._catalogue = catalogue
        self._load = load
        self._health = health
        self._wanted: dict[str, DeploymentChanged] = {}
        self._tried: dict[str, int] = {}
        self._changed = asyncio.Event()

    async def on_message(self, message: InMessage, bury: Callable[[InMessage, str], Awaitable[None]]) -> None:
        """Take note of a deployment; what governance did not sign is buried and changes nothing."""
        try:
            event = verified(message, self._trust, "governance")
            if not isinstance(event, DeploymentChanged):
                raise Unreadable(f"ce_type: {event.type} is no deployment")
        except Unreadable as error:
            FORGED.inc()
            log.warning("deployment refused", offset=message.offset, why=str(error))
            await bury(message, str(error))
            return
        known = self._wanted.get(event.model)
        if known is None or event.revision > known.revision:
            self._wanted[event.model] = event
            self._changed.set()

    async def run(self) -> None:
        """Once caught up, load what is wanted, for ever; ready after the first round."""
        await self.caught_up.wait()
        while True:
            self._changed.clear()
            for event in list(self._wanted.values()):
                if self._tried.get(event.model, 0) < event.revision:
                    self._tried[event.model] = event.revision
                    await self._apply(event)
            if not self._changed.is_set():
                self._health.ready()
            await self._changed.wait()

    async def _apply(self, event: DeploymentChanged) -> None:
        try:
            model = await self._loaded(event)
        except Exception as error:  # noqa: BLE001  # the loop's edge: a hostile bundle disturbs nobody
            self._refuse(event, str(error))
            return
        LOADS.labels(event.model, "loaded").inc()
        REVISION.labels(event.model).set(event.revision)
        self._health.note(event.model, None)
        self._catalogue.publish(Served(model, "champion", event.revision))
        log.info("model serves", model=event.model, revision=event.revision, digest=event.champion)

    def _refuse(self, event: DeploymentChanged, why: str) -> None:
        LOADS.labels(event.model, "refused").inc()
        self._health.note(event.model, f"revision {event.revision}, bundle {event.champion}: {why}")
        log.error("model refused", model=event.model, revision=event.revision, digest=event.champion, why=why)

    async def _loaded(self, event: DeploymentChanged) -> LoadedModel:
        serving = self._catalogue.find(event.model)
        if serving is not None and serving.model.digest == event.champion:
            return serving.model
        model = await asyncio.to_thread(partial(self._load, event.champion))
        if model.name != event.model:
            raise InvalidInput("definition.name", f"{event.model!r}, as the deployment says, not {model.name!r}")
        return model
