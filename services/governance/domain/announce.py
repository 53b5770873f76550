"""The events of governance: what the other services are told. Their ids depend on the cause alone."""

from typing import Literal, cast

from services.governance.domain.approval import Approval, Vote
from services.governance.domain.registry import Deployment, Version
from shared.events import (
    ApprovalDecided,
    ApprovalRequested,
    Decision,
    DeploymentChanged,
    ModelPromoted,
    ModelRegistered,
    stable_id,
)


def registered(version: Version) -> ModelRegistered:
    """A bundle was verified and entered."""
    return ModelRegistered(
        id=stable_id(version.digest, "ModelRegistered"),
        time=version.time,
        model=version.model,
        digest=version.digest,
        registered_by=version.registered_by,
        parent=version.parent,
        run_id=version.run_id,
    )


def requested(approval: Approval) -> ApprovalRequested:
    """People are asked to decide."""
    return ApprovalRequested(
        id=stable_id(approval.approval_id, "ApprovalRequested"),
        time=approval.time,
        model=approval.model,
        approval_id=approval.approval_id,
        digest=approval.digest,
        gate=approval.gate,
        requested_by=approval.requested_by,
        role=approval.role,
        required=approval.required,
        expires=approval.expires,
        incident_id=approval.incident_id,
        run_id=approval.run_id,
    )


def decided(approval: Approval, vote: Vote) -> ApprovalDecided:
    """One of them has; `approval` is as it stands after the vote."""
    return ApprovalDecided(
        id=stable_id(approval.approval_id, "ApprovalDecided", vote.subject),
        time=approval.time,
        model=approval.model,
        approval_id=approval.approval_id,
        digest=approval.digest,
        gate=approval.gate,
        decided=Decision(subject=vote.subject, decision=vote.decision, reason=vote.reason),
        state=cast(Literal["open", "approved", "rejected"], approval.state),
    )


def promoted(deployment: Deployment) -> ModelPromoted:
    """A version became champion."""
    return ModelPromoted(
        id=stable_id(deployment.model, deployment.revision, "ModelPromoted"),
        time=deployment.time,
        model=deployment.model,
        digest=deployment.champion,
        previous=deployment.previous,
        revision=deployment.revision,
        approval_id=deployment.approval_id,
        approvers=deployment.approvers,
    )


def deployed(deployment: Deployment) -> DeploymentChanged:
    """What serves now: what the other services act on."""
    return DeploymentChanged(
        id=stable_id(deployment.model, deployment.revision, "DeploymentChanged"),
        time=deployment.time,
        model=deployment.model,
        revision=deployment.revision,
        champion=deployment.champion,
        previous=deployment.previous,
        approval_id=deployment.approval_id,
        canary=deployment.canary,
        shadow=deployment.shadow,
        salt=deployment.salt,
    )
