"""Scoring a table into another one: stopped at any point and started again, it ends with the same rows, once each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from services.inference.batch.scorer import Scorer
from services.inference.batch.sink import Work, job_key, marked_with, open_sink
from services.inference.batch.source import DELTA_LOG, Piece, Source, open_source, same
from services.inference.domain.columns import check_columns
from shared.errors import InvalidInput

SCORE, DIGEST = "score", "model_digest"


class Job(NamedTuple):
    """`keep` names the input's columns that the output has, beside the scores; None: all."""

    input: Path
    output: Path
    keep: tuple[str, ...] | None = None
    delta: bool = False


class Progress(Protocol):
    """Told what has been done."""

    def begin(self, rows: int | None) -> None:
        """There are so many rows, if anybody knows."""

    def add(self, rows: int, *, known: bool) -> None:
        """So many more; `known`: an earlier start has written them."""


class Done(NamedTuple):
    """What a job came to: the rows that were scored by this start, and those that an earlier one had written."""

    scored: int
    found: int


def run_job(scorer: Scorer, job: Job, progress: Progress) -> Done:
    """Score all of the input; what an earlier start has written is kept.

    Raises:
        InvalidInput: the input is wrong (the column and the row are named), or the output belongs to another job.
        OSError: the output can't be written.
        ModelFailed: the model can't compute this.
    """
    work = Work(job.output, is_delta=job.delta or (job.output / DELTA_LOG).is_dir())
    if not work.is_file and not work.is_delta:
        _check_folder(job.output)
    with work.locked():
        noted = work.noted()
        pinned = noted.get("input", {}).get("version") if not noted.get("done") else None
        source = open_source(job.input, scorer.model.definition, pinned)
        told = {"model": scorer.model.digest, "input": source.identity, "keep": job.keep, "delta": work.is_delta}
        if work.is_file and (mark := marked_with(job.output)) is not None:
            return _already(work, mark == job_key(told))
        if noted and not same({**noted, "done": False}, {**told, "done": False}) and not _may_follow(work, noted):
            raise InvalidInput("output", f"{job.output} holds what another job began: remove it, or take another")
        scored = _Scored(scorer, source, job.keep)
        work.note(told)
        done = _write_all(scored, open_sink(work, told, scored.schema), progress)
        if work.folder.exists():
            work.note({**told, "done": True})
        return done


def _check_folder(output: Path) -> None:
    if output.is_dir() and any(output.iterdir()) and not (output / "_driftline").is_dir():
        raise InvalidInput("output", f"an empty folder, or one that does not exist; {output} holds other files")


def _may_follow(work: Work, noted: dict[str, Any]) -> bool:
    """Many jobs may append to a Delta table, one after the other."""
    return work.is_delta and bool(noted.get("done"))


def _already(work: Work, is_same: bool) -> Done:
    work.forget()
    if not is_same:
        raise InvalidInput("output", f"{work.output} is there already, and not of this job: remove it")
    return Done(0, int(_rows_of(work.output)))


def _rows_of(file: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _write_all(scored: "_Scored", sink: Any, progress: Progress) -> Done:
    before, new, found = sink.done(), 0, 0
    progress.begin(scored.source.rows)
    for number, piece in enumerate(scored.source.pieces()):
        if number < before:
            found += piece.rows
            progress.add(piece.rows, known=True)
            continue
        counted = _Counted(scored.of(piece), progress)
        sink.write(number, iter(counted))
        new += counted.rows
    sink.finish()
    return Done(new, found)


class _Counted:
    def __init__(self, batches: Iterator[pa.RecordBatch], progress: Progress) -> None:
        self._batches, self._progress, self.rows = batches, progress, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += len(batch)
            self._progress.add(len(batch), known=False)
            yield batch


class _Scored:
    """A source's pieces with their scores."""

    def __init__(self, scorer: Scorer, source: Source, keep: tuple[str, ...] | None) -> None:
        self._scorer = scorer
        self.source = source
        check_columns(source.schema, scorer.model.definition)
        names = source.schema.names
        for name in keep or ():
            if names.count(name) != 1:
                raise InvalidInput(name, "one column of this name in the input, to be kept")
        self._keep = [name for name in names if keep is None or name in keep]
        for name in (SCORE, DIGEST):
            if name in self._keep:
                raise InvalidInput(name, "a column of the output's own: keep others (--keep)")
        own = [pa.field(SCORE, pa.float32()), pa.field(DIGEST, pa.string())]
        self.schema = pa.schema([*(source.schema.field(name) for name in self._keep), *own])

    def of(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        """Raises InvalidInput: `field` names the file and the column."""
        first = piece.first
        for batch in piece.batches:
            try:
                scores = self._scorer.score(batch, first=first).scores[:, 0]
            except InvalidInput as error:
                raise InvalidInput(f"{piece.name}, column {error.field}", error.expected) from error
            first += len(batch)
            kept = [batch.column(name) for name in self._keep]
            digest = pa.array([self._scorer.model.digest]).take(pa.array([0] * len(batch)))
            yield pa.record_batch([*kept, pa.array(scores), digest], schema=self.schema)
