from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from services.retrain_trigger.stream.intake import WRITERS, Intake
from shared.cloudevents import decode, encode
from shared.errors import Unreadable
from shared.events import (
    DriftResolved,
    DriftRetracted,
    Event,
    ModelPromoted,
    ModelRegistered,
    RetrainingDecided,
    stable_id,
)
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer, Trust
from tests.unit.retrain_trigger.stand import LABELLED_AT, MODEL, ONSET, Stand, incident


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    return Stand(tmp_path_factory.mktemp("state"))


class Desk:
    """An intake on a journal of its own; `labelled_to` and `news` are the test's."""

    def __init__(self, stand: Stand, path: Path) -> None:
        self.journal = Journal(path / "journal.db", partial(encode, source="retrain_trigger"))
        self.labelled_to: datetime | None = None
        self.news = 0
        champions = Champions(stand.settings.bundles, stand.settings.trust)
        self._intake = Intake(self.journal, champions, self._labels, self._heard, Trust(stand.settings.trust))
        self._keys = stand.settings.keys

    async def _labels(self, *asked: object) -> datetime | None:
        self.asked = asked
        return self.labelled_to

    def _heard(self) -> None:
        self.news += 1

    async def take_raw(self, out: OutMessage) -> None:
        """Hand one message in."""
        message = InMessage(out.topic, 0, 0, out.key, out.value, out.headers, 0)
        assert await self._intake.handle(message) == ()

    async def take(self, *events: Event) -> list[tuple[str, str]]:
        """Hand events in; what was decided since the beginning, as (decision, reason)."""
        for event in events:
            writer = WRITERS[event.topic]
            out = encode(event, writer, Signer.load(self._keys, writer))
            await self.take_raw(out)
        found: list[tuple[str, str]] = []
        for entry in self.journal.unsent():
            out = entry.message
            event = decode(InMessage(out.topic, 0, 0, out.key, out.value, out.headers, 0))
            assert isinstance(event, RetrainingDecided)
            found.append((event.decision, event.reason))
        return found


@pytest.fixture
def desk(stand: Stand, tmp_path: Path) -> Desk:
    return Desk(stand, tmp_path)


async def test_an_incident_that_is_posted_twice_has_one_run_and_one_decision(stand: Stand, desk: Desk) -> None:
    event = incident(stand.champion)
    decisions = await desk.take(event, event)
    assert [decision for decision, _ in decisions] == ["wait"]
    assert len(desk.journal.runs()) == desk.news == 1


async def test_an_incident_whose_labels_are_there_runs_at_once(stand: Stand, desk: Desk) -> None:
    desk.labelled_to = LABELLED_AT
    assert [decision for decision, _ in await desk.take(incident(stand.champion))] == ["run"]
    assert desk.journal.runs()[0].state == "running"
    assert desk.asked == (MODEL, ONSET, LABELLED_AT)


async def test_an_incident_of_a_bundle_that_is_not_there_is_skipped_with_the_reason(desk: Desk) -> None:
    ((decision, reason),) = await desk.take(incident("e" * 64))
    assert decision == "skip"
    assert "no bundle" in reason


async def test_a_retracted_alarm_ends_the_wait(stand: Stand, desk: Desk) -> None:
    event = incident(stand.champion)
    told = event.model_dump(include={"model", "incident_id", "digest", "window_id"})
    over = DriftRetracted(id=stable_id("over"), time=ONSET + timedelta(hours=3), **told)
    decisions = await desk.take(event, over, over, event)
    assert [decision for decision, _ in decisions] == ["wait", "skip"]


async def test_the_end_of_an_incident_without_a_run_is_no_news(desk: Desk) -> None:
    over = DriftResolved(
        id=stable_id("over"),
        time=ONSET,
        model=MODEL,
        incident_id=stable_id("unknown"),
        digest="a" * 64,
        reason="quiet",
    )
    assert await desk.take(over) == []
    assert desk.news == 0


async def test_a_champion_that_was_replaced_is_not_retrained(stand: Stand, desk: Desk) -> None:
    promoted = ModelPromoted(
        id=stable_id("promoted"),
        time=ONSET,
        model=MODEL,
        digest="b" * 64,
        previous=stand.champion,
        revision=2,
        approval_id=stable_id("approval"),
        approvers=("ada", "grace"),
    )
    assert [word for word, _ in await desk.take(promoted, promoted, incident(stand.champion))] == ["skip"]


async def test_events_that_are_not_its_own_leave_no_trace(desk: Desk) -> None:
    registered = ModelRegistered(
        id=stable_id("registered"),
        time=ONSET,
        model=MODEL,
        digest="b" * 64,
        registered_by="ada",
        parent=None,
        run_id=None,
    )
    assert await desk.take(registered) == []
    assert desk.journal.runs() == []


async def test_an_incident_beyond_all_time_is_unreadable(stand: Stand, desk: Desk) -> None:
    with pytest.raises(Unreadable, match="onset"):
        await desk.take(incident(stand.champion, onset=datetime.fromisoformat("9999-12-31T00:00:00Z")))
    assert desk.journal.runs() == []


async def test_an_incident_of_another_model_with_a_known_id_is_unreadable(stand: Stand, desk: Desk) -> None:
    event = incident(stand.champion)
    await desk.take(event)
    with pytest.raises(Unreadable, match="incident_id: an incident of turncoat, not of other"):
        await desk.take(event.model_copy(update={"model": "other"}))
    over = event.model_dump(include={"incident_id", "digest", "window_id"})
    with pytest.raises(Unreadable, match="incident_id"):
        await desk.take(DriftRetracted(id=stable_id("over"), time=ONSET, model="other", **over))
    assert [run.state for run in desk.journal.runs()] == ["waiting"]


async def test_an_incident_that_names_another_models_bundle_is_unreadable(stand: Stand, desk: Desk) -> None:
    with pytest.raises(Unreadable, match="a bundle of turncoat, not of other"):
        await desk.take(incident(stand.champion, model="other"))
    assert desk.journal.runs() == []


@pytest.mark.parametrize("signer", [None, "inference"])
async def test_an_incident_or_promotion_that_its_service_did_not_sign_changes_nothing(
    stand: Stand, desk: Desk, signer: str | None
) -> None:
    event = incident(stand.champion)
    forged = encode(event, "drift_detection", Signer.load(stand.settings.keys, signer) if signer else None)
    with pytest.raises(Unreadable, match="driftline-"):
        await desk.take_raw(forged)
    assert desk.journal.runs() == []
