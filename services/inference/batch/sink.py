"""Where scores go, piece by piece, each whole or not at all: a folder or file of Parquet, or a Delta table."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from services.inference.batch.source import DELTA_LOG, delta
from shared.errors import InvalidInput
from shared.files import sync

_JOB = "job.json"
_MARK = b"driftline.job"


class Sink(Protocol):
    """Takes pieces in order. What one start has written the next one finds."""

    def done(self) -> int:
        """How many pieces are written."""
        ...

    def write(self, number: int, batches: Iterator[pa.RecordBatch]) -> None:
        """Write piece `number`; it is there whole, synced, or not at all."""

    def finish(self) -> None:
        """All pieces are written."""


class Work:
    """The folder beside an output in which a job notes what it is, locked while the job runs."""

    def __init__(self, output: Path, *, is_delta: bool) -> None:
        self.output = output
        self.is_delta = is_delta
        self.is_file = not is_delta and output.suffix == ".parquet"
        name = f"{output.name}.{'driftline' if is_delta else 'parts'}"
        self.folder = output.with_name(name) if is_delta or self.is_file else output / "_driftline"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises InvalidInput if another process scores into the same output."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InvalidInput("output", f"{self.output} is being written by another process") from None
            yield

    def noted(self) -> dict[str, Any]:
        """The job that this output belongs to; empty if there was none."""
        try:
            found: dict[str, Any] = json.loads((self.folder / _JOB).read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def note(self, job: dict[str, Any]) -> None:
        """From here on the output is this job's."""
        _replace(self.folder / _JOB, json.dumps(job, sort_keys=True, indent=1).encode())

    def forget(self) -> None:
        """The job is done, and the output tells so itself."""
        shutil.rmtree(self.folder)


def job_key(job: dict[str, Any]) -> str:
    """A name that another job does not have."""
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:32]


def open_sink(work: Work, job: dict[str, Any], schema: pa.Schema) -> Sink:
    """Where a job's scores go; `schema` is theirs."""
    if work.is_delta:
        return _Delta(work.output, job_key(job))
    marked = schema.with_metadata({_MARK: job_key(job).encode()})
    return _Parts(work, marked)


def is_finished(output: Path) -> bool:
    """Whether a job has written all of this output."""
    work = Work(output, is_delta=(output / DELTA_LOG).is_dir())
    return output.exists() if work.is_file else bool(work.noted().get("done"))


def marked_with(file: Path) -> str | None:
    """The key of the job whose scores a Parquet file holds; None if it holds something else, or there is none."""
    if not file.exists():
        return None
    try:
        told = (pq.read_schema(file).metadata or {}).get(_MARK, b"")
    except (pa.ArrowException, OSError):
        return ""
    return str(told.decode())


class _Parts:
    """One Parquet file per piece; for an output that is a file they are put together at the end."""

    def __init__(self, work: Work, schema: pa.Schema) -> None:
        self._work = work
        self._schema = schema
        self._folder = work.folder if work.is_file else work.output

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:05}.parquet"

    def done(self) -> int:
        number = 0
        while self._part(number).exists():
            number += 1
        return number

    def write(self, number: int, batches: Iterator[pa.RecordBatch]) -> None:
        self._write(self._part(number), batches)

    def finish(self) -> None:
        if self._work.is_file:
            self._write(self._work.output, self._all())
            self._work.forget()

    def _all(self) -> Iterator[pa.RecordBatch]:
        for number in range(self.done()):
            with pq.ParquetFile(self._part(number)) as part:
                yield from part.iter_batches()

    def _write(self, target: Path, batches: Iterator[pa.RecordBatch]) -> None:
        staged = target.with_name(f".{target.name}.new")
        with staged.open("wb") as file:
            with pq.ParquetWriter(file, self._schema) as writer:
                for batch in batches:
                    writer.write_batch(batch.replace_schema_metadata(self._schema.metadata))
            file.flush()
            os.fsync(file.fileno())
        staged.replace(target)
        sync(target.parent)


class _Delta:
    """One commit per piece, which says its number: a piece that was committed is known by that."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._app = f"driftline-score-{key}"

    def done(self) -> int:
        if not (self._path / DELTA_LOG).is_dir():
            return 0
        version = delta().DeltaTable(str(self._path)).transaction_version(self._app)
        return 0 if version is None else int(version) + 1

    def write(self, number: int, batches: Iterator[pa.RecordBatch]) -> None:
        package = delta()
        rows = pa.Table.from_batches(list(batches))
        marked = package.CommitProperties(app_transactions=[package.Transaction(self._app, number)])
        package.write_deltalake(str(self._path), rows, mode="append", commit_properties=marked)

    def finish(self) -> None:
        """Nothing is left to do."""


def _replace(target: Path, content: bytes) -> None:
    staged = target.with_name(f".{target.name}.new")
    with staged.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(target)
    sync(target.parent)
