"""The log of a Delta table as it lies in its folder."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.storage import files_in, folders_in, is_folder, open_parquet

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")


@dataclass(frozen=True)
class Entry:
    """A commit or a part of a checkpoint; `time` is that of its file, in seconds since 1970."""

    version: int
    path: Path
    size: int
    time: float


class DeltaLog:
    """The entries there are now, in order of their versions."""

    def __init__(self, table: Path) -> None:
        self.commits = sorted(_entries(table, _COMMIT), key=lambda entry: entry.version)
        self.checkpoints = sorted(_entries(table, _CHECKPOINT), key=lambda entry: entry.version)
        self._versions = {entry.version for entry in self.commits}

    def newest_at(self, time: float) -> int:
        """The version that was the newest at a time (seconds since 1970), or the oldest that there is."""
        return max((entry.version for entry in self.commits if entry.time <= time), default=self.commits[0].version)

    def base(self, version: int) -> int:
        """Where reading begins to open a version: its checkpoint, or 0."""
        return max((entry.version for entry in self.checkpoints if entry.version <= version), default=0)

    def since_checkpoint(self) -> list[Entry]:
        """The commits that are read to open the newest version."""
        last = self.checkpoints[-1].version if self.checkpoints else -1
        return [entry for entry in self.commits if entry.version > last]

    def can_open(self, version: int) -> bool:
        """Whether the entries from its base on are all there."""
        base = self.base(version)
        first = base + 1 if any(entry.version == base for entry in self.checkpoints) else base
        return all(each in self._versions for each in range(first, version + 1))


def app_ids(table: Path) -> set[str]:
    """The app ids whose `txn` versions a table keeps."""
    log, found = DeltaLog(table), set[str]()
    for entry in log.since_checkpoint():
        actions = [json.loads(line) for line in entry.path.read_text("utf-8").splitlines()]
        found |= {action["txn"]["appId"] for action in actions if "txn" in action}
    for entry in log.checkpoints[-1:]:
        told = open_parquet(entry.path).read(columns=["txn"]).column("txn").to_pylist()
        found |= {txn["appId"] for txn in told if txn}
    return found


def _entries(table: Path, name: re.Pattern[str]) -> Iterator[Entry]:
    for path, size, time in files_in(table / LOG):
        if found := name.fullmatch(path.name):
            yield Entry(int(found[1]), path, size, time)


def tables_below(tables: Path) -> Iterator[Path]:
    """Every Delta table in the folder of the log: `<model>/<kind>` and those of the log's own, such as `_rejected`."""
    for folder in folders_in(tables):
        yield from (each for each in (folder, *folders_in(folder)) if is_folder(each / LOG))
