"""One Delta table with a fence: of two writers for the same app id, one is refused."""

import secrets
import time
from collections.abc import Iterable
from contextlib import suppress

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.domain.evolution import changed_type, conform, new_columns
from services.feature_logging.store.files import write_files
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.sync import sync_all
from shared.errors import DriftlineError
from shared.feature_log.reading import live_paths, read_table
from shared.storage import local, renew, sizes_of

# Checkpoints are made beside compaction: one that fails inside a commit would make a commit that stands look failed.
# Versions stay readable for the snapshots that are pinned to them.
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
# A writer syncs each commit before it begins the next, so after a crash only the last of each can lack it.
UNSYNCED = 8
# After so many seconds without a commit the table is read anew before one: the log's entry after an old version is
# removed some day, and a writer that still stood there would write it again, unseen by all.
FRESH = 60
# Seconds from a file to its commit that do not matter to cleaning: far less than a tenth of the shortest KEEP_HOURS.
WAITED = 5
# The property of a table that each order to forget changes before it looks for rows: see `LogTable.fence`.
MARK = "driftline.forgotten"


class Fenced(DriftlineError):
    """Another writer has committed for one of our app ids, or changed the schema: what we hold is out of date."""


class Damaged(Fenced):
    """Tables have lost something, which must be mended first."""


class NotDurable(DriftlineError):
    """A commit stands but could not be put on disk. The process must end: a second fsync would only pretend."""


