"""Schedules: five fields, in UTC."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.cron import Cron
from shared.definition import parse_definition
from shared.errors import InvalidInput
from tests.bundles import definition_text

SUNDAY = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
BATCH = '\n[serving.batch]\nschedule = "0 3 * * *"\ninput = "in/{date}"\noutput = "scores/{date}.parquet"\n'


@pytest.mark.parametrize(
    ("text", "time", "due"),
    [
        ("0 3 * * *", SUNDAY, True),
        ("0 3 * * *", SUNDAY + timedelta(minutes=1), False),
        ("*/15 1-5 * * *", SUNDAY + timedelta(minutes=45), True),
        ("0 3 * * 0", SUNDAY, True),
        ("0 3 * * 7", SUNDAY, True),
        ("0 3 * * 1-5", SUNDAY, False),
        ("0 3 15 * 0", SUNDAY, True),  # either day will do
        ("0 3 15 * *", SUNDAY, False),
        ("0,30 3 1 1,3 *", SUNDAY, True),
    ],
)
def test_a_schedule_says_when_it_is_due(text: str, time: datetime, due: bool) -> None:
    assert Cron.parse(text).matches(time) is due


@pytest.mark.parametrize("text", ["", "0 3 * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "* * 0 * *"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|minute|day"):
        Cron.parse(text)


def test_of_runs_that_were_missed_the_last_is_told() -> None:
    schedule = Cron.parse("0 * * * *")
    assert schedule.last_due(SUNDAY, SUNDAY + timedelta(minutes=150)) == SUNDAY + timedelta(hours=2)
    assert schedule.last_due(SUNDAY, SUNDAY + timedelta(minutes=59)) is None


def test_a_definition_may_have_a_batch_and_keeps_its_digest_without() -> None:
    plain = parse_definition(definition_text())
    assert "batch" not in plain.model_dump()["serving"]
    batch = parse_definition(definition_text() + BATCH).serving.batch
    assert batch is not None
    assert batch.schedule == "0 3 * * *"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (("0 3", "0 99"), "serving.batch.schedule"),
        (("in/", "/in/"), "serving.batch.input"),
        (("in/", "../in/"), "serving.batch.input"),
        (("in/{date}", "in/{secret.x}"), "serving.batch.input"),
        (("scores/{date}", "scores"), "serving.batch"),
    ],
)
def test_a_batch_that_is_wrong_is_refused_by_its_name(changed: tuple[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_definition(definition_text() + BATCH.replace(*changed))
    assert raised.value.field == field
