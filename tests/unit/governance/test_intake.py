"""What governance hears on Kafka, and what it refuses to believe."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.governance.store import approvals, registry, views
from services.governance.store.desk import Desk
from services.governance.stream.intake import Intake
from shared.errors import Unreadable
from shared.events import Event
from shared.kafka.message import InMessage
from tests.bundles import as_read
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import (
    NOON,
    StandingClock,
    drift_of,
    evaluated,
    incident_opened,
    make_desk,
    said,
    window,
)


def heard(bundles: Bundles, event: Event, signer: str = "") -> InMessage:
    return as_read(said(bundles.state, event, signer))


async def test_a_challenger_that_passed_opens_one_approval_however_often_it_is_heard(
    desk: Desk, bundles: Bundles
) -> None:
    intake = Intake(desk)
    for _ in range(3):
        assert await intake.handle(heard(bundles, evaluated(bundles.challenger, bundles.champion))) == ()
    with desk.database.read() as connection:
        (asked,) = approvals.listed(connection, NOON, "open")
    assert asked.digest == bundles.challenger


async def test_windows_and_incidents_are_kept(desk: Desk, bundles: Bundles) -> None:
    intake = Intake(desk)
    await intake.handle(heard(bundles, window(0)))
    await intake.handle(heard(bundles, incident_opened()))
    with desk.database.read() as connection:
        assert len(views.incidents_of(connection, "small", "open")) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"challenger": "operator's"}, "signed by operator, not by retrain_trigger"),
        ({"model": "other"}, "is a bundle of small, not of other"),
        ({"challenger": "unknown"}, "no bundle"),
    ],
)
async def test_a_challenger_that_is_not_what_it_says_opens_nothing(
    desk: Desk, bundles: Bundles, change: dict[str, str], told: str
) -> None:
    digests = {"operator's": bundles.champion, "unknown": "f" * 64}
    event = evaluated(digests.get(change.get("challenger", ""), bundles.challenger), model=change.get("model", "small"))
    with pytest.raises(Unreadable, match=told):
        await Intake(desk).handle(heard(bundles, event))
    with desk.database.read() as connection:
        assert approvals.listed(connection, NOON) == []
        assert registry.all_models(connection) == []


async def test_a_challenger_whose_files_were_changed_opens_nothing(
    bundles: Bundles, tmp_path: Path, clock: StandingClock
) -> None:
    state = tmp_path / "state"
    shutil.copytree(bundles.state, state)
    model = state / "bundles" / bundles.challenger / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    desk = make_desk(state, tmp_path / "own.db", clock)
    with pytest.raises(Unreadable, match="digest"):
        await Intake(desk).handle(heard(bundles, evaluated(bundles.challenger)))
    with desk.database.read() as connection:
        assert approvals.listed(connection, NOON) == []


async def test_a_window_that_could_not_be_drawn_is_unreadable(desk: Desk, bundles: Bundles) -> None:
    broken = drift_of("temp", 0.1).model_copy(update={"counts": (1, 2)})
    event = window(0).model_copy(update={"numeric": (broken,)})
    with pytest.raises(Unreadable, match=r"temp\.counts"):
        await Intake(desk).handle(heard(bundles, event))


async def test_nonsense_is_unreadable(desk: Desk, bundles: Bundles) -> None:
    good = heard(bundles, window(0))
    for bad in (replace(good, value=b"\xff\xfe"), replace(good, value=None), replace(good, headers=())):
        with pytest.raises(Unreadable):
            await Intake(desk).handle(bad)


@pytest.mark.parametrize("signer", ["drift_detection", "governance", "operator"])
async def test_figures_that_retrain_trigger_did_not_sign_are_not_believed(
    desk: Desk, bundles: Bundles, signer: str
) -> None:
    with pytest.raises(Unreadable, match="expected retrain_trigger"):
        await Intake(desk).handle(heard(bundles, evaluated(bundles.challenger), signer))
    genuine = heard(bundles, evaluated(bundles.challenger))
    better = replace(genuine, value=(genuine.value or b"").replace(b"0.475", b"0.375"))
    with pytest.raises(Unreadable, match="not a valid signature"):
        await Intake(desk).handle(better)
    with desk.database.read() as connection:
        assert approvals.listed(connection, NOON) == []