class LogTable:
    """Opens the table at a place, or makes it.

    All commits are made on the object that was read, which is what delta-rs compares app ids against: by path it would
    read the newest version first, and a writer that has lost its partition would never notice.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = place.path
        self.refresh()
        self._sync_log(max(0, self.delta.version() - UNSYNCED))

    def knows(self, app: str) -> bool:
        """Whether `version_of` need not read the log."""
        return app in self._versions and not self._is_old()

    def version_of(self, app: str) -> int:
        """The txn version of an app id: the next offset of its topic partition. 0 where there is none."""
        if app not in self._versions:  # delta-rs takes a millisecond to tell, and reads the log again for it
            self._freshen()
            self._versions[app] = self._told_version(app)
        return self._versions[app]

    def _told_version(self, app: str) -> int:
        try:
            return self.delta.transaction_version(app) or 0
        except DeltaError:  # entries of the log that it reads for this are removed by now
            self.refresh()
            return self.delta.transaction_version(app) or 0

    def commit(self, pending: Pending) -> None:
        """Write what waits as one commit and put it on disk. May be called again with the same after an error.

        Raises:
            Fenced: nothing was written, or it was written before: what was taken must be read again.
            OSError, DeltaError: nothing was written.
            NotDurable: it is written, but may not survive a power failure.
        """
        try:
            self._commit(pending)
        except Fenced:
            self._remove(pending.files or ())  # of an earlier call
            raise

    def _commit(self, pending: Pending) -> None:
        self._freshen()
        moved = [app for app, version in pending.judged.items() if self.version_of(app) != version]
        if moved:
            raise Fenced(f"{self.path}: another writer has moved {', '.join(moved)}")
        if changed := changed_type(self.schema, pending.schema):
            raise Fenced(f"{self.path}: another writer has added a column: {': '.join(changed)}")
        self._add_columns(pending.schema)
        try:
            self.apply([*self._files(pending), *pending.removed], pending.versions)
        except Fenced:
            if pending.made or not self._is_marked_anew():
                raise
            self._commit(pending)

    def _files(self, pending: Pending) -> list[AddAction]:
        """The rows as data files: made anew where some are gone, or where something was to be forgotten since."""
        if pending.mark not in (None, self.mark):
            if pending.made:
                raise Fenced(f"{self.path}: something is to be forgotten since its rows were made")
            self._remove(pending.files or ())
            pending.files = None
        if pending.files is None or not self._there(pending.files):
            pending.mark = pending.mark if pending.made else self.mark
            pending.written = conform(pending.rows(), self.schema)
            pending.files = write_files(self.path, pending.written)
        return pending.files

    def _is_marked_anew(self) -> bool:
        before = self.mark
        self.refresh()
        return self.mark != before

    def fence(self) -> None:
        """From here on no commit stands whose rows were made before: what is to be forgotten by now is concealed in all
        that is written later. Raises as `apply` does.
        """
        before = self.delta.version()
        try:
            self.delta.alter.set_table_properties(
                {MARK: secrets.token_hex(8)}, raise_if_not_exists=False, post_commithook_properties=NO_HOOKS
            )
        except CommitFailedError as error:
            raise Fenced(f"{self.path}: {error}") from error
        self._settle(before, {})

    def append(self, rows: pa.Table, app: str) -> None:
        """Commit rows that are not Kafka's; an app id of their own stands one higher then. Raises as `commit`."""
        version, pending = self.version_of(app), Pending(rows.schema, mark=self.mark)
        pending.add(rows, app, judged=version, version=version + 1)
        self.commit(pending)

    def apply(self, actions: Iterable[AddAction | RemoveAction], versions: dict[str, int]) -> None:
        """Commit actions whose files are on disk, with the app ids' versions; raises as `commit` does.

        Files that waited get the time of their commit, by which it is judged when they can go. Those of a commit that
        is refused go at once: what they hold may be forgotten meanwhile, and no order would find them.
        """
        actions, before = list(actions), self.delta.version()
        for action in actions:
            if isinstance(action, AddAction) and time.time() - action.modification_time / 1_000 > WAITED:
                renew(self.path / action.path)
        transactions = [Transaction(app, version) for app, version in versions.items()]
        try:
            self.delta.create_write_transaction(
                actions,
                "append",
                self.delta.schema(),
                self.place.partition_by,
                commit_properties=CommitProperties(app_transactions=transactions),
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError as error:
            self._remove(actions)
            raise Fenced(f"{self.path}: {error}") from error
        self._settle(before, versions)

    def rewrite(self, actions: Iterable[AddAction | RemoveAction], versions: dict[str, int]) -> int:
        """Commit actions that write their files as they are asked for, if there are any; how many files are taken out.
        Raises as `apply` does, and what making them raises: then those that were written are removed.
        """
        made: list[AddAction | RemoveAction] = []
        try:
            made.extend(actions)
        except (OSError, DeltaError):
            self._remove(made)
            raise
        if made:
            self.apply(made, versions)
        return sum(isinstance(action, RemoveAction) for action in made)

    def _remove(self, actions: Iterable[AddAction | RemoveAction]) -> None:
        """Remove files that no commit names; what can't be removed goes with a cleaning. Where a store took a commit
        and its answer was lost, the commit is refused the next time, and its files are live.
        """
        written = [action.path for action in actions if isinstance(action, AddAction)]
        with suppress(OSError, DeltaError):
            for path in set(written).difference(live_paths(read_table(self.path)) if written else ()):
                (self.path / path).unlink(missing_ok=True)

    def refresh(self) -> None:
        """See what others have committed; rows that wait must be judged by the app ids again."""
        self.delta = self.place.open()
        self._seen()

    def _freshen(self) -> None:
        if self._is_old():
            self.refresh()

    def _is_old(self) -> bool:
        return time.monotonic() - self._read > FRESH

    def _there(self, files: Iterable[AddAction]) -> bool:
        return None not in sizes_of(self.path, [file.path for file in files])

    def _seen(self) -> None:
        self.schema = _arrow(self.delta)
        self.mark = self.delta.metadata().configuration.get(MARK, "")
        self._versions: dict[str, int] = {}
        self._read = time.monotonic()

    def _settle(self, before: int, versions: dict[str, int]) -> None:
        known = self._versions | versions
        try:
            self.delta.update_incremental()
            self._sync_log(before + 1)
        except (OSError, DeltaError) as error:
            raise NotDurable(f"{self.path}: {error}") from error
        self._seen()
        if self.delta.version() == before + 1:  # nobody else has committed meanwhile
            self._versions = known

    def _add_columns(self, wanted: pa.Schema) -> None:
        missing = new_columns(self.schema, wanted)
        if not missing:
            return
        before = self.delta.version()
        try:
            self.delta.alter.add_columns(
                Schema.from_arrow(pa.schema(missing)).fields, post_commithook_properties=NO_HOOKS
            )
        except CommitFailedError as error:
            raise Fenced(f"{self.path}: {error}") from error
        self._settle(before, {})

    def _sync_log(self, first: int) -> None:
        if not local(self.path):
            return
        log = self.path / "_delta_log"
        entries = [log / f"{version:020}.json" for version in range(first, self.delta.version() + 1)]
        sync_all([*(entry for entry in entries if entry.exists()), log])  # old ones may be gone, which is their right


def _arrow(delta: DeltaTable) -> pa.Schema:
    return pa.schema(delta.schema())
