"""Jobs of the worker, which runs the others in their own environment."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_peers.data import Block
from benchmarks.drift_peers.rules import Flags
from scripts.trial.environment import Environment, output_of
from scripts.trial.errors import TrialFailed

Days = NDArray[np.datetime64]
WORKER = Path(__file__).with_name("worker") / "worker.py"
ENVIRONMENT = Environment("peers", interpreter=">=3.11,<3.13")  # alibi-detect has none newer
NAMES: tuple[str, ...] = ("NannyML", "Evidently", "whylogs", "alibi-detect", "river ADWIN", "river Page-Hinkley")


@dataclass(frozen=True)
class Job:
    """Windows for the others.

    `runs` are sequences of windows, equally long, each begun afresh; `peers` says of whom, and how many windows of a
    run each sees; `features` how many there are in all, `watch` the feature whose first flag ends a run. `days`, of
    the reference's rows and of all windows' rows, where a window is a day (datetime64[D]).
    """

    reference: Block
    runs: Sequence[Sequence[Block]]
    peers: Mapping[str, int]
    features: int
    watch: int | None = None
    days: tuple[Days, Days] | None = None

    def write(self, path: Path) -> None:
        """As the worker reads it."""
        windows = [window for run in self.runs for window in run]
        asked = {"peers": self.peers, "runs": len(self.runs), "features": self.features, "watch": self.watch}
        days: dict[str, Any] = {} if self.days is None else {"reference_days": self.days[0], "row_days": self.days[1]}
        np.savez(
            path,
            **days,
            reference=self.reference.numeric,
            reference_codes=self.reference.codes,
            rows=np.concatenate([window.numeric for window in windows]),
            row_codes=np.concatenate([window.codes for window in windows]),
            bounds=np.cumsum([0, *(len(window.codes) for window in windows)]),
            job=np.array(json.dumps(asked)),
        )


@dataclass(frozen=True)
class Answer:
    """What one peer says: flagged features by run and window, its processor's seconds per window; or why nothing."""

    version: str = ""
    seconds: float = 0.0
    flags: list[list[Flags]] = field(default_factory=list)
    error: str = ""


Answers = dict[str, Answer]


def ask(jobs: Sequence[Job]) -> list[Answers]:
    """The answers to each job. Where the environment can't be had, each says so."""
    return asyncio.run(_ask(jobs))


async def _ask(jobs: Sequence[Job]) -> list[Answers]:
    try:
        await ENVIRONMENT.sync("peers")
    except TrialFailed as failed:
        return [dict.fromkeys(job.peers, Answer(error=f"{failed.reason}: {failed.said}")) for job in jobs]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}{suffix}" for number in range(len(jobs)) for suffix in (".npz", ".json")]
        for job, path in zip(jobs, paths[::2], strict=True):
            job.write(path)
        await output_of(ENVIRONMENT.python, WORKER, *paths)
        return [_read(path) for path in paths[1::2]]


def _read(path: Path) -> Answers:
    said: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return {name: Answer(**answer) for name, answer in said.items()}
