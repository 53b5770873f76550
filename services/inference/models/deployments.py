"""What governance says shall serve, made to serve, and never back to an older revision."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from prometheus_client import Counter, Gauge
from structlog import get_logger

from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from shared.errors import InvalidInput
from shared.events import DeploymentChanged
from shared.http import Health

log = get_logger()

LOADS = Counter("driftline_model_loads_total", "Bundles loaded or refused", ["model", "outcome"])
REVISION = Gauge("driftline_model_revision", "Revision of the deployment that serves", ["model"])

_LONGEST_PAUSE = 300.0  # seconds
_PATIENCES = 5

# Bundle digest → a model that is ready to answer; blocks, and raises what is wrong with the bundle.
Load = Callable[[str], LoadedModel]


class Deployments:
    """`take` notes the highest revision per model; `run` loads it and publishes it in the catalogue.

    A bundle that was refused is tried again after `patience` seconds, then twice as long and so on: it may only not
    have arrived yet. What was taken before `run` serves, if no broker answers, after five times that. The service is
    ready when of each model that is deployed something serves, be it an older revision than the one wanted.
    """

    def __init__(self, catalogue: Catalogue, load: Load, health: Health, *, patience: float = 2) -> None:
        self._catalogue = catalogue
        self._load = load
        self._health = health
        self._patience = patience
        self._wanted: dict[str, DeploymentChanged] = {}
        self._applied: dict[str, int] = {}
        self._changed = asyncio.Event()

    def take(self, event: DeploymentChanged) -> bool:
        """Take note of a deployment; whether it is news."""
        known = self._wanted.get(event.model)
        if known is not None and event.revision <= known.revision:
            return False
        self._wanted[event.model] = event
        self._catalogue.awaits(event.model, "it is being loaded")
        self._changed.set()
        return True

    async def run(self, caught_up: asyncio.Event) -> None:
        """Once caught up, load what is wanted, for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCES * self._patience if self._wanted else None):
                await caught_up.wait()
        pause = self._patience
        while True:
            self._changed.clear()
            refused = await self._load_wanted()
            if not self._changed.is_set():
                self._tell_health()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause if refused else None):
                    await self._changed.wait()
            pause = min(2 * pause, _LONGEST_PAUSE) if refused else self._patience

    def _tell_health(self) -> None:
        """Ready once every deployed model serves, and from then on: a new one that is refused must not take the others'
        traffic away.
        """
        missing = ", ".join(self._catalogue.missing())
        if not missing:
            self._health.ready()
        elif self._health.reason is not None:
            self._health.not_ready(f"deployed, but not serving: {missing}")

    async def _load_wanted(self) -> bool:
        """Whether a bundle was refused."""
        refused = False
        for event in list(self._wanted.values()):
            if self._applied.get(event.model, 0) < event.revision:
                refused = not await self._apply(event) or refused
        return refused

    async def _apply(self, event: DeploymentChanged) -> bool:
        try:
            model = await self._loaded(event)
        except Exception as error:  # noqa: BLE001  # the loop's edge: a hostile bundle disturbs nobody
            self._refuse(event, str(error))
            return False
        self._applied[event.model] = event.revision
        LOADS.labels(event.model, "loaded").inc()
        REVISION.labels(event.model).set(event.revision)
        self._health.note(event.model, None)
        self._catalogue.publish(Served(model, "champion", event.revision))
        log.info("model serves", model=event.model, revision=event.revision, digest=event.champion)
        return True

    def _refuse(self, event: DeploymentChanged, why: str) -> None:
        LOADS.labels(event.model, "refused").inc()
        self._catalogue.awaits(event.model, "its bundle was refused")
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
