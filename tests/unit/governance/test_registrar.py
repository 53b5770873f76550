"""Every change of state: what it writes, logs and says, and that it does so once."""

from datetime import timedelta

import pytest

from services.governance.domain.approval import Approval
from services.governance.domain.audit import verify
from services.governance.domain.errors import Conflict, NotFound
from services.governance.domain.registry import challenger
from services.governance.store import approvals, log, outbox, registry, views
from services.governance.store.desk import Desk
from services.governance.store.registrar import Word
from shared.cloudevents import decode, verified
from shared.events import ApprovalDecided, DeploymentChanged, Event, ModelPromoted
from shared.signing import Trust
from tests.bundles import as_read
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import EVALUATED, INCIDENT, NOON, RUN, START, StandingClock, evaluated, kinds


def said(desk: Desk) -> list[Event]:
    """What waits to be sent, each checked to be signed by governance."""
    trust = Trust(desk.settings.trust)
    with desk.database.read() as connection:
        messages = [entry.message for entry in outbox.waiting(connection, 1_000)]
    for message in messages:
        verified(as_read(message), trust, "governance")
    return [decode(as_read(message)) for message in messages]


def approve(desk: Desk, approval: Approval, *people: str) -> Approval:
    for name in people:
        approval = desk.registrar.decide(
            approval.approval_id, Word(name, "approver", approval.digest, "approve", "good")
        )
    return approval


def promote_champion(desk: Desk, bundles: Bundles) -> Approval:
    desk.register(bundles.champion, "olive")
    approval, _ = desk.registrar.request("small", bundles.champion, "olive")
    return approve(desk, approval, "ada", "grace")


def test_registering_twice_gives_the_same_answer_and_one_event(desk: Desk, bundles: Bundles) -> None:
    first, new = desk.register(bundles.champion, "olive")
    again, new_again = desk.register(bundles.champion, "someone-else")
    assert (new, new_again) == (True, False)
    assert first == again
    assert kinds(said(desk)) == ["ModelRegistered"]
    assert said(desk)[0].time == START, "a manual registration happens at the end of its data, not at a clock's time"


def test_asking_twice_gives_the_open_request(desk: Desk, bundles: Bundles) -> None:
    desk.register(bundles.champion, "olive")
    first, new = desk.registrar.request("small", bundles.champion, "olive")
    again, new_again = desk.registrar.request("small", bundles.champion, "oscar")
    assert (new, new_again) == (True, False)
    assert first == again
    assert kinds(said(desk)) == ["ModelRegistered", "ApprovalRequested"]


def test_only_what_is_registered_can_be_asked_for(desk: Desk, bundles: Bundles) -> None:
    with pytest.raises(NotFound, match="model"):
        desk.registrar.request("small", bundles.champion, "olive")
    desk.register(bundles.champion, "olive")
    desk.register(bundles.other, "olive")
    with pytest.raises(NotFound, match="digest"):
        desk.registrar.request("small", bundles.other, "olive")


def test_the_second_approval_promotes_and_says_so_in_order(desk: Desk, bundles: Bundles) -> None:
    approval = promote_champion(desk, bundles)
    events = said(desk)
    assert kinds(events) == [
        "ModelRegistered",
        "ApprovalRequested",
        "ApprovalDecided",
        "ApprovalDecided",
        "ModelPromoted",
        "DeploymentChanged",
    ]
    decided = [event for event in events if isinstance(event, ApprovalDecided)]
    assert [(event.decided.subject, event.state) for event in decided] == [("ada", "open"), ("grace", "approved")]
    promoted, changed = events[-2], events[-1]
    assert isinstance(promoted, ModelPromoted)
    assert promoted.approvers == ("ada", "grace")
    assert isinstance(changed, DeploymentChanged)
    assert (changed.revision, changed.champion, changed.previous) == (1, bundles.champion, None)
    assert changed.approval_id == approval.approval_id
    assert {event.time for event in events} == {START}


def test_a_reject_promotes_nothing(desk: Desk, bundles: Bundles) -> None:
    desk.register(bundles.champion, "olive")
    approval, _ = desk.registrar.request("small", bundles.champion, "olive")
    approve(desk, approval, "ada")
    word = Word("grace", "approver", approval.digest, "reject", "not yet")
    assert desk.registrar.decide(approval.approval_id, word).state == "rejected"
    assert "DeploymentChanged" not in kinds(said(desk))
    with desk.database.read() as connection:
        assert registry.deployment(connection, "small") is None


