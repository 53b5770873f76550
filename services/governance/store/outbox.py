"""The outbox: events are written in the transaction that changes the state, and sent from here in that order.

The bytes are kept as they were encoded and signed, so a crash between sending and marking repeats them exactly.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from services.governance.store.tables import outbox
from shared.cloudevents import encode
from shared.events import Event
from shared.kafka.admin import DEPLOYMENTS
from shared.kafka.message import OutMessage
from shared.signing import Signer


@dataclass(frozen=True)
class Waiting:
    """An event not yet marked as sent."""

    position: int
    message: OutMessage


def put(connection: Connection, events: Sequence[Event], signer: Signer) -> None:
    """Queue events, signed by governance."""
    for event in events:
        message = encode(event, "governance", signer)
        headers = [[name, base64.b64encode(value).decode()] for name, value in message.headers]
        connection.execute(
            insert(outbox).values(
                event_id=event.id, topic=message.topic, key=message.key, value=message.value, headers=headers
            )
        )


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """The oldest events not yet sent, in order."""
    query = select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.position).limit(limit)
    return [
        Waiting(
            row.position,
            OutMessage(
                row.topic,
                row.value,
                row.key,
                tuple((name, base64.b64decode(value)) for name, value in row.headers),
            ),
        )
        for row in connection.execute(query)
    ]


def backlog(connection: Connection) -> int:
    """How many events are not yet sent."""
    return int(connection.execute(select(func.count()).where(outbox.c.sent_at.is_(None))).scalar_one())


def send_again(connection: Connection, event_ids: Sequence[str]) -> None:
    """Queue events that were sent before once more, byte by byte the same."""
    connection.execute(update(outbox).where(outbox.c.event_id.in_(event_ids)).values(sent_at=None))


def mark(connection: Connection, up_to: int, at: datetime) -> None:
    """All events up to this position are acknowledged."""
    due = (outbox.c.position <= up_to) & outbox.c.sent_at.is_(None)
    connection.execute(update(outbox).where(due).values(sent_at=at))


def prune(connection: Connection, before: datetime) -> None:
    """Forget events sent before this time; what each model's last DeploymentChanged says may have to be said again."""
    last_words = select(func.max(outbox.c.position)).where(outbox.c.topic == DEPLOYMENTS).group_by(outbox.c.key)
    connection.execute(delete(outbox).where(outbox.c.sent_at < before, outbox.c.position.not_in(last_words)))
