import zlib
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import pytest

from services.drift_detection.domain.alarm.incidents import QUIET
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.windows import Merged, merge, window_id
from shared.events import (
    DeploymentChanged,
    DriftDetected,
    DriftResolved,
    DriftRetracted,
    PerformanceEstimated,
    WindowClosed,
    WindowRevised,
)
from shared.events.base import stable_id
from shared.reference.panes import moment
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, hours, watched

FIRST = int(START.astype(np.int64))


def window(hour: int, shift: float = 0.0, *, rows: int = 30, role: str = "champion", digest: str = DIGEST) -> Merged:
    _, there, scores = hours(hour, 1)
    there.numeric[:, 0] += shift
    sketch = watched().reference.empty_sketch()
    sketch.add(there[slice(0, rows)], scores[:rows], watched().reference.measure)
    return merge(WindowKey(FIRST + hour * HOUR, digest, role), [Partial(sketch, 0)], watched(digest))


def publish(watch: ModelWatch, *windows: Merged) -> None:
    for one in windows:
        watch.publish(one)
        watch.judge()


def kinds(watch: ModelWatch) -> list[str]:
    return [event.type for event in watch.outbox if event.type != "PerformanceEstimated"]


def restarted(watch: ModelWatch, *kept: Merged) -> ModelWatch:
    """After a restart the windows that may still change are given to it again, as the engine does."""
    again = ModelWatch(ModelRecord.model_validate_json(watch.store().model_dump_json()))
    publish(again, *kept)
    return again


@pytest.fixture
def watch() -> ModelWatch:
    return ModelWatch(ModelRecord(model="pumps"))


def deployed(champion: str, revision: int) -> DeploymentChanged:
    return DeploymentChanged(
        id=stable_id(revision),
        model="pumps",
        time=moment(FIRST),
        revision=revision,
        champion=champion,
        previous=None,
        approval_id=stable_id("approval", revision),
    )


def test_a_window_is_closed_once_and_revised_when_its_content_changes(watch: ModelWatch) -> None:
    publish(watch, window(0, rows=20), window(0, rows=20), window(0), window(0))
    closed, unassessed, revised = watch.outbox
    assert isinstance(unassessed, PerformanceEstimated)
    assert unassessed.not_assessed
    assert isinstance(closed, WindowClosed)
    assert unassessed.window_id == closed.window_id
    assert isinstance(revised, WindowRevised)
    assert (closed.rows, revised.rows, revised.revision) == (20, 30, 1)
    assert closed.window_id == revised.window_id == window_id(WindowKey(FIRST, DIGEST, "champion"), HOUR)
    assert closed.id != revised.id
    assert closed.time == closed.end == moment(FIRST + HOUR)
    assert watch.record.published == {DIGEST: {"champion": 1}}


@pytest.mark.parametrize("restart", [False, True])
def test_a_jump_of_the_champion_is_said_after_its_window(watch: ModelWatch, restart: bool) -> None:
    publish(watch, window(0))
    watch = restarted(watch, window(0)) if restart else watch
    publish(watch, window(1, -20))
    assert kinds(watch) == ["WindowClosed", "WindowClosed", "DriftDetected"]
    detected = watch.outbox[-1]
    assert isinstance(detected, DriftDetected)
    assert [feature.name for feature in detected.features] == ["temp"]


def test_other_roles_have_windows_and_no_alarms(watch: ModelWatch) -> None:
    publish(watch, window(0, role="shadow"), window(1, -20, role="shadow"))
    assert kinds(watch) == ["WindowClosed", "WindowClosed"]


def test_late_rows_may_take_an_alarm_back_and_say_so(watch: ModelWatch) -> None:
    publish(watch, window(0), window(1, -20, rows=2))
    assert kinds(watch)[-1] == "DriftDetected"
    publish(watch, window(1, 0))
    assert kinds(watch)[-2:] == ["WindowRevised", "DriftRetracted"]
    assert isinstance(watch.outbox[-1], DriftRetracted)


def test_a_window_that_comes_late_changes_the_verdict_on_the_next(watch: ModelWatch) -> None:
    publish(watch, window(0), window(2, -20))
    publish(watch, window(1, -20))
    assert kinds(watch) == ["WindowClosed", "WindowClosed", "DriftDetected", "WindowClosed"]
    [incident] = watch.record.incidents
    assert (incident.state, incident.onset) == ("open", FIRST + HOUR)
    assert list(incident.windows) == [FIRST + HOUR]


def test_a_new_champion_ends_incidents_and_the_old_one_opens_no_more(watch: ModelWatch) -> None:
    watch.deployed(deployed(DIGEST, 1))
    publish(watch, window(0), window(1, -20))
    watch.deployed(deployed("b" * 64, 2))
    assert isinstance(watch.outbox[-1], DriftResolved)
    count = len(kinds(watch))
    publish(watch, window(2, 20))
    assert kinds(watch)[count:] == ["WindowClosed"]


