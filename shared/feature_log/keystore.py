"""The keys behind what is sensitive in the feature log, for those who may read them: one SQLite file.

feature_logging writes it. `secret` keys all hashes; each entity has a key of its own in each model, found by its
`key_id`, and when that is deleted what it encrypted can never be read again.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shared.errors import DriftlineError

FILE = "feature_log.sqlite"
AT_ONCE = 500  # ids of one statement
WAIT_SECONDS = 30


class NoKeys(DriftlineError):
    """The keys of the feature log are not here, or can't be read."""


class KeyReader:
    """The keys in a folder; raises NoKeys where they can't be read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._known: bytes | None = None

    @property
    def secret(self) -> bytes:
        """Of the hashes."""
        if self._known is None:
            self._known = self._secret()
        return self._known

    def _secret(self) -> bytes:
        with self._reading() as database:
            return bytes(database.execute("SELECT key FROM secret").fetchone()[0])

    def keys_of(self, ids: Collection[str]) -> dict[str, bytes]:
        """The keys that there are with these ids."""
        with self._reading() as database:
            return dict(self._found(database, sorted(ids)))

    @staticmethod
    def _found(database: sqlite3.Connection, ids: list[str]) -> Iterator[tuple[str, bytes]]:
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from database.execute(f"SELECT id, key FROM keys WHERE id IN ({marks})", some)  # noqa: S608

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", WAIT_SECONDS, uri=True)
            ) as database:
                yield database
        except (sqlite3.Error, TypeError) as error:  # no such file; no such row
            raise NoKeys(f"the keys of the feature log in {self.path} can't be read: {error}") from error
