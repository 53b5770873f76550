"""What a run is to do, and the folder where its steps leave what the next ones need."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from deltalake.exceptions import DeltaError

from services.retrain_trigger.domain.runs import Step
from shared.bundle import Bundle, open_bundle
from shared.definition import ModelDefinition, Training, parse_definition
from shared.errors import DriftlineError, InvalidInput
from shared.events import SnapshotPin
from shared.events.base import Digest, Record, UtcTime
from shared.feature_log.keystore import KeyReader
from shared.feature_log.snapshot import LeftOut, Snapshot, read_snapshot
from shared.lineage import Commit
from shared.settings import ServiceSettings
from shared.storage import place_at

Result = dict[str, Any]


class Places(Record):
    """The folders of a stack that a run uses; `work` is its own, `log_keys` are the feature log's if not `keys`.

    `tables` may lie in a store, so they are named as `place_at` takes it.
    """

    tables: str
    bundles: Path
    keys: Path
    trust: Path
    work: Path
    log_keys: Path | None = None

    @classmethod
    def of(cls, settings: ServiceSettings, work: Path) -> Self:
        """Those of the settings' stack."""
        return cls(
            tables=str(settings.tables),
            bundles=settings.bundles,
            keys=settings.keys,
            trust=settings.trust,
            work=work,
            log_keys=settings.feature_log_keys,
        )


# The start of a job that trains on all rows there are.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Job(Record):
    """Train a model on the rows with start <= event time < end, labelled by `as_of`.

    `definition` is TOML; `champion` the digest to compare with, None for a first model; `signer` whose key signs the
    bundle.
    """

    places: Places
    definition: str
    champion: Digest | None
    start: UtcTime
    end: UtcTime
    as_of: UtcTime
    signer: str
    code_commit: Commit


class Pinned(Record):
    """The result of the step `pin`; `labels_left_out` are those that can't be right, `retired` says of which days the
    log holds no rows any more.
    """

    pin: SnapshotPin
    labels_left_out: LeftOut = LeftOut()
    holdout_start: UtcTime
    training_rows: int
    holdout_rows: int
    retired: str | None = None


class LogAway(DriftlineError):
    """The feature log can't be read just now; nothing is said of the job, which may be tried again."""


@contextmanager
def reading_the_log() -> Iterator[None]:
    """Where its tables are read; raises LogAway."""
    try:
        yield
    except (OSError, DeltaError) as error:
        raise LogAway(f"the feature log can't be read: {error}") from error


class Workspace:
    """A job under way. `done` holds the results of its finished steps, as JSON."""

    def __init__(self, job: Job, done: Mapping[Step, Result]) -> None:
        self.job = job
        self.done = dict(done)

    @cached_property
    def definition(self) -> ModelDefinition:
        """The definition of the model to train."""
        return parse_definition(self.job.definition)

    @property
    def training(self) -> Training:
        """What the definition says of training; raises InvalidInput if it says nothing."""
        if self.definition.training is None:
            raise InvalidInput("training", "the definition names no training function")
        return self.definition.training

    @property
    def holdout_start(self) -> datetime:
        """The holdout are the rows from here to the end."""
        return self.job.end - timedelta(days=self.definition.retraining.holdout_days)

    @property
    def tables(self) -> Path:
        """Where the feature log lies."""
        return place_at(self.job.places.tables)

    @cached_property
    def champion(self) -> Bundle | None:
        """The verified bundle to compare with; raises InvalidInput if it does not verify."""
        places = self.job.places
        return open_bundle(places.bundles, self.job.champion, places.trust) if self.job.champion else None

    @property
    def pinned(self) -> Pinned:
        """What the step `pin` found."""
        return Pinned.model_validate(self.done["pin"])

    @cached_property
    def snapshot(self) -> Snapshot:
        """The pinned rows; raises SnapshotChanged if the tables no longer hold them, LogAway if nobody can tell."""
        with reading_the_log():
            return read_snapshot(self.tables, self.definition.name, self.pinned.pin, self.keys)

    @property
    def keys(self) -> KeyReader | None:
        """Of the features that the log keeps encrypted; None if there are none."""
        return (
            KeyReader(self.job.places.log_keys or self.job.places.keys) if self.definition.kept_as("encrypt") else None
        )

    def save(self, name: str, content: bytes) -> str:
        """Keep a file for later steps, whole or not at all; returns its sha256."""
        folder = self.job.places.work
        folder.mkdir(parents=True, exist_ok=True)
        staged = folder / f".{name}.{os.getpid()}"
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(folder / name)
        return hashlib.sha256(content).hexdigest()

    def load(self, name: str, sha256: str) -> bytes:
        """A file that an earlier step has kept; raises DriftlineError if it is not as it was."""
        try:
            content = (self.job.places.work / name).read_bytes()
        except OSError as error:
            raise DriftlineError(f"{name} of an earlier step can't be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DriftlineError(f"{name} of an earlier step is not what that step wrote")
        return content
