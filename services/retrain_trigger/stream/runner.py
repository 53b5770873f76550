"""The runs after their first decision: they wait for labels, then the worker does their steps, one run at a time."""

import asyncio
import shutil
from dataclasses import asdict
from datetime import datetime
from functools import partial

from pydantic import ValidationError
from structlog import get_logger

from services.retrain_trigger.domain.announce import Contest, evaluated, failed, started
from services.retrain_trigger.domain.decide import View, reconsider
from services.retrain_trigger.domain.runs import STEPS, Run, Step
from services.retrain_trigger.pipeline.job import ALWAYS, Job, LogAway, Pinned, Places
from services.retrain_trigger.pipeline.origin import code_commit
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal, Result
from services.retrain_trigger.stream.bundles import Champions
from services.retrain_trigger.stream.intake import LabelledTo
from services.retrain_trigger.stream.worker import run_worker
from shared.definition import parse_definition
from shared.errors import DriftlineError, InvalidInput, first_problem
from shared.events import Event

log = get_logger()
SERVICE = "retrain_trigger"
LONGEST_REST = 600.0  # seconds


class Runner:
    """Moves runs on, for ever; one that was under way when the service ended goes on after its last finished step."""

    def __init__(self, settings: Settings, journal: Journal, champions: Champions, labelled_to: LabelledTo) -> None:
        self._settings = settings
        self._journal = journal
        self._champions = champions
        self._labelled_to = labelled_to
        self._news = asyncio.Event()
        self._tries: dict[str, int] = {}  # of a run's step that could not read the feature log
        self._resting: set[str] = set()  # the runs that wait to be tried again

    def wake(self) -> None:
        """Something may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled; a run's worker ends with it."""
        self._sweep()
        while True:
            self._news.clear()
            await self.look()
            for run in self._journal.runs_in("running"):
                if run.run_id not in self._resting:
                    await self._execute(run)
            try:
                async with asyncio.timeout(self._settings.poll_seconds if self._journal.runs_in("waiting") else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Decide on the runs that wait."""
        for run in self._journal.runs_in("waiting"):
            labelled_to = None
            if run.labelled_at is not None:
                labelled_to = await self._labelled_to(run.model, run.onset or ALWAYS, run.labelled_at)
            if run in self._journal.runs_in("waiting"):  # an event may have ended it meanwhile
                self._reconsider(run, labelled_to)

    def _reconsider(self, run: Run, labelled_to: datetime | None) -> None:
        was_replaced = self._journal.was_replaced(run.model, run.digest)
        outcome = reconsider(run, View(was_replaced=was_replaced, labelled_to=labelled_to))
        if outcome is not None:
            self._journal.record(outcome.run, outcome.event)
            log.info("decided", run=run.run_id, decision=outcome.event.decision, why=outcome.event.reason)

    async def _execute(self, run: Run) -> None:
        try:
            job = await self._job(run)
            done = self._journal.results(run.run_id)
            await run_worker(job, done, partial(self._finished, run, job), self._settings.run_seconds)
        except LogAway as error:
            self._put_off(run, str(error))
        except DriftlineError as error:
            self._fail(run, str(error))
        except ValidationError as error:  # of the job, or of what a step gave
            self._fail(run, ": ".join(first_problem(error, "job")))
        self._sweep()

    def _put_off(self, run: Run, reason: str) -> None:
        tries = self._tries[run.run_id] = self._tries.get(run.run_id, 0) + 1
        if tries >= self._settings.read_tries:
            self._fail(run, reason)
            return
        seconds = min(self._settings.poll_seconds * 2.0 ** min(tries, 20), LONGEST_REST)
        log.warning("run put off", run=run.run_id, seconds=seconds, tries=tries, why=reason)
        self._resting.add(run.run_id)
        asyncio.get_running_loop().call_later(seconds, self._rested, run.run_id)

    def _rested(self, run_id: str) -> None:
        self._resting.discard(run_id)
        self._news.set()

    def _sweep(self) -> None:
        """Remove what the steps of ended runs have left."""
        running = {run.run_id for run in self._journal.runs_in("running")}
        for folder in self._settings.work.glob("*"):
            if folder.name not in running:
                shutil.rmtree(folder, ignore_errors=True)

    async def _job(self, run: Run) -> Job:
        if run.wait_until is None or run.labelled_at is None:
            raise InvalidInput("wait_until", f"run {run.run_id} was begun without it")
        settings = self._settings
        return Job(
            places=Places.of(settings, settings.work / run.run_id),
            definition=await self._champions.definition(run.digest),
            champion=run.digest,
            start=ALWAYS,
            end=run.wait_until,
            as_of=run.labelled_at,
            signer=SERVICE,
            code_commit=await asyncio.to_thread(code_commit, settings.code_commit),
        )

    def _finished(self, run: Run, job: Job, step: Step, result: Result) -> None:
        events: list[Event] = []
        if step == "pin":
            pinned = Pinned.model_validate(result)
            events.append(started(run, pinned.pin))
            left_out = asdict(pinned.labels_left_out)
            log.info("rows pinned", run=run.run_id, rows=pinned.pin.rows, left_out=left_out, retired=pinned.retired)
        if step == "bundle":
            contest = _contest(job, self._journal.results(run.run_id), result["digest"])
            run = run.model_copy(update={"state": "evaluated", "reason": contest.reason})
            events.append(evaluated(run, contest))
        self._journal.finish_step(run, step, result, *events)
        self._tries.pop(run.run_id, None)
        self._news.set()
        log.info("step finished", run=run.run_id, step=step)

    def _fail(self, run: Run, reason: str) -> None:
        if run not in self._journal.runs_in("running"):
            log.warning("worker failed after its last step", run=run.run_id, why=reason)
            return
        done = self._journal.results(run.run_id)
        step = next(step for step in STEPS if step not in done)
        after = run.model_copy(update={"state": "failed", "reason": f"{step}: {reason}"})
        self._journal.record(after, failed(after, step, reason))
        log.error("run failed", run=run.run_id, step=step, why=reason)


def _contest(job: Job, results: dict[Step, Result], digest: str) -> Contest:
    pinned, found = Pinned.model_validate(results["pin"]), results["evaluate"]
    gate = parse_definition(job.definition).gate
    return Contest(
        metric=gate.metric,
        margin=gate.margin,
        champion=found["champion"],
        challenger=found["challenger"],
        challenger_digest=digest,
        holdout_start=pinned.holdout_start,
        holdout_end=job.end,
        holdout_rows=pinned.holdout_rows,
        passed=found["passed"],
        reason=found["reason"],
    )
