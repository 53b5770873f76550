"""The approval: so many different people, none of them the requester, for one bundle digest and one gate."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from services.governance.domain.errors import Conflict, NotAllowed
from services.governance.domain.registry import Version
from shared.events import Gate
from shared.events.base import Digest, EventId, ModelName, Record, UtcTime, stable_id

PRODUCTION: Gate = "production"
Choice = Literal["approve", "reject"]
State = Literal["open", "approved", "rejected", "expired"]
# Not blank, and without the character that PostgreSQL's text can't hold.
Reason = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


class Vote(Record):
    """One person's decision; `at` is wall clock."""

    subject: str
    decision: Choice
    reason: str
    at: UtcTime


class Approval(Record):
    """One request to let a bundle through a gate: to make it champion, or to let it be a canary.

    `time` is event time, that of its cause; `requested_at` and `expires` are wall clock. `state` is "expired" only
    after `at`, since expiry is a matter of who asks when.
    """

    approval_id: EventId
    model: ModelName
    digest: Digest
    gate: Gate = PRODUCTION
    requested_by: str
    role: str
    required: int = Field(ge=1)
    time: UtcTime
    requested_at: UtcTime
    expires: UtcTime
    incident_id: EventId | None = None
    run_id: EventId | None = None
    votes: tuple[Vote, ...] = ()
    state: State = "open"

    def at(self, now: datetime) -> "Approval":
        """The approval as it stands at `now`."""
        expired = self.state == "open" and now >= self.expires
        return self.model_copy(update={"state": "expired"}) if expired else self

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved, in order."""
        return tuple(vote.subject for vote in self.votes if vote.decision == "approve")


def approval_id(digest: str, gate: Gate, earlier: int) -> str:
    """The id of the request that follows `earlier` closed ones for the same digest and gate."""
    return stable_id("approval", digest, gate, *([earlier] if earlier else []))


def request(version: Version, requested_by: str, earlier: int, now: datetime, gate: Gate = PRODUCTION) -> Approval:
    """A new request for `version`, by the rules of its definition."""
    rules = version.definition.approvals
    return Approval(
        approval_id=approval_id(version.digest, gate, earlier),
        model=version.model,
        digest=version.digest,
        gate=gate,
        requested_by=requested_by,
        role=rules.role,
        required=rules.count,
        time=version.time,
        requested_at=now,
        expires=now + timedelta(hours=rules.expires_hours),
        incident_id=version.incident_id,
        run_id=version.run_id,
    )


def why_not(approval: Approval, subject: str, role: str) -> Conflict | NotAllowed | None:
    """Why this person can't decide on an approval taken `at` a time; None when they can."""
    if approval.state != "open":
        return Conflict("approval_id", f"the approval is {approval.state}")
    if role != approval.role:
        return NotAllowed("role", f"only role {approval.role} decides")
    if subject == approval.requested_by:
        return NotAllowed("subject", "who requested it does not decide on it")
    if any(vote.subject == subject for vote in approval.votes):
        return Conflict("subject", f"{subject} has decided already")
    return None


def decide(approval: Approval, digest: str, vote: Vote, role: str) -> Approval:
    """The approval after one more vote, at the vote's time.

    Raises:
        Conflict: another digest was meant, it is closed or expired, or this person has decided already.
        NotAllowed: the person requested it, or has another role.
    """
    current = approval.at(vote.at)
    if digest != current.digest:
        raise Conflict("digest", f"the approval is for {current.digest}")
    refusal = why_not(current, vote.subject, role)
    if refusal:
        raise refusal
    voted = current.model_copy(update={"votes": (*current.votes, vote)})
    if vote.decision == "reject":
        return voted.model_copy(update={"state": "rejected"})
    return voted.model_copy(update={"state": "approved" if len(voted.approvers) >= voted.required else "open"})
