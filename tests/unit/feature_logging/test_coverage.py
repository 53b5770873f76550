"""How labels came, per day, on real tables."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from services.feature_logging.store.labels import coverage as coverage_module
from services.feature_logging.store.labels.coverage import Coverage
from shared.errors import InvalidInput
from tests.unit.feature_logging.pairing import L, Worker, at, labelled, predicted, uuid7
from tests.unit.feature_logging.samples import MODEL, START

A, B, C, D = (uuid7(number) for number in range(1, 5))
DAY = START.date()


async def fill(tables: Path) -> None:
    """Three rows on the first day, one on the second; two of the first are labelled, one is corrected the next day."""
    worker = Worker(tables)
    await worker.read(predicted(0, A, B, C), predicted(1, D, minutes=1_500))
    await worker.read(predicted(2, A, role="shadow"))
    await worker.read(labelled(0, L(A, 1, 60), L(B, 0, 120), L(A, 1, 60), L("unknown", 1, 90), L(uuid7(9), 1, 90)))
    await worker.read(labelled(1, L(A, 0, 1_500), L(C, 9.5, 70, kind="business"), L(C, 1, -5), L(B, 1, 100)))


@pytest.mark.parametrize("block", [1, 50_000])
async def test_days_tell_coverage_lags_corrections_and_unknown_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(coverage_module, "BLOCK", block)
    await fill(tmp_path)
    coverage = Coverage(tmp_path)
    days = coverage.days(MODEL)
    assert [day.day for day in days] == [DAY + timedelta(days=number) for number in range(-5, 2)]
    first, second = days[-2:]
    assert (first.predictions, first.labelled, first.coverage) == (3, 2, 2 / 3)
    assert (first.corrections, first.business) == (1, 1)
    assert {lag.share: lag.seconds for lag in first.lags} == pytest.approx(
        {0.1: 3_600, 0.25: 3_600, 0.5: 3_600, 0.75: 7_200, 0.9: 7_200, 0.99: 7_200}, rel=0.011
    )
    assert (first.labels, first.unknown, first.untold) == (6, 1, 1)
    assert (second.predictions, second.labelled, second.lags, second.labels, second.unknown) == (1, 0, (), 1, 0)
    before = days[-3]
    assert (before.predictions, before.labels, before.unknown) == (0, 1, 0)  # older than its row, which is known
    assert coverage.days(MODEL, DAY, DAY) == [first]


@pytest.mark.parametrize(
    ("label", "untold"),
    [
        (L("order", 0, 1_440), 0),  # older than the one that met it
        (L("order", 2, 7_200), 0),  # no value of the kind
        (L("order", 1, -2_880), 0),  # older than its row
        (L("order", 1, 1_440, row=1), 1),
        (L("order", 1, -60 * 24 * 32), 1),  # so far from its row that its pair is not looked for
    ],
)
async def test_a_prediction_that_met_another_label_is_known_though_its_id_tells_no_time(
    tmp_path: Path, label: L, untold: int
) -> None:
    worker = Worker(tmp_path)
    await worker.read(predicted(0, "order"))
    assert await worker.read(labelled(0, L("order", 1, 4_320)))
    assert not await worker.read(labelled(1, label))
    asked = at(label.minutes).date()
    coverage = Coverage(tmp_path)
    (day,) = coverage.days(MODEL, asked, asked)
    assert (day.labels, day.unknown, day.untold) == (1, 0, untold)
    assert coverage.days(MODEL, asked, asked + timedelta(days=9))[0] == day


async def test_a_row_of_the_far_future_is_not_the_newest_day(tmp_path: Path) -> None:
    await Worker(tmp_path).read(predicted(9, uuid7(9), minutes=60 * 24 * 365 * 7_900, partition=1))
    assert len(Coverage(tmp_path).days(MODEL)) == 7  # there is no other
    await fill(tmp_path)
    assert Coverage(tmp_path).days(MODEL)[-1].day == DAY + timedelta(days=1)


@pytest.mark.parametrize("day", [date.min, date.max])
async def test_the_first_and_the_last_day_of_dates_can_be_asked_for(tmp_path: Path, day: date) -> None:
    await fill(tmp_path)
    await Worker(tmp_path).read(labelled(2, L("x", 1, minutes=-(DAY - date.min).days * 1_440 + 1)))
    (found,) = Coverage(tmp_path).days(MODEL, day, day)
    assert (found.labels, found.unknown, found.untold) == ((1, 0, 1) if day == date.min else (0, 0, 0))


@pytest.mark.parametrize(
    ("model", "first", "last", "field"),
    [("wine", None, None, "model"), (MODEL, date(2013, 3, 2), DAY, "to"), (MODEL, date(2013, 1, 29), DAY, "to")],
)
async def test_what_is_asked_wrongly_is_named(
    tmp_path: Path, model: str, first: date | None, last: date | None, field: str
) -> None:
    await fill(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        Coverage(tmp_path).days(model, first, last)
    assert refused.value.field == field
