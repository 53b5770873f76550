"""What people see of windows, incidents and runs."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from services.governance.domain.windows import Bar, bars
from services.governance.store import tables, views, windows
from services.governance.store.desk import Desk
from services.governance.store.windows import Span, Stream
from shared.errors import InvalidInput
from shared.events import CategoricalDrift, RetrainingFailed, stable_id
from tests.unit.governance.world import (
    INCIDENT,
    RUN,
    START,
    drift_of,
    evaluated,
    incident_closed,
    incident_opened,
    run_decided,
    window,
)

TEMP = Stream("small", "feature", "temp", "psi")
DAY = Span(START, START + timedelta(days=1))


def test_a_statistic_over_time_has_one_point_per_window(desk: Desk) -> None:
    for hour in range(5):
        desk.registrar.note(window(hour, psi=hour / 10))
    with desk.database.read() as connection:
        points = windows.series(connection, TEMP, DAY, 600)
    first = int(START.timestamp())
    assert points.times == [first + 3600 * hour for hour in range(5)]
    assert points.values == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert points.windows == [1] * 5


def test_many_windows_are_thinned_and_the_peak_stays(desk: Desk) -> None:
    for hour in range(48):
        desk.registrar.note(window(hour, psi=9.0 if hour == 31 else 0.1))
    with desk.database.read() as connection:
        two_days = Span(START, START + timedelta(days=2))
        points = windows.series(connection, TEMP, two_days, 12)
        peak = points.values.index(9.0)
        found = windows.strongest(
            connection, TEMP, START + timedelta(seconds=points.times[peak] - points.times[0]), points.bucket_seconds
        )
    assert len(points.times) == 12
    assert sum(points.windows) == 48
    assert found == window(31).window_id


def test_a_window_without_a_value_is_a_gap_not_a_zero(desk: Desk) -> None:
    desk.registrar.note(window(0, psi=None))
    desk.registrar.note(window(1, psi=0.2))
    with desk.database.read() as connection:
        assert windows.series(connection, TEMP, DAY, 600).values == [None, 0.2]
        assert windows.strongest(connection, TEMP, START, 86_400) == window(1).window_id


def test_a_revision_replaces_its_window_in_any_order(desk: Desk) -> None:
    for revision in (0, 2, 1):
        desk.registrar.note(window(0, psi=float(revision), revision=revision))
    with desk.database.read() as connection:
        assert windows.series(connection, TEMP, DAY, 600).values == [2.0]
        (listed,) = windows.listed(connection, "small", "champion", DAY, 10)
        assert listed.revision == 2
        newest = windows.window(connection, window(0).window_id)
    assert newest is not None
    assert newest.type == "WindowRevised"


def test_windows_that_ended_90_days_before_their_models_newest_are_forgotten(desk: Desk) -> None:
    for hour in (0, 1, 24 * 90, 24 * 90 + 1):
        desk.registrar.note(window(hour))
        desk.registrar.note(window(0, model="other"))
    desk.registrar.note(window(0, revision=1))  # too late
    with desk.database.read() as connection:
        kept = connection.execute(select(tables.windows.c.window_id)).scalars()
        assert set(kept) == {each.window_id for each in map(window, (1, 24 * 90, 24 * 90 + 1))} | {
            window(0, model="other").window_id
        }
        assert connection.execute(select(func.count()).select_from(tables.figures)).scalar() == 4 * 3


def test_features_come_before_scores(desk: Desk) -> None:
    desk.registrar.note(window(0))
    with desk.database.read() as connection:
        found = windows.streams(connection, "small")
    assert found == [("feature", "temp"), ("feature", "wind"), ("score", "score")]


def test_without_bounds_the_span_is_three_weeks_up_to_the_newest_window(desk: Desk) -> None:
    desk.registrar.note(window(24 * 40))
    with desk.database.read() as connection:
        span = windows.span(connection, "small", None, None)
        assert span.end == START + timedelta(days=40, hours=1)
        assert span.end - span.start == timedelta(days=21)
        with pytest.raises(InvalidInput, match="before end"):
            windows.span(connection, "small", START, START)
        with pytest.raises(InvalidInput, match="366 days"):
            windows.span(connection, "small", START, START + timedelta(days=400))


def enter_minutes(desk: Desk, count: int, features: int) -> None:
    """Enter so many windows of a minute each, past the domain: quicker, and as the tables hold them."""
    shared = {"model": "small", "role": "champion"}
    whole = {"revision": 0, "digest": "a" * 64, "rows": 9, "repeats": 0, "late_rows": 0, "payload": "", **shared}
    starts = [START + timedelta(minutes=minute) for minute in range(count)]
    ids = [f"{minute:032x}" for minute in range(count)]
    rows = [
        {**whole, "window_id": window_id, "start": start, "end": start + timedelta(minutes=1)}
        for window_id, start in zip(ids, starts, strict=True)
    ]
    figures = [
        {**shared, "window_id": window_id, "part": "feature", "name": f"f{number}", "psi": 0.1, "start_s": start_s}
        for window_id, start_s in zip(ids, (int(start.timestamp()) for start in starts), strict=True)
        for number in range(features)
    ]
    with desk.database.write() as connection:
        connection.execute(insert(tables.windows), rows)
        connection.execute(insert(tables.figures), figures)


def test_thirty_thousand_windows_are_drawn_in_a_moment(desk: Desk) -> None:
    enter_minutes(desk, 30_000, features=4)
    began = time.perf_counter()
    with desk.database.read() as connection:
        span = windows.span(connection, "small", None, None)
        points = windows.series(connection, Stream("small", "feature", "f3", "psi"), span, 600)
    assert time.perf_counter() - began < 1.0
    assert 550 < len(points.times) <= 600
    assert sum(points.windows) == 30_000


def test_neighbouring_bins_are_joined_and_their_shares_add_up() -> None:
    wide = drift_of("temp", 0.1).model_copy(
        update={
            "edges": tuple(float(edge) for edge in range(59)),
            "counts": tuple(range(60)),
            "expected": tuple([1 / 60] * 60),
        }
    )
    drawn = bars(wide)
    assert len(drawn) == 20
    assert sum(bar.window for bar in drawn) == pytest.approx(1)
    assert sum(bar.reference for bar in drawn) == pytest.approx(1)
    assert (drawn[0].label, drawn[1].label, drawn[-1].label) == ("below 2", "2 to 5", "from 56")


def test_each_category_has_its_bar() -> None:
    drift = CategoricalDrift(
        name="carrier",
        rows=4,
        missing_share=0,
        unseen_share=0,
        psi=0,
        js=0,
        chi_square=0,
        levels=("AA", "rare or unseen"),
        counts=(3, 1),
        expected=(0.5, 0.5),
    )
    assert bars(drift) == [
        Bar(label="AA", window=0.75, reference=0.5),
        Bar(label="rare or unseen", window=0.25, reference=0.5),
    ]


def test_a_window_of_no_rows_has_empty_bars() -> None:
    assert [bar.window for bar in bars(drift_of("temp", None, (0, 0, 0)))] == [0, 0, 0]


def test_an_incident_opens_rises_and_ends(desk: Desk) -> None:
    desk.registrar.note(incident_opened(severity="minor"))
    desk.registrar.note(incident_opened(revision=1, severity="major"))
    with desk.database.read() as connection:
        incident = views.incident(connection, INCIDENT)
    assert incident is not None
    assert (incident.state, incident.severity, incident.revision) == ("open", "major", 1)
    assert [feature.name for feature in (*incident.features, *incident.also_moved)] == ["temp", "wind"]
    desk.registrar.note(incident_closed())
    with desk.database.read() as connection:
        (closed,) = views.incidents_of(connection, "small", "resolved")
        assert views.incidents_of(connection, "small", "open") == []
    assert closed.closed_because == "champion_changed"
    assert closed.detected == START + timedelta(days=14, hours=1)


def test_the_end_of_an_unknown_incident_is_no_incident(desk: Desk) -> None:
    desk.registrar.note(incident_closed())
    with desk.database.read() as connection:
        assert views.incidents_of(connection) == []


def test_a_run_waits_runs_and_is_evaluated(desk: Desk) -> None:
    states = []
    for event in (run_decided("wait"), run_decided("run"), evaluated("c" * 64)):
        desk.registrar.note(event)
        with desk.database.read() as connection:
            run = views.run(connection, RUN)
        assert run is not None
        states.append(run.state)
    assert states == ["waiting", "running", "evaluated"]
    assert run is not None
    assert [decision.decision for decision in run.decisions] == ["wait", "run"]
    assert run.evaluation is not None
    assert run.evaluation.challenger.metrics["log_loss"] == 0.475


def test_a_failed_run_says_where_and_why(desk: Desk) -> None:
    desk.registrar.note(run_decided("run"))
    desk.registrar.note(
        RetrainingFailed(
            id=stable_id("failed"),
            time=START + timedelta(days=21),
            model="small",
            run_id=RUN,
            incident_id=INCIDENT,
            step="train",
            reason="too few rows",
        )
    )
    with desk.database.read() as connection:
        (run,) = views.runs_of(connection, "small")
    assert (run.state, run.failure) == ("failed", "train: too few rows")


def test_an_event_that_comes_twice_counts_once(desk: Desk) -> None:
    for _ in range(3):
        desk.registrar.note(run_decided("wait"))
    with desk.database.read() as connection:
        (run,) = views.runs_of(connection, "small")
    assert len(run.decisions) == 1
