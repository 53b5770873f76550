"""What an approved request changes: the next revision of what serves."""

from datetime import datetime

from services.governance.domain.approval import PRODUCTION, Approval
from services.governance.domain.errors import Conflict
from services.governance.domain.registry import Deployment


def promote(approval: Approval, current: Deployment | None, now: datetime) -> Deployment:
    """The deployment that follows `current`; what ran beside the champion before has ended.

    Raises:
        Conflict: the approval is not approved, or not for production.
    """
    if approval.gate != PRODUCTION:
        raise Conflict("approval_id", f"the approval is for {approval.gate}, not for {PRODUCTION}")
    if approval.state != "approved":
        raise Conflict("approval_id", f"the approval is {approval.state}, not approved")
    return Deployment(
        model=approval.model,
        revision=current.revision + 1 if current else 1,
        champion=approval.digest,
        previous=current.champion if current else None,
        approval_id=approval.approval_id,
        approvers=approval.approvers,
        time=approval.time,
        at=now,
    )
