"""The tables. Names of columns are those of the domain's records, so that a row is a record."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    event,
)


class Utc(TypeDecorator[datetime]):
    """A UTC time; SQLite has no zones, so it is kept without one there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As the database takes it."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """As the domain has it."""
        found: datetime | None = value
        return found and (found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))


SEQUENCE = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what it calls INTEGER
metadata = MetaData()

models = Table(
    "models",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("intended_use", Text, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("model", ForeignKey("models.name"), nullable=False, index=True),
    Column("definition", JSON, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("evaluation", JSON, nullable=False),
    Column("signer", Text, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("time", Utc, nullable=False),
    Column("incident_id", String(32)),
    Column("run_id", String(32)),
    Column("position", Integer, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", String(32), primary_key=True),
    Column("model", ForeignKey("models.name"), nullable=False, index=True),
    Column("digest", ForeignKey("versions.digest"), nullable=False, index=True),
    Column("gate", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("required", Integer, nullable=False),
    Column("time", Utc, nullable=False),
    Column("requested_at", Utc, nullable=False),
    Column("expires", Utc, nullable=False),
    Column("incident_id", String(32)),
    Column("run_id", String(32)),
    Column("state", Text, nullable=False),
)

votes = Table(
    "decisions",
    metadata,
    Column("approval_id", ForeignKey("approvals.approval_id"), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("model", ForeignKey("models.name"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("champion", ForeignKey("versions.digest"), nullable=False),
    Column("previous", String(64)),
    Column("approval_id", ForeignKey("approvals.approval_id"), nullable=False),
    Column("approvers", JSON, nullable=False),
    Column("time", Utc, nullable=False),
    Column("at", Utc, nullable=False),
)

# What runs beside the champion of a revision; a revision without any has no row.
rollouts = Table(
    "rollouts",
    metadata,
    Column("model", String(63), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("canary", JSON),
    Column("shadow", ForeignKey("versions.digest")),
    Column("salt", Text, nullable=False),
    ForeignKeyConstraint(["model", "revision"], ["deployments.model", "deployments.revision"]),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# One row. Whoever writes locks it first, so writers come one after the other on every database.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", SEQUENCE, nullable=False),
    Column("hash", String(64), nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", String(32), primary_key=True),
    Column("type", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("position", SEQUENCE, primary_key=True),
    Column("event_id", String(32), nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("sent_at", Utc),
    Index("outbox_waiting", "sent_at", "position"),
)

windows = Table(
    "windows",
    metadata,
    Column("window_id", String(32), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("role", Text, nullable=False),
    Column("start", Utc, nullable=False),
    Column("end", Utc, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("repeats", BigInteger, nullable=False),
    Column("late_rows", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),  # the event's JSON: read whole or not at all
    Index("windows_in_time", "model", "role", "start"),
    Index("windows_ended", "model", "end"),
)

# A window's statistics beside its histograms: a plot over weeks reads these rows only.
figures = Table(
    "window_figures",
    metadata,
    Column("window_id", ForeignKey("windows.window_id"), primary_key=True),
    Column("part", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("start_s", BigInteger, nullable=False),  # seconds since 1970
    *(
        Column(name, Double)
        for name in (
            "psi",
            "ks",
            "wasserstein",
            "js",
            "chi_square",
            "missing_share",
            "out_of_range_share",
            "unseen_share",
            "mean",
        )
    ),
    Index("figures_in_time", "model", "role", "part", "name", "start_s"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", String(32), primary_key=True),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("time", Utc, nullable=False),
    Column("record", JSON, nullable=False),
    Index("incidents_in_time", "model", "time"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("time", Utc, nullable=False),
    Column("record", JSON, nullable=False),
    Index("runs_in_time", "model", "time"),
)

for _change in ("UPDATE", "DELETE"):
    event.listen(
        audit,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # the one part of SQLAlchemy without types
            f"CREATE TRIGGER audit_no_{_change.lower()} BEFORE {_change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
