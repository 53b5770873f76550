"""What governance says: what is registered, who decided what, what serves."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Digest, Event, EventId, Record, UtcTime

GOVERNANCE = "driftline.governance"
DEPLOYMENTS = "driftline.deployments"
Gate = Literal["production", "canary"]
# Neither none nor all of the traffic: the one is no canary, the other a champion.
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class ModelRegistered(Event, frozen=True):
    """A bundle was verified and entered in the registry."""

    topic: ClassVar[str] = GOVERNANCE
    type: Literal["ModelRegistered"] = "ModelRegistered"
    digest: Digest
    registered_by: str
    parent: Digest | None
    run_id: EventId | None


class ApprovalRequested(Event, frozen=True):
    """`required` different people of `role`, none of them the requester, must approve `digest` for `gate`."""

    topic: ClassVar[str] = GOVERNANCE
    type: Literal["ApprovalRequested"] = "ApprovalRequested"
    approval_id: EventId
    digest: Digest
    gate: Gate
    requested_by: str
    role: str
    required: int = Field(ge=1)
    expires: UtcTime
    incident_id: EventId | None
    run_id: EventId | None


class Decision(Record):
    """One person's word on one approval."""

    subject: str
    decision: Literal["approve", "reject"]
    reason: str


class ApprovalDecided(Event, frozen=True):
    """One person decided; `state` is the approval's state after it."""

    topic: ClassVar[str] = GOVERNANCE
    type: Literal["ApprovalDecided"] = "ApprovalDecided"
    approval_id: EventId
    digest: Digest
    gate: Gate
    decided: Decision
    state: Literal["open", "approved", "rejected"]


class ModelPromoted(Event, frozen=True):
    """An approved bundle became champion."""

    topic: ClassVar[str] = GOVERNANCE
    type: Literal["ModelPromoted"] = "ModelPromoted"
    digest: Digest
    previous: Digest | None
    revision: int = Field(ge=1)
    approval_id: EventId
    approvers: tuple[str, ...]


class CanaryShare(Record):
    """A version that answers for this share of the entities."""

    digest: Digest
    share: Share


class DeploymentChanged(Event, frozen=True):
    """What serves now. Signed by governance; `revision` grows by one with each change of the model.

    Each revision says all of it: what it does not name does not serve. `canary` answers in the champion's place for
    the entities that `salt` chooses, `shadow` computes what the champion answers, and nobody sees it.
    """

    topic: ClassVar[str] = DEPLOYMENTS
    type: Literal["DeploymentChanged"] = "DeploymentChanged"
    revision: int = Field(ge=1)
    champion: Digest
    previous: Digest | None
    approval_id: EventId
    canary: CanaryShare | None = None
    shadow: Digest | None = None
    salt: str = Field(default="", max_length=64)
