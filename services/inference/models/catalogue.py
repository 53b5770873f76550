"""Which model answers under which name: read by every request, changed by one assignment."""

from collections.abc import Mapping
from typing import NamedTuple

from services.inference.domain.answered import Source
from services.inference.models.loaded import LoadedModel
from shared.batch import Role
from shared.errors import DriftlineError


class NotServed(DriftlineError):
    """No model of this name, or not in this version."""


class NotReady(DriftlineError):
    """A model of this name is deployed, but does not serve: it is being loaded, or its bundle was refused."""


class Canary(NamedTuple):
    """What answers in the champion's place, and for whom: see `domain.routing`."""

    served: "Served"
    share: float
    salt: str


class Served(NamedTuple):
    """A model in its role; `revision` of the deployment that says so. A champion has what runs beside it."""

    model: LoadedModel
    role: Role
    revision: int
    canary: Canary | None = None
    shadow: "Served | None" = None

    @property
    def all_roles(self) -> "tuple[Served, ...]":
        """Itself, its canary and its shadow, as far as there are any."""
        canary = self.canary.served if self.canary else None
        return tuple(each for each in (self, canary, self.shadow) if each is not None)

    @property
    def source(self) -> Source:
        """What its rows say that they were answered by."""
        return Source(self.model.name, self.model.digest, self.model.definition.digest, self.role)


class Catalogue:
    """A request keeps what `get` gave it, so a model that was replaced is dropped when its last request is done."""

    def __init__(self) -> None:
        self._serving: Mapping[str, Served] = {}
        self._versions: Mapping[str, Mapping[str, Served]] = {}
        self._awaited: dict[str, str] = {}  # name → why it does not serve

    def get(self, name: str, version: str | None = None) -> Served:
        """What answers for `name`; a `version` is a bundle digest, which serves in any role.

        Raises NotServed or NotReady.
        """
        served = self.find(name, version)
        if served is None:
            if name in self._serving:
                raise NotServed(f"model {name!r} does not serve version {version!r}")
            if name in self._awaited:
                raise NotReady(f"{name!r} is deployed, but {self._awaited[name]}; ask again later")
            raise NotServed(f"no model {name!r} is deployed")
        return served

    def find(self, name: str, version: str | None = None) -> Served | None:
        """As `get`, None if nothing serves so."""
        if version is None:
            return self._serving.get(name)
        return self._versions.get(name, {}).get(version)

    def all(self) -> list[Served]:
        """The champions, by name."""
        return [self._serving[name] for name in sorted(self._serving)]

    def awaits(self, name: str, why: str) -> None:
        """It is deployed and can't serve yet, for a reason that clients may read."""
        self._awaited[name] = why

    def missing(self) -> list[str]:
        """Names of models that are deployed, but of which nothing serves."""
        return sorted(self._awaited.keys() - self._serving.keys())

    def publish(self, served: Served) -> None:
        """From here on new requests for its name are answered by this one, or by its canary."""
        name = served.model.name
        roles = {each.model.digest: each for each in reversed(served.all_roles)}
        self._versions = {**self._versions, name: {**roles, served.model.digest: served._replace(canary=None)}}
        self._serving = {**self._serving, name: served}
