"""A run that can't be made fails; one whose rows can't be read now is put off."""

import asyncio
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.retrain_trigger.domain.decide import View, decide
from services.retrain_trigger.pipeline.job import LogAway
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from shared.definition import parse_definition
from shared.feature_log.schema import table_path
from tests.unit.retrain_trigger.run_helpers import ended, note_incident, open_journal, running, until
from tests.unit.retrain_trigger.stand import MODEL, Stand, definition_text, incident


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