def test_a_refused_decision_leaves_nothing_behind(desk: Desk, bundles: Bundles) -> None:
    desk.register(bundles.champion, "olive")
    approval, _ = desk.registrar.request("small", bundles.champion, "olive")
    approve(desk, approval, "ada")
    before = said(desk)
    with pytest.raises(Conflict):
        approve(desk, approval, "ada")
    assert said(desk) == before
    with desk.database.read() as connection:
        kept = approvals.known_approval(connection, approval.approval_id, NOON)
        assert kept.approvers == ("ada",)


def test_after_expiry_a_new_request_starts_from_nothing(desk: Desk, bundles: Bundles, clock: StandingClock) -> None:
    desk.register(bundles.champion, "olive")
    first, _ = desk.registrar.request("small", bundles.champion, "olive")
    approve(desk, first, "ada")
    clock.now += timedelta(hours=72)
    with pytest.raises(Conflict, match="expired"):
        approve(desk, first, "grace")
    second, new = desk.registrar.request("small", bundles.champion, "olive")
    assert new
    assert second.approval_id != first.approval_id
    assert second.votes == ()
    assert approve(desk, second, "ada", "grace").state == "approved"


def test_what_serves_is_not_asked_for_again(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    with pytest.raises(Conflict, match="serves already"):
        desk.registrar.request("small", bundles.champion, "olive")


def test_a_challenger_that_passed_is_entered_and_asked_for_once(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    event = evaluated(bundles.challenger, bundles.champion)
    version = challenger(desk.bundle(bundles.challenger), event)
    for _ in range(3):
        desk.registrar.challenger(event, version)
    with desk.database.read() as connection:
        (asked,) = approvals.listed(connection, NOON, "open")
    assert (asked.digest, asked.requested_by) == (bundles.challenger, "service:retrain_trigger")
    assert (asked.incident_id, asked.run_id) == (INCIDENT, RUN)
    new = said(desk)[6:]
    assert kinds(new) == ["ModelRegistered", "ApprovalRequested"]
    assert {event.time for event in new} == {EVALUATED}
    assert approve(desk, asked, "ada", "grace").state == "approved"
    changed = said(desk)[-1]
    assert isinstance(changed, DeploymentChanged)
    assert (changed.revision, changed.champion, changed.previous) == (2, bundles.challenger, bundles.champion)
    assert changed.time == EVALUATED


def test_a_challenger_that_did_not_pass_is_recorded_only(desk: Desk, bundles: Bundles) -> None:
    desk.registrar.challenger(evaluated(bundles.challenger, passed=False), None)
    with desk.database.read() as connection:
        run = views.run(connection, RUN)
        assert run is not None
        assert run.evaluation is not None
        assert not run.evaluation.passed
        assert registry.version(connection, bundles.challenger) is None
        assert approvals.listed(connection, NOON) == []
        assert [entry.action for entry in log.every(connection)] == ["challenger.evaluated"]
    assert said(desk) == []


def test_a_challenger_that_serves_already_is_not_asked_for(desk: Desk, bundles: Bundles) -> None:
    event = evaluated(bundles.challenger, bundles.champion)
    version = challenger(desk.bundle(bundles.challenger), event)
    desk.registrar.challenger(event, version)
    with desk.database.read() as connection:
        (asked,) = approvals.listed(connection, NOON, "open")
    approve(desk, asked, "ada", "grace")
    again = event.model_copy(update={"id": "0" * 32})
    desk.registrar.challenger(again, version)
    with desk.database.read() as connection:
        assert approvals.listed(connection, NOON, "open") == []


def test_the_audit_log_tells_the_story_and_its_chain_is_whole(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    desk.registrar.token_issued("root", "ada", "approver", NOON + timedelta(hours=1))
    with desk.database.read() as connection:
        entries = list(log.every(connection))
        assert verify(entries, log.head(connection)) == 6
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("olive", "model.registered"),
        ("olive", "approval.requested"),
        ("ada", "approval.decided"),
        ("grace", "approval.decided"),
        ("service:governance", "model.promoted"),
        ("root", "token.issued"),
    ]
    assert entries[2].payload["reason"] == "good"
    assert {entry.at for entry in entries} == {NOON}
