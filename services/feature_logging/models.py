"""What is known of a model by the digest of its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.bundle import open_bundle
from shared.definition import ModelDefinition
from shared.errors import InvalidInput, Unreadable
from shared.feature_log.lookup import newest_bundle
from shared.settings import ServiceSettings


@dataclass(frozen=True)
class Known:
    """A verified bundle's definition, and the category lists that its rows' codes point into."""

    definition: ModelDefinition
    categories: Mapping[str, tuple[str, ...]]


class Bundles:
    """Verified bundles of the store, each opened once."""

    def __init__(self, store: Path, trust: Path) -> None:
        self._store = store
        self._trust = trust
        self._known: dict[str, Known] = {}

    def get(self, digest: str) -> Known:
        """The bundle with this digest.

        Raises:
            Unreadable: there is none, or it does not verify.
        """
        if digest not in self._known:
            try:
                bundle = open_bundle(self._store, digest, self._trust)
            except InvalidInput as error:
                raise Unreadable(f"bundle {digest}: {error}") from error
            self._known[digest] = Known(bundle.definition, bundle.reference.categories)
        return self._known[digest]


def newest_definition(settings: ServiceSettings, model: str) -> ModelDefinition | None:
    """The definition by which the model's champion answered last; None if nothing tells it here."""
    digest = newest_bundle(settings.tables, model)
    try:
        return None if digest is None else Bundles(settings.bundles, settings.trust).get(digest).definition
    except Unreadable:
        return None
