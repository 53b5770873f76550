import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.retrain_trigger.domain.decide import View, decide
from services.retrain_trigger.domain.runs import STEPS, Run
from services.retrain_trigger.pipeline.job import LogAway
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from services.retrain_trigger.stream.runner import Runner
from shared.bundle import open_bundle
from shared.cloudevents import decode, encode
from shared.definition import parse_definition
from shared.events import ChallengerEvaluated, Event, RetrainingDecided, RetrainingFailed, RetrainingStarted
from shared.feature_log.schema import table_path
from shared.kafka.message import InMessage
from tests.unit.retrain_trigger.stand import LABELLED_AT, MODEL, WAIT_UNTIL, Stand, definition_text, incident

ROOT = Path(__file__).parents[3]
SCRIPT = """
import asyncio
from pathlib import Path
from tests.unit.retrain_trigger.test_runner import at_once, open_journal, runner
from services.retrain_trigger.settings import Settings
async def main():
    settings = Settings(state=Path({state!r}), poll_seconds=0.05)
    await runner(settings, open_journal(settings)).run()
asyncio.run(main())
"""


def open_journal(settings: Settings) -> Journal:
    return Journal(settings.journal, partial(encode, source="retrain_trigger"))


async def at_once(*_: object) -> datetime:
    """Every label is there."""
    return LABELLED_AT


def runner(settings: Settings, journal: Journal, champions: Champions | None = None) -> Runner:
    return Runner(settings, journal, champions or Champions(settings.bundles, settings.trust), at_once)


def note_incident(stand: Stand, journal: Journal, digest: str | None = None) -> Run:
    """Journal the waiting run of an incident."""
    outcome = decide(incident(digest or stand.champion), parse_definition(stand.definition), View())
    assert outcome is not None
    journal.record(outcome.run, outcome.event)
    return outcome.run


