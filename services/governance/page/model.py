"""The overview, a model, a version, an approval."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from pydantic import BaseModel, ConfigDict

from services.governance.domain.approval import Reason
from services.governance.page import cards
from services.governance.page.edge import FromThisPage, Office, Visitor
from services.governance.page.render import page
from services.governance.store import approvals, registry
from services.governance.store.registrar import Word
from shared.events.base import Digest, EventId, ModelName

router = APIRouter()


class DecisionForm(BaseModel):
    """What the approve and reject buttons send."""

    model_config = ConfigDict(extra="forbid")

    digest: Digest
    decision: Literal["approve", "reject"]
    reason: Reason


@router.get("/")
def show_overview(who: Visitor, office: Office) -> Response:
    """Every model, and the audit log's newest entries."""
    return page("overview.html", who=who, models=cards.overview(office), audit=cards.audit_tail(office, who))


@router.get("/models/{name}")
def show_model(name: ModelName, who: Visitor, office: Office) -> Response:
    """One model: what serves, what waits, what drifts."""
    return page("model.html", who=who, model=cards.model_page(office, name, who))


@router.get("/models/{name}/versions/{digest}")
def show_version(name: ModelName, digest: Digest, who: Visitor, office: Office) -> Response:
    """The lineage of one version."""
    with office.database.read() as connection:
        version = registry.known_version(connection, name, digest)
        asked = approvals.of_version(connection, digest, office.clock())
        served = [entry for entry in registry.deployments_of(connection, name, 1_000) if entry.champion == digest]
        parent = registry.version(connection, version.parent) if version.parent else None
    return page("version.html", who=who, version=version, approvals=asked, served=served, parent=parent)


@router.post("/approvals/{approval_id}/decision", dependencies=[FromThisPage])
def decide(approval_id: EventId, form: Annotated[DecisionForm, Form()], who: Visitor, office: Office) -> Response:
    """Approve or reject, and show the model as it stands then."""
    word = Word(who.subject, who.role, form.digest, form.decision, form.reason.strip())
    approval = office.registrar.decide(approval_id, word)
    return page("model.html", who=who, model=cards.model_page(office, approval.model, who))


@router.get("/audit")
def show_audit(who: Visitor, office: Office, before: Annotated[int | None, Query(ge=1, le=2**53)] = None) -> Response:
    """The audit log, newest first."""
    return page("audit.html", who=who, audit=cards.audit_tail(office, who, before))
