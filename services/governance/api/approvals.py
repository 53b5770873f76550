"""Approvals: asked for by operators, decided by approvers."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.governance.api.edge import Approver, Body, Office, Operator, Reader, problems
from services.governance.domain.approval import PRODUCTION, Approval, Choice, Reason, State
from services.governance.domain.runs import Run
from services.governance.store import approvals, views
from services.governance.store.registrar import Word
from shared.events import Gate
from shared.events.base import Digest, EventId, ModelName

router = APIRouter(prefix="/v1", tags=["approvals"])


class PromotionRequest(Body):
    """Which version should serve, as champion (`gate` production) or as a canary."""

    model: ModelName
    digest: Digest
    gate: Gate = PRODUCTION


class Decision(Body):
    """One person's decision on exactly this digest, and why."""

    digest: Digest
    decision: Choice
    reason: Reason


class ApprovalQuery(Body):
    """Which approvals to list."""

    state: State | None = None
    model: ModelName | None = None
    limit: int = Field(default=100, ge=1, le=1_000)


class ApprovalDetail(Approval):
    """An approval with the run that made the challenger, if one did: the figures to decide by."""

    run: Run | None


@router.post("/approvals", responses={201: {"model": Approval, "description": "Asked for"}, **problems(404, 409, 413)})
def request(body: PromotionRequest, who: Operator, office: Office, response: Response) -> Approval:
    """Ask for a version's promotion, or that it may be a canary; 201, or 200 with the open request if there is one."""
    approval, new = office.registrar.request(body.model, body.digest, who.subject, body.gate)
    response.status_code = 201 if new else 200
    return approval


@router.get("/approvals", responses=problems())
def list_approvals(query: Annotated[ApprovalQuery, Query()], _: Reader, office: Office) -> list[Approval]:
    """Approvals, newest request first."""
    with office.database.read() as connection:
        return approvals.listed(connection, office.clock(), query.state, query.model, query.limit)


@router.get("/approvals/{approval_id}", responses=problems(404))
def show_approval(approval_id: EventId, _: Reader, office: Office) -> ApprovalDetail:
    """One approval."""
    with office.database.read() as connection:
        approval = approvals.known_approval(connection, approval_id, office.clock())
        run = views.run(connection, approval.run_id) if approval.run_id else None
    return ApprovalDetail(**dict(approval), run=run)


@router.post("/approvals/{approval_id}/decision", responses=problems(404, 409, 413))
def decide(approval_id: EventId, body: Decision, who: Approver, office: Office) -> Approval:
    """Approve or reject. The last of the approvals that are required promotes the version, or lets it be a canary."""
    word = Word(who.subject, who.role, body.digest, body.decision, body.reason)
    return office.registrar.decide(approval_id, word)
