"""False alarms, delays and speed of plain rules and of others, on the same windows."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from benchmarks.drift_peers.cusum import Cusum
from benchmarks.drift_peers.data import CASES, IN_CONTROL, LAYOUT, Block, Case, block, windows
from benchmarks.drift_peers.job import Answer, Answers, Job, ask
from benchmarks.drift_peers.plan import Plan, Size
from benchmarks.drift_peers.rules import RULES, Flags, Plain, rule

SEED = 7
NEVER = "never"
CUSUM = "CUSUM, calibrated"
WHOLE_SET = "Evidently, whole set"
OURS = (*RULES, CUSUM)


@dataclass(frozen=True)
class Row:
    """One figure: `value` of a case, from `windows` windows.

    Of a delay: "never" where no run found the fault in its windows; else `missed` runs did not, and count with all
    their windows, so that the mean is too small.
    """

    peer: str
    version: str
    case: str
    value: float | str
    windows: int
    missed: int = 0


def run(plan: Plan) -> tuple[list[Row], dict[str, str]]:
    """All figures, and who was left out and why."""
    jobs = [_calm(plan, size) for size in plan.sizes] + [_faulty(plan, case) for case in CASES]
    answers = [with_ours(job, said) for job, said in zip(jobs, ask(jobs), strict=True)]
    left_out = {name: said.error for answer in answers for name, said in answer.items() if said.error}
    rows = []
    for size, answer in zip(plan.sizes, answers, strict=False):
        rows += [_false_alarms(name, said, size) for name, said in answer.items() if not said.error]
    for case, answer in zip(CASES, answers[len(plan.sizes) :], strict=True):
        rows += [_delay(name, said, case, plan.sizes[0]) for name, said in answer.items() if not said.error]
    rows += [_speed(name, said, plan.sizes[0]) for name, said in answers[0].items() if not said.error]
    return rows, left_out


def _calm(plan: Plan, size: Size) -> Job:
    rng = np.random.default_rng([SEED, size.rows, size.reference])
    reference = block(rng, size.reference)
    return Job(reference, [list(windows(IN_CONTROL, rng, size.rows, plan.calm))], plan.calm_of_peers(), LAYOUT.features)


def _faulty(plan: Plan, case: Case) -> Job:
    """Only the column with the fault: every rule here looks at one at a time."""
    rng = np.random.default_rng([SEED, CASES.index(case)])
    alone, layout = case.alone(LAYOUT)
    size = plan.sizes[0]
    reference = block(rng, size.reference, layout)
    runs = [list(windows(alone, rng, size.rows, plan.patience, layout)) for _ in range(plan.runs)]
    peers = {
        name: patience
        for name, patience in plan.patience_of_peers().items()
        if layout.kinds or not name.startswith("river")  # it takes numbers only
    }
    return Job(reference, runs, peers, LAYOUT.features, watch=0)


def with_ours(job: Job, said: Answers) -> Answers:
    """The answers, those of the plain rules and what follows for Evidently's rule on the whole set."""
    all_said = {**said, **{name: _ours(name, job) for name in OURS}}
    if "Evidently" in said and not said["Evidently"].error:
        all_said[WHOLE_SET] = replace(said["Evidently"], flags=_half(said["Evidently"].flags, job))
    return all_said


def _half(flags: list[list[Flags]], job: Job) -> list[list[Flags]]:
    """All features where at least half of them drifted: of 50, the one with a fault never is."""
    if job.watch is not None:
        return [[[]] * job.peers["Evidently"] for _ in flags]
    every = list(range(job.features))
    return [[every if 2 * len(found) >= job.features else [] for found in run] for run in flags]


def _watch(name: str, job: Job) -> Callable[[Iterable[Block]], Iterator[Flags]]:
    if name == CUSUM:
        return Cusum(job.reference, len(job.runs[0][0].codes), job.features).watch
    return rule(name, Plain(job.reference), job.features)


def _ours(name: str, job: Job) -> Answer:
    watch = _watch(name, job)
    began = time.process_time()
    flags = [list(_until(watch(run), job.watch)) for run in job.runs]
    seconds = (time.process_time() - began) / sum(map(len, flags))
    return Answer(f"scipy {scipy.__version__}", seconds, flags)


def _until(flags: Iterable[Flags], watch: int | None) -> Iterator[Flags]:
    for found in flags:
        yield found
        if watch in found:
            return


def _false_alarms(name: str, said: Answer, size: Size) -> Row:
    flags = said.flags[0]
    value = 1_000 * sum(map(bool, flags)) / len(flags)
    return Row(name, said.version, f"alarmed windows per 1,000, {size}", round(value, 1), len(flags))


def _delay(name: str, said: Answer, case: Case, size: Size) -> Row:
    """The mean number of windows to the first flag; a run that found nothing counts with all its windows."""
    found = [0 in run[-1] for run in said.flags]
    lengths = [len(run) for run in said.flags]
    value = round(sum(lengths) / len(lengths), 1) if any(found) else NEVER
    return Row(name, said.version, f"delay in windows, {case.name}, {size}", value, sum(lengths), found.count(False))


def _speed(name: str, said: Answer, size: Size) -> Row:
    value = round(size.rows / said.seconds)
    return Row(
        name,
        said.version,
        f"rows per second of one core, {LAYOUT.features} features, {size}",
        value,
        len(said.flags[0]),
    )


def by_case(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A line for each case, a column for each detector."""
    cases = dict.fromkeys(row.case for row in rows)
    return [{"case": case, **{row.peer: _cell(row) for row in rows if row.case == case}} for case in cases]


def _cell(row: Row) -> str:
    if isinstance(row.value, str):
        return row.value
    return f"{'≥ ' if row.missed else ''}{row.value:,}"
