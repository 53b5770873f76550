"""Approvals and the votes on them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, insert, select, true, update

from services.governance.domain.approval import Approval, State, Vote
from services.governance.domain.errors import NotFound
from services.governance.store.tables import approvals, votes

_VOTE = (votes.c.subject, votes.c.decision, votes.c.reason, votes.c.at)


def approval(connection: Connection, approval_id: str, now: datetime) -> Approval | None:
    """An approval as it stands at `now`."""
    found = _read(connection, approvals.c.approval_id == approval_id, now, 1)
    return found[0] if found else None


def known_approval(connection: Connection, approval_id: str, now: datetime) -> Approval:
    """An approval as it stands at `now`; raises NotFound."""
    found = approval(connection, approval_id, now)
    if found is None:
        raise NotFound("approval_id", f"no approval {approval_id}")
    return found


def listed(
    connection: Connection, now: datetime, state: State | None = None, model: str | None = None, limit: int = 100
) -> list[Approval]:
    """Approvals as they stand at `now`, newest request first."""
    conditions: list[ColumnElement[bool]] = [true()]
    if model is not None:
        conditions.append(approvals.c.model == model)
    if state is not None:
        conditions.append(approvals.c.state == ("open" if state == "expired" else state))
    if state == "open":
        conditions.append(approvals.c.expires > now)
    if state == "expired":
        conditions.append(approvals.c.expires <= now)
    return _read(connection, and_(*conditions), now, limit)


def of_version(connection: Connection, digest: str, now: datetime) -> list[Approval]:
    """All approvals of a digest, newest request first."""
    return _read(connection, approvals.c.digest == digest, now, 1_000)


def add(connection: Connection, new: Approval) -> None:
    """Enter a new request."""
    connection.execute(insert(approvals).values(**new.model_dump(exclude={"votes"})))


def add_vote(connection: Connection, after: Approval, vote: Vote) -> None:
    """Enter the vote that made the approval what it is `after` it; a person's second vote is refused."""
    content = vote.model_dump()
    connection.execute(
        insert(votes).values(approval_id=after.approval_id, position=len(after.votes), **content),
    )
    this = approvals.c.approval_id == after.approval_id
    connection.execute(update(approvals).where(this).values(state=after.state))


def _read(connection: Connection, where: ColumnElement[bool], now: datetime, limit: int) -> list[Approval]:
    order = (approvals.c.requested_at.desc(), approvals.c.approval_id)
    rows = connection.execute(select(approvals).where(where).order_by(*order).limit(limit)).mappings().all()
    cast = _votes(connection, [row["approval_id"] for row in rows])
    return [Approval.model_validate({**row, "votes": cast[row["approval_id"]]}).at(now) for row in rows]


def _votes(connection: Connection, ids: Sequence[str]) -> dict[str, list[Vote]]:
    found: dict[str, list[Vote]] = {approval_id: [] for approval_id in ids}
    query = select(votes.c.approval_id, *_VOTE).where(votes.c.approval_id.in_(ids)).order_by(votes.c.position)
    for row in connection.execute(query):
        found[row.approval_id].append(Vote(subject=row.subject, decision=row.decision, reason=row.reason, at=row.at))
    return found
