"""What governance says shall serve, made to serve, and never back to an older revision."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

from prometheus_client import Counter, Gauge
from structlog import get_logger

from services.inference.models.catalogue import Canary, Catalogue, Served
from services.inference.models.loaded import LoadedModel
from shared.batch import Role
from shared.deployments import Newest
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
    """`take` notes the highest revision per model; `run` loads what it names and publishes it in the catalogue.

    A bundle that was refused is tried again after `patience` seconds, then twice as long and so on: it may only not
    have arrived yet. What was taken before `run` serves, if no broker answers, after five times that. The service is
    ready when of each model that is deployed something serves, be it an older revision than the one wanted.
    """

    def __init__(self, catalogue: Catalogue, load: Load, health: Health, *, patience: float = 2) -> None:
        self._catalogue = catalogue
        self._load = load
        self._health = health
        self._patience = patience
        self._wanted = Newest()
        self._applied: dict[str, int] = {}
        self._changed = asyncio.Event()

    def take(self, event: DeploymentChanged) -> bool:
        """Take note of a deployment; whether it is news."""
        if not self._wanted.take(event):
            return False
        self._catalogue.awaits(event.model, "it is being loaded")
        self._changed.set()
        return True

    async def run(self, caught_up: asyncio.Event) -> None:
        """Once caught up, load what is wanted, for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCES * self._patience if self._wanted.all() else None):
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
        for event in self._wanted.all():
            if self._applied.get(event.model, 0) < event.revision:
                refused = not await self._apply(event) or refused
        return refused

    async def _apply(self, event: DeploymentChanged) -> bool:
        """Whether all that it names serves. Without its champion nothing changes; what is at hand serves at once."""
        serving = self._catalogue.find(event.model)
        known = {each.model.digest: each.model for each in serving.all_roles} if serving else {}
        loaded: dict[Role, LoadedModel] = {}
        troubles: list[str] = []
        for role, digest in _named(event):
            try:
                loaded[role] = known[digest] = known.get(digest) or await self._loaded(event.model, digest)
                _check_fit(loaded, role)
            except Exception as error:  # noqa: BLE001  # the loop's edge: a hostile bundle disturbs nobody
                loaded.pop(role, None)
                troubles.append(_refused(event, role, digest, str(error)))
            if "champion" not in loaded:
                self._catalogue.awaits(event.model, "its bundle was refused")
                break
            self._catalogue.publish(_served(event, loaded))
            REVISION.labels(event.model).set(event.revision)
        self._health.note(event.model, "; ".join(troubles) or None)
        if not troubles:
            self._applied[event.model] = event.revision
            log.info("model serves", model=event.model, revision=event.revision, **dict(_named(event)))
        return not troubles

    async def _loaded(self, name: str, digest: str) -> LoadedModel:
        model = await asyncio.to_thread(partial(self._load, digest))
        if model.name != name:
            raise InvalidInput("definition.name", f"{name!r}, as the deployment says, not {model.name!r}")
        LOADS.labels(name, "loaded").inc()
        return model


def _named(event: DeploymentChanged) -> Iterator[tuple[Role, str]]:
    """Role and digest of what is to serve, the champion first."""
    yield "champion", event.champion
    if event.canary is not None:
        yield "canary", event.canary.digest
    if event.shadow is not None:
        yield "shadow", event.shadow


def _check_fit(loaded: Mapping[Role, LoadedModel], role: Role) -> None:
    """Raises InvalidInput if not every request that the champion can answer is one for this role, too."""
    champion, model = loaded["champion"], loaded[role]
    if model.encoder.inputs != champion.encoder.inputs:
        raise InvalidInput("definition.features", "the champion's, with the same names and kinds")
    if model.datatypes != champion.datatypes:
        raise InvalidInput("model.onnx", "the champion's outputs, with the same names and datatypes")
    most = champion.definition.serving.max_rows
    if model.definition.serving.max_rows < most:
        raise InvalidInput("definition.serving.max_rows", f"at least the champion's {most}")


def _served(event: DeploymentChanged, loaded: Mapping[Role, LoadedModel]) -> Served:
    """The champion, with what is loaded beside it."""
    beside = {role: Served(model, role, event.revision) for role, model in loaded.items()}
    canary = None
    if event.canary is not None and "canary" in beside:
        canary = Canary(beside["canary"], event.canary.share, event.salt)
    return beside["champion"]._replace(canary=canary, shadow=beside.get("shadow"))


def _refused(event: DeploymentChanged, role: Role, digest: str, why: str) -> str:
    """What people are told."""
    LOADS.labels(event.model, "refused").inc()
    log.error("model refused", model=event.model, revision=event.revision, role=role, digest=digest, why=why)
    return f"revision {event.revision}, {role}, bundle {digest}: {why}"
