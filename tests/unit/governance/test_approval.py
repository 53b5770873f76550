"""The rules of an approval, one by one."""

from datetime import timedelta

import pytest

from services.governance.domain.approval import Approval, Vote, decide, request
from services.governance.domain.errors import Conflict, NotAllowed
from services.governance.domain.promotion import promote
from services.governance.domain.registry import Version, registered
from shared.bundle import open_bundle
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import NOON, START

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def version(bundles: Bundles) -> Version:
    return registered(open_bundle(bundles.state / "bundles", bundles.champion, bundles.state / "trust"), "olive")


@pytest.fixture
def asked(version: Version) -> Approval:
    return request(version, "olive", 0, NOON)


def vote(subject: str, decision: str = "approve", after: timedelta = HOUR) -> Vote:
    return Vote.model_validate({"subject": subject, "decision": decision, "reason": "looked at it", "at": NOON + after})


def test_a_request_takes_its_rules_from_the_definition_and_its_time_from_the_cause(asked: Approval) -> None:
    assert (asked.required, asked.role, asked.state) == (2, "approver", "open")
    assert asked.time == START
    assert asked.expires == NOON + timedelta(hours=72)


def test_two_different_people_approve(asked: Approval) -> None:
    once = decide(asked, asked.digest, vote("ada"), "approver")
    assert once.state == "open"
    twice = decide(once, asked.digest, vote("grace"), "approver")
    assert (twice.state, twice.approvers) == ("approved", ("ada", "grace"))


def test_the_same_person_does_not_count_twice(asked: Approval) -> None:
    once = decide(asked, asked.digest, vote("ada"), "approver")
    with pytest.raises(Conflict, match="ada has decided already"):
        decide(once, asked.digest, vote("ada"), "approver")
    with pytest.raises(Conflict, match="ada has decided already"):
        decide(once, asked.digest, vote("ada", "reject"), "approver")


def test_who_requested_does_not_decide(asked: Approval) -> None:
    for decision in ("approve", "reject"):
        with pytest.raises(NotAllowed, match="who requested"):
            decide(asked, asked.digest, vote("olive", decision), "approver")


@pytest.mark.parametrize("role", ["operator", "admin", "viewer", "service"])
def test_only_the_role_that_the_definition_names_decides(asked: Approval, role: str) -> None:
    with pytest.raises(NotAllowed, match="only role approver"):
        decide(asked, asked.digest, vote("ada"), role)


def test_one_reject_closes_it(asked: Approval) -> None:
    once = decide(asked, asked.digest, vote("ada"), "approver")
    rejected = decide(once, asked.digest, vote("grace", "reject"), "approver")
    assert rejected.state == "rejected"
    with pytest.raises(Conflict, match="is rejected"):
        decide(rejected, asked.digest, vote("linus"), "approver")


def test_an_approved_one_takes_no_more_decisions(asked: Approval) -> None:
    once = decide(asked, asked.digest, vote("ada"), "approver")
    twice = decide(once, asked.digest, vote("grace"), "approver")
    with pytest.raises(Conflict, match="is approved"):
        decide(twice, asked.digest, vote("linus", "reject"), "approver")


def test_it_expires_at_its_hour_and_not_before(asked: Approval) -> None:
    last_moment = timedelta(hours=72) - timedelta(microseconds=1)
    assert decide(asked, asked.digest, vote("ada", after=last_moment), "approver").state == "open"
    with pytest.raises(Conflict, match="is expired"):
        decide(asked, asked.digest, vote("ada", after=timedelta(hours=72)), "approver")
    assert asked.at(NOON + timedelta(hours=72)).state == "expired"


def test_what_is_decided_does_not_expire(asked: Approval) -> None:
    rejected = decide(asked, asked.digest, vote("ada", "reject"), "approver")
    assert rejected.at(NOON + timedelta(days=365)).state == "rejected"


def test_a_decision_is_for_one_digest(asked: Approval) -> None:
    with pytest.raises(Conflict, match="digest"):
        decide(asked, "f" * 64, vote("ada"), "approver")


def test_the_next_request_for_a_digest_has_an_id_of_its_own(version: Version) -> None:
    ids = {request(version, "olive", earlier, NOON).approval_id for earlier in range(3)}
    assert len(ids) == 3
    assert request(version, "other", 0, NOON + HOUR).approval_id in ids


def test_an_approved_request_becomes_the_next_revision(asked: Approval) -> None:
    approved = asked.model_copy(update={"state": "approved", "votes": (vote("ada"), vote("grace"))})
    first = promote(approved, None, NOON)
    assert (first.revision, first.champion, first.previous) == (1, asked.digest, None)
    assert first.time == asked.time
    follower = approved.model_copy(update={"digest": "e" * 64})
    second = promote(follower, first, NOON)
    assert (second.revision, second.champion, second.previous) == (2, "e" * 64, asked.digest)


@pytest.mark.parametrize("state", ["open", "rejected", "expired"])
def test_nothing_else_is_promoted(asked: Approval, state: str) -> None:
    with pytest.raises(Conflict, match="not approved"):
        promote(asked.model_copy(update={"state": state}), None, NOON)


def test_the_definition_may_ask_for_more_people(version: Version) -> None:
    rules = version.definition.approvals.model_copy(update={"count": 3})
    strict = version.model_copy(update={"definition": version.definition.model_copy(update={"approvals": rules})})
    approval = request(strict, "olive", 0, NOON)
    for name, state in (("ada", "open"), ("grace", "open"), ("linus", "approved")):
        approval = decide(approval, approval.digest, vote(name), "approver")
        assert approval.state == state
