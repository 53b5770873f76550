"""Bundles by their digest, each opened and verified once."""

import asyncio
from pathlib import Path

from services.drift_detection.domain.watched import Watched
from shared.bundle import open_bundle
from shared.errors import InvalidInput, Unreadable


class Bundles:
    """The bundle store, as far as drift detection needs it."""

    def __init__(self, store: Path, trust: Path) -> None:
        self._store = store
        self._trust = trust
        self._known: dict[str, Watched] = {}

    async def get(self, digest: str) -> Watched:
        """The bundle with this digest.

        Raises:
            Unreadable: there is none, or it does not verify.
        """
        if digest not in self._known:
            self._known[digest] = await asyncio.to_thread(self._open, digest)
        return self._known[digest]

    def _open(self, digest: str) -> Watched:
        try:
            bundle = open_bundle(self._store, digest, self._trust)
            watched = Watched(digest, bundle.definition, bundle.reference)
        except InvalidInput as error:
            raise Unreadable(f"bundle {digest}: {error}") from error
        _ = watched.bank  # takes a while: how often it would alarm by itself may have to be simulated
        return watched
