"""Definitions of champions, by the digest of their bundles."""

import asyncio
from pathlib import Path

from shared.bundle import DEFINITION, open_bundle
from shared.definition import parse_definition
from shared.errors import InvalidInput


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
            text = (bundle.path / DEFINITION).read_text(encoding="utf-8")
            if parse_definition(text) != bundle.definition:
                raise InvalidInput(DEFINITION, "is not what was verified")
            self._known[digest] = text
        return self._known[digest]
