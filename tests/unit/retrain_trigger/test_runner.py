import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.retrain_trigger.domain.runs import STEPS
from services.retrain_trigger.settings import Settings
from shared.bundle import open_bundle
from shared.events import ChallengerEvaluated, RetrainingDecided, RetrainingFailed, RetrainingStarted
from tests.integration.stack_helpers import lives
from tests.unit.retrain_trigger.run_helpers import ended, note_incident, open_journal, running, said, until
from tests.unit.retrain_trigger.stand import LABELLED_AT, WAIT_UNTIL, Stand

ROOT = Path(__file__).parents[3]
SCRIPT = """
import asyncio
from pathlib import Path
from tests.integration.stack_helpers import lives
from tests.unit.retrain_trigger.run_helpers import open_journal, runner
from services.retrain_trigger.settings import Settings
async def main():
    settings = Settings(state=Path({state!r}), poll_seconds=0.05)
    await runner(settings, open_journal(settings)).run()
asyncio.run(main())
"""


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


def is_written(diary: Path) -> bool:
    return diary.exists() and diary.read_text().endswith("\n")


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
    await run_until_killed(stand.settings, lambda: is_written(diary))
    (worker,) = map(int, diary.read_text().split())
    until(lambda: not lives(worker), 10)
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
        await asyncio.to_thread(until, lambda: is_written(diary))
    assert not lives(int(diary.read_text()))
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
