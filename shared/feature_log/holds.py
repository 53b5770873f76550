"""Versions of the log's tables that must stay readable though no bundle names them yet: a training run's, until its
bundle is there, or somebody's who asked for it.

They are files beside the bundles, for that is where cleaning looks for what is pinned.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from shared.events import SnapshotPin
from shared.events.base import ModelName, Record, UtcTime
from shared.storage import replace

FOLDER = ".held"  # hidden: a bundle's name is its digest
TRAINING = timedelta(days=7)  # longer than any run, its retries included


class Hold(Record):
    """What a snapshot of a model was read from, and until when that stays."""

    model: ModelName
    pin: SnapshotPin
    until: UtcTime


def hold(bundles: Path, held: Hold) -> None:
    """Write it down, on disk when this returns; those that have ended are taken away. Raises OSError."""
    folder = bundles / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for path, each in _read(folder):
        if each.until <= datetime.now(UTC):
            path.unlink(missing_ok=True)
    content = held.model_dump_json()
    replace(folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json", content)


def holds(bundles: Path) -> list[Hold]:
    """Those that have not ended; raises OSError, also where one can't be read: nobody knows what it is about."""
    return [each for _, each in _read(bundles / FOLDER) if each.until > datetime.now(UTC)]


def _read(folder: Path) -> Iterator[tuple[Path, Hold]]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield path, Hold.model_validate_json(path.read_bytes())
        except FileNotFoundError:  # it has ended
            continue
        except ValidationError as error:
            raise OSError(f"{path} says nothing of what is to be kept: {error.errors()[0]['msg']}") from error
