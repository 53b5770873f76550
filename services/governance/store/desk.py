"""What every way into governance works with."""

from dataclasses import dataclass

from services.governance.domain.registry import Version, registered
from services.governance.settings import GovernanceSettings
from services.governance.store.database import Database
from services.governance.store.registrar import Clock, Registrar
from shared.bundle import Bundle, open_bundle
from shared.signing import Signer


@dataclass(frozen=True)
class Desk:
    """The database to read from, the registrar to change it with, the bundle store, and the wall clock (UTC)."""

    settings: GovernanceSettings
    database: Database
    registrar: Registrar
    clock: Clock

    def bundle(self, digest: str) -> Bundle:
        """A bundle of the store, verified; raises InvalidInput as `shared.bundle.open_bundle` does."""
        return open_bundle(self.settings.bundles, digest, self.settings.trust)

    def register(self, digest: str, by: str) -> tuple[Version, bool]:
        """Verify and enter a bundle; returns what the registry holds, and whether it is new.

        Raises:
            InvalidInput: there is none, or something about it is wrong.
        """
        return self.registrar.register(registered(self.bundle(digest), by))


def open_desk(settings: GovernanceSettings, clock: Clock) -> Desk:
    """The desk of these settings, its tables made.

    Raises:
        OSError: the database's folder or governance's key can't be used.
    """
    signer = Signer.load(settings.keys, "governance")
    database = Database(settings.database_url)
    database.create()
    return Desk(settings, database, Registrar(database, signer, clock), clock)