@contextlib.asynccontextmanager
async def running(settings: Settings, journal: Journal, champions: Champions | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(runner(settings, journal, champions).run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(settings: Settings, journal: Journal, champions: Champions | None = None) -> Run:
    """The run after its end."""
    async with running(settings, journal, champions), asyncio.timeout(60):
        while (run := journal.runs()[0]).is_open:  # noqa: ASYNC110  # a run ends in the journal, which has no event
            await asyncio.sleep(0.02)
    return run


def said(journal: Journal) -> list[Event]:
    sent = [entry.message for entry in journal.unsent()]
    return [decode(InMessage(out.topic, 0, 0, out.key, out.value, out.headers, 0)) for out in sent]


async def test_a_waiting_run_is_trained_evaluated_and_bundled_when_its_labels_are_there(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    run = await ended(stand.settings, journal)
    assert run.state == "evaluated"
    wait, decided, started, result = said(journal)
    assert isinstance(wait, RetrainingDecided)
    assert isinstance(decided, RetrainingDecided)
    assert (wait.decision, decided.decision) == ("wait", "run")
    assert isinstance(started, RetrainingStarted)
    assert (started.snapshot.end, started.snapshot.as_of) == (WAIT_UNTIL, LABELLED_AT)
    assert isinstance(result, ChallengerEvaluated)
    assert result.passed
    assert result.champion.digest == stand.champion
    assert result.champion.metrics["log_loss"] - result.challenger.metrics["log_loss"] > 0.01 == result.margin
    assert (result.holdout_start, result.holdout_end) == (WAIT_UNTIL - timedelta(days=2), WAIT_UNTIL)
    settings = stand.settings
    assert open_bundle(settings.bundles, result.challenger.digest, settings.trust).lineage.parent == stand.champion
    async with running(settings, journal):
        await asyncio.to_thread(until, lambda: not any(settings.work.iterdir()))


@pytest.mark.parametrize(
    ("function", "reason"),
    [("crash", "ZeroDivisionError: no such luck"), ("die", "the worker was ended by SIGKILL")],
)
async def test_a_crash_of_training_fails_the_run_with_step_and_reason(
    tmp_path: Path, function: str, reason: str
) -> None:
    stand = Stand(tmp_path, function)
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    run = await ended(stand.settings, journal)
    assert (run.state, run.reason) == ("failed", f"train: {reason}")
    failed = said(journal)[-1]
    assert isinstance(failed, RetrainingFailed)
    assert (failed.step, failed.reason) == ("train", reason)


async def test_training_that_hangs_is_ended_and_fails_the_run(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "hang")
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    run = await ended(stand.settings.model_copy(update={"run_seconds": 4.0}), journal)
    assert run.state == "failed"
    assert run.reason.endswith(": took longer than 4 s")


async def test_a_champion_that_does_not_verify_fails_the_run(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    (stand.settings.bundles / stand.champion / "model.onnx").write_bytes(b"")
    run = await ended(stand.settings, journal)
    assert run.state == "failed"
    assert run.reason.startswith("pin: digest:")


class Known(Champions):
    """Gives one definition for each digest."""

    async def definition(self, digest: str) -> str:  # noqa: ARG002  # any
        return definition_text()


def note_another(settings: Settings, journal: Journal) -> Known:
    """Journal the waiting run of an incident whose champion is in no store."""
    outcome = decide(incident(), parse_definition(definition_text()), View())
    assert outcome is not None
    journal.record(outcome.run, outcome.event)
    return Known(settings.bundles, settings.trust)


async def test_a_job_that_can_not_be_made_fails_the_run_and_not_the_service(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path).model_copy(update={"privacy_keys": 7})
    journal = open_journal(settings)
    run = await ended(settings, journal, note_another(settings, journal))
    assert run.state == "failed"
    assert run.reason.startswith("pin: log_keys: ")


async def test_a_run_is_put_off_while_the_feature_log_can_not_be_read(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    log = table_path(stand.settings.tables, MODEL, "history") / "_delta_log"
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    (log / f"{0:020}.json").write_text("rubbish")
    with capture_logs() as lines:
        async with running(stand.settings, journal):
            await asyncio.to_thread(until, lambda: tries(lines) == [1])
    assert journal.runs()[0].state == "running"


async def test_it_is_not_put_off_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_log(*_: object) -> None:
        raise LogAway("no log")

    monkeypatch.setattr("services.retrain_trigger.stream.runner.run_worker", no_log)
    settings = Settings(state=tmp_path, poll_seconds=0.01, read_tries=3)
    journal = open_journal(settings)
    with capture_logs() as lines:
        run = await ended(settings, journal, note_another(settings, journal))
    assert (run.state, run.reason) == ("failed", "pin: no log")
    assert tries(lines) == [1, 2]


def tries(lines: Sequence[MutableMapping[str, Any]]) -> list[int]:
    """The tries after which a run was put off."""
    return [line["tries"] for line in lines if line["event"] == "run put off"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", maxsplit=1)[1].split()[0] != "Z"


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Returns when the condition holds."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


async def run_until_killed(settings: Settings, enough: Callable[[], bool]) -> None:
    """Run the service as a process, and kill it as soon as it is enough."""
    script = SCRIPT.format(state=str(settings.state))
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
    try:
        await asyncio.to_thread(until, enough)
    finally:
        service.send_signal(signal.SIGKILL)
        await service.wait()


async def test_a_service_that_is_killed_while_it_trains_leaves_no_worker_and_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    diary, go = tmp_path / "diary", tmp_path / "go"
    stand = Stand(tmp_path / "state", diary=str(diary), wait_for=str(go))
    with contextlib.closing(open_journal(stand.settings)) as journal:
        note_incident(stand, journal)
    await run_until_killed(stand.settings, diary.exists)
    (worker,) = map(int, diary.read_text().split())
    until(lambda: not alive(worker), 10)
    journal = open_journal(stand.settings)
    (before,) = journal.runs()
    assert before.state == "running"
    assert set(journal.results(before.run_id)) == {"pin"}
    pinned = journal.results(before.run_id)["pin"]
    go.touch()
    run = await ended(stand.settings, journal)
    assert run.state == "evaluated"
    assert len(diary.read_text().split()) == 2
    assert journal.results(run.run_id)["pin"] == pinned
    kinds = [type(event) for event in said(journal)]
    assert kinds == [RetrainingDecided, RetrainingDecided, RetrainingStarted, ChallengerEvaluated]


async def test_a_cancelled_runner_takes_its_worker_with_it_and_the_run_goes_on_later(tmp_path: Path) -> None:
    diary, go = tmp_path / "diary", tmp_path / "go"
    stand = Stand(tmp_path / "state", diary=str(diary), wait_for=str(go))
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    async with running(stand.settings, journal):
        await asyncio.to_thread(until, diary.exists)
    assert not alive(int(diary.read_text()))
    assert journal.runs()[0].state == "running"
    go.touch()
    assert (await ended(stand.settings, journal)).state == "evaluated"


async def test_a_run_whose_last_step_was_written_is_not_done_again(tmp_path: Path) -> None:
    stand = Stand(tmp_path, diary=str(tmp_path / "diary"))
    journal = open_journal(stand.settings)
    note_incident(stand, journal)
    run = await ended(stand.settings, journal)
    events = said(journal)
    async with running(stand.settings, journal):
        await asyncio.sleep(0.3)
    assert said(journal) == events
    assert set(journal.results(run.run_id)) == set(STEPS)
    assert len((tmp_path / "diary").read_text().split()) == 1
