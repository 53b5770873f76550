"""Making and deleting the keys of what is sensitive. Nothing of them is cached: a key that is deleted is gone."""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager

from shared.feature_log.keystore import WAIT_SECONDS, KeyReader
from shared.feature_log.sealing import KEY_BYTES

_TABLES = """
    CREATE TABLE IF NOT EXISTS secret (only INTEGER PRIMARY KEY CHECK (only = 0), key BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
"""


class KeyStore(KeyReader):
    """The keys in a folder, the file made when first needed. Several workers may share it; raises OSError."""

    def _secret(self) -> bytes:
        """Made once and for all."""
        with self._writing() as database:
            database.execute("INSERT OR IGNORE INTO secret VALUES (0, ?)", (os.urandom(KEY_BYTES),))
            return bytes(database.execute("SELECT key FROM secret").fetchone()[0])

    def make_keys(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """The keys with these ids, made where there were none; they are on disk when this returns."""
        wanted = sorted(set(ids))
        with self._writing() as database:
            found = dict(self._found(database, wanted))
            missing = [(each, os.urandom(KEY_BYTES)) for each in wanted if each not in found]
            database.executemany("INSERT INTO keys VALUES (?, ?)", missing)
        return found | dict(missing)

    def delete_key(self, key: str) -> bool:
        """Delete the key with this id, overwriting it in the file; False if there was none."""
        with self._writing() as database:
            return database.execute("DELETE FROM keys WHERE id = ?", (key,)).rowcount > 0

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone. Its journal is deleted at its end, and freed pages are overwritten."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            with closing(sqlite3.connect(self.path, WAIT_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete = ON")
                database.execute("PRAGMA synchronous = EXTRA")
                database.executescript(f"BEGIN IMMEDIATE; {_TABLES}")
                yield database
                database.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"the keys of the feature log in {self.path} can't be written: {error}") from error
