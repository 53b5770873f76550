import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from services.retrain_trigger.domain.decide import Outcome, View, decide
from services.retrain_trigger.store import Journal, JournalInUse
from shared.cloudevents import decode, encode
from shared.definition import parse_definition
from shared.events import ModelPromoted, stable_id
from shared.kafka.message import InMessage
from tests.unit.retrain_trigger.stand import MODEL, ONSET, definition_text, incident

ENCODE = partial(encode, source="retrain_trigger")
A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "retrain_trigger" / "journal.db"


def waiting(number: int = 1) -> Outcome:
    outcome = decide(incident(number=number), parse_definition(definition_text()), View())
    assert outcome is not None
    return outcome


def test_what_was_recorded_is_there_after_a_restart(path: Path) -> None:
    first, second = waiting(1), waiting(2)
    journal = Journal(path, ENCODE)
    journal.record(first.run, first.event)
    journal.record(second.run, second.event)
    journal.finish_step(first.run.model_copy(update={"state": "running"}), "pin", {"rows": 3})
    journal.close()
    journal = Journal(path, ENCODE)
    assert [run.state for run in journal.runs()] == ["running", "waiting"]
    assert journal.runs_in("waiting") == [second.run]
    assert journal.run_of(first.run.incident_id) == journal.runs(MODEL)[0]
    assert journal.results(first.run.run_id) == {"pin": {"rows": 3}}
    assert journal.runs("another") == []
    assert journal.run_of("f" * 32) is None


def test_events_wait_in_order_until_they_are_marked_and_are_sent_byte_for_byte(path: Path) -> None:
    journal = Journal(path, ENCODE)
    for number in (1, 2, 3):
        journal.record(waiting(number).run, waiting(number).event)
    found = journal.unsent()
    assert [entry.message for entry in found] == [ENCODE(waiting(number).event) for number in (1, 2, 3)]
    journal.mark_sent(found[1].position)
    journal.close()
    left = Journal(path, ENCODE).unsent()
    assert [entry.message for entry in left] == [ENCODE(waiting(3).event)]
    message = left[0].message
    assert decode(InMessage(message.topic, 0, 0, message.key, message.value, message.headers, 0)) == waiting(3).event


def test_a_step_has_one_result_and_a_second_one_changes_nothing(path: Path) -> None:
    journal, run = Journal(path, ENCODE), waiting().run
    journal.finish_step(run, "pin", {"rows": 3}, waiting().event)
    with pytest.raises(sqlite3.IntegrityError):
        journal.finish_step(run.model_copy(update={"state": "failed"}), "pin", {"rows": 4})
    assert journal.results(run.run_id) == {"pin": {"rows": 3}}
    assert journal.runs() == [run]


def test_an_event_that_was_said_is_not_said_again_and_its_run_stays_as_it_was(path: Path) -> None:
    journal, outcome = Journal(path, ENCODE), waiting()
    journal.record(outcome.run, outcome.event)
    with pytest.raises(sqlite3.IntegrityError):
        journal.record(outcome.run.model_copy(update={"state": "running"}), outcome.event)
    assert journal.runs() == [outcome.run]
    assert len(journal.unsent()) == 1


def test_a_second_process_is_refused_and_may_have_the_journal_after_the_first(path: Path) -> None:
    journal = Journal(path, ENCODE)
    with pytest.raises(JournalInUse, match="in use"):
        Journal(path, ENCODE)
    code = f"import pathlib, services.retrain_trigger.store as store; store.Journal(pathlib.Path({str(path)!r}), len)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "JournalInUse" in other.stderr
    journal.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_journal_survives_a_power_cut_by_its_settings(path: Path) -> None:
    Journal(path, ENCODE).close()
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def promotion(revision: int, digest: str, previous: str | None) -> ModelPromoted:
    return ModelPromoted(
        id=stable_id("promoted", revision),
        time=ONSET,
        model=MODEL,
        digest=digest,
        previous=previous,
        revision=revision,
        approval_id=stable_id("approval", revision),
        approvers=("ada", "grace"),
    )


def test_a_champion_is_replaced_once_another_took_over_and_until_it_comes_back(path: Path) -> None:
    journal = Journal(path, ENCODE)
    assert not journal.was_replaced(MODEL, A)
    journal.promoted(promotion(1, A, None))
    assert not journal.was_replaced(MODEL, A)
    journal.promoted(promotion(2, B, A))
    journal.promoted(promotion(2, B, A))
    assert journal.was_replaced(MODEL, A)
    assert not journal.was_replaced(MODEL, B)
    journal.promoted(promotion(3, A, B))
    assert not journal.was_replaced(MODEL, A)
    assert journal.was_replaced(MODEL, B)


def test_a_champion_whose_promotion_was_not_read_yet_is_not_replaced(path: Path) -> None:
    journal = Journal(path, ENCODE)
    journal.promoted(promotion(2, B, A))
    assert not journal.was_replaced(MODEL, C)
    assert not journal.was_replaced("another", A)