def test_an_older_deployment_than_the_last_is_not_heeded(watch: ModelWatch) -> None:
    watch.deployed(deployed(DIGEST, 2))
    watch.deployed(deployed("b" * 64, 1))
    publish(watch, window(0), window(1, -20))
    assert kinds(watch)[-1] == "DriftDetected"


def test_an_incident_ends_a_day_after_the_feature_is_well(watch: ModelWatch) -> None:
    publish(watch, *(window(hour, -20 if hour == 20 else 0) for hour in range(90)))
    resolved = [event for event in watch.outbox if isinstance(event, DriftResolved)]
    assert [event.reason for event in resolved] == ["quiet"]
    # the hour after the fault alarms too: temp jumps back
    assert resolved[0].time >= moment(FIRST + 22 * HOUR + QUIET)
    assert resolved[0].time <= moment(FIRST + 73 * HOUR)


def test_an_incident_whose_feature_stays_out_of_range_stays_open(watch: ModelWatch) -> None:
    publish(watch, *(window(hour, -20 if hour >= 20 else 0) for hour in range(90)))
    assert [incident.state for incident in watch.record.incidents] == ["open"]


def test_a_finished_window_is_forgotten_but_still_what_the_next_is_judged_by(watch: ModelWatch) -> None:
    first = window(0)
    publish(watch, first)
    watch.finish([first.key])
    watch = restarted(watch)
    assert watch.is_final(first.key)
    assert not watch.has_published(first.key)
    publish(watch, window(1, -20))
    assert kinds(watch)[-1] == "DriftDetected"


def test_a_replaced_bundle_leaves_nothing_to_judge_by(watch: ModelWatch) -> None:
    windows = [window(0), window(1)]
    publish(watch, *windows)
    watch.deployed(deployed("b" * 64, 1))
    watch.finish([windows[0].key])
    assert set(watch.record.memories) == {DIGEST}
    watch.finish([windows[1].key])
    assert (watch.record.memories, watch.record.days) == ({}, {})


def test_what_was_decided_but_not_sent_survives_a_restart(watch: ModelWatch) -> None:
    publish(watch, window(0), window(1, -20))
    again = restarted(watch)
    assert again.outbox == watch.outbox
    again.sent(2)
    assert restarted(again).outbox == watch.outbox[2:]


def test_each_stored_version_is_higher(watch: ModelWatch) -> None:
    assert [watch.store().version for _ in range(3)] == [1, 2, 3]


def sequence(watch: ModelWatch, windows: Sequence[Merged]) -> list[str]:
    publish(watch, *windows)
    return [event.model_dump_json() for event in watch.outbox]


def test_a_watch_restarted_at_each_step_says_the_same(watch: ModelWatch) -> None:
    windows = [window(hour, -20 if hour >= 6 else 0) for hour in range(10)]
    straight = sequence(ModelWatch(ModelRecord(model="pumps")), windows)
    for number, one in enumerate(windows):
        publish(watch, one)
        watch = restarted(watch, *windows[: number + 1])
    assert [event.model_dump_json() for event in watch.outbox] == straight


def test_the_memory_of_a_release_with_other_bets_is_begun_anew(watch: ModelWatch) -> None:
    first = window(0)
    publish(watch, first)
    watch.finish([first.key])
    record = watch.store()
    record.memories = dict.fromkeys(record.memories, b64encode(zlib.compress(b"other")).decode())
    again = ModelWatch(record)
    publish(again, window(1), window(2, -20))
    assert "DriftDetected" in kinds(again)


def test_a_pane_that_has_to_wait_is_judged_later(watch: ModelWatch) -> None:
    for one in (window(0), window(1, -20)):
        watch.publish(one)
    watch.judge(before=FIRST + HOUR)
    watch.judge(before=FIRST + HOUR)
    assert "DriftDetected" not in kinds(watch)
    watch.judge()
    [detected] = [event for event in watch.outbox if isinstance(event, DriftDetected)]
    assert detected.start == moment(FIRST + HOUR)


def test_so_many_panes_at_a_time_are_judged_as_all_at_once(watch: ModelWatch) -> None:
    windows = [window(hour, -20 if hour in {2, 3} else 0) for hour in range(6)]
    for one in windows:
        watch.publish(one)
    assert [watch.judge(None, 2) for _ in range(3)] == [True, True, False]
    at_once = ModelWatch(ModelRecord(model="pumps"))
    for one in windows:
        at_once.publish(one)
    assert not at_once.judge()
    assert [event.id for event in watch.outbox] == [event.id for event in at_once.outbox]
    assert "DriftDetected" in kinds(watch)
