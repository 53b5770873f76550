"""Definitions of champions, by the digest of their bundles."""

import asyncio
from pathlib import Path

from shared.bundle import DEFINITION, open_bundle


class Champions:
    """Verified bundles' definitions as TOML, each bundle opened once."""

    def __init__(self, store: Path, trust: Path) -> None:
        self._store = store
        self._trust = trust
        self._known: dict[str, str] = {}

    async def definition(self, digest: str) -> str:
        """The definition in the bundle with this digest; raises InvalidInput if there is none or it does not verify."""
        if digest not in self._known:
            bundle = await asyncio.to_thread(open_bundle, self._store, digest, self._trust)
            self._known[digest] = (bundle.path / DEFINITION).read_text(encoding="utf-8")
        return self._known[digest]
