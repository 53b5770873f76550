"""What people may do, and what they did: tokens and the audit log."""

from datetime import UTC, datetime
from typing import Annotated, Self, cast

from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator

from services.governance.api.edge import Admin, Auditor, Body, Office, problems
from services.governance.domain.audit import Entry
from services.governance.store import log
from shared.events.base import UtcTime
from shared.signing import load_private_key
from shared.tokens import RoleName, TokenVerifier, issue

router = APIRouter(prefix="/v1", tags=["people"])
# Lower case alone, so that no one is two people.
SUBJECT = r"^(service:)?[a-z0-9][a-z0-9._@+-]{0,126}$"


class TokenRequest(Body):
    """Who the token is for, what they may do, and for how long."""

    subject: str = Field(pattern=SUBJECT)
    role: RoleName
    hours: float = Field(ge=0.1, le=24 * 365, strict=True)

    @model_validator(mode="after")
    def _services_are_no_people(self) -> Self:
        if self.subject.startswith("service:") != (self.role == "service"):
            raise ValueError("role: service goes with a subject `service:<name>`, and no other role does")
        return self


class IssuedToken(Body):
    """The token is shown once and kept nowhere."""

    token: str
    subject: str
    role: RoleName
    expires: UtcTime


class AuditQuery(Body):
    """At most `limit` entries, those with a seq below `before`."""

    before: int | None = Field(default=None, ge=1, le=2**53)
    limit: int = Field(default=100, ge=1, le=1_000)


@router.post("/tokens", status_code=201, responses=problems(413))
def issue_token(body: TokenRequest, who: Admin, office: Office, request: Request) -> IssuedToken:
    """Issue a token that every service accepts until it expires."""
    key = load_private_key(office.settings.keys / "governance.pem")
    token = issue(key, body.subject, body.role, body.hours)
    told = cast(TokenVerifier, request.app.state.tokens).verify(token)
    expires = datetime.fromtimestamp(told.expires, UTC)
    office.registrar.token_issued(who.subject, body.subject, body.role, expires)
    return IssuedToken(token=token, subject=body.subject, role=body.role, expires=expires)


@router.get("/audit", responses=problems())
def list_audit(query: Annotated[AuditQuery, Query()], _: Auditor, office: Office) -> list[Entry]:
    """The audit log, newest entry first."""
    with office.database.read() as connection:
        return log.newest(connection, query.before, query.limit)
