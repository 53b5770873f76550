"""What the templates show, gathered from the store."""

from dataclasses import dataclass

from sqlalchemy import Connection

from services.governance.domain.approval import Approval, why_not
from services.governance.domain.audit import Entry
from services.governance.domain.incidents import Incident
from services.governance.domain.registry import Deployment, ModelEntry, Version
from services.governance.domain.runs import Evaluation, Run
from services.governance.domain.windows import Part
from services.governance.store import approvals, log, registry, views, windows
from services.governance.store.desk import Desk
from shared.events.retraining import HIGHER_IS_BETTER
from shared.http.auth import permits
from shared.tokens import Identity

SHOWN = 25


@dataclass(frozen=True)
class Figure:
    """One metric of both models."""

    name: str
    champion: float | None
    challenger: float | None

    @property
    def better(self) -> bool | None:
        """Whether the challenger is better; None if they can't be compared."""
        if self.champion is None or self.challenger is None or self.champion == self.challenger:
            return None
        return (self.challenger > self.champion) == (self.name in HIGHER_IS_BETTER)


@dataclass(frozen=True)
class ApprovalCard:
    """An approval with the figures to decide by. `refusal` says why this visitor can't decide, None if they can."""

    approval: Approval
    version: Version
    evaluation: Evaluation | None
    incident: Incident | None
    serving: str | None
    figures: tuple[Figure, ...]
    refusal: str | None

    @property
    def stale(self) -> bool:
        """Whether the challenger was compared with a model that no longer serves."""
        return self.evaluation is not None and self.evaluation.champion.digest != self.serving


@dataclass(frozen=True)
class ModelCard:
    """A model in the overview."""

    entry: ModelEntry
    serving: Deployment | None
    open_approvals: int
    open_incidents: int
    versions: int


@dataclass(frozen=True)
class ModelPage:
    """All of one model."""

    entry: ModelEntry
    deployments: list[Deployment]
    waiting: list[ApprovalCard]
    decided: list[Approval]
    incidents: list[Incident]
    runs: list[Run]
    versions: list[Version]
    streams: list[tuple[Part, str]]
    first_stream: str

    @property
    def serving(self) -> Deployment | None:
        """What serves now."""
        return self.deployments[0] if self.deployments else None


@dataclass(frozen=True)
class AuditTail:
    """The newest entries; `entries` is None for those who may not read the log."""

    entries: list[Entry] | None


def approval_card(connection: Connection, approval: Approval, who: Identity) -> ApprovalCard:
    """The card of one approval, for this visitor."""
    version = registry.known_version(connection, approval.model, approval.digest)
    run = views.run(connection, approval.run_id) if approval.run_id else None
    current = registry.deployment(connection, approval.model)
    evaluation = run.evaluation if run else None
    refusal = why_not(approval, who.subject, who.role)
    return ApprovalCard(
        approval=approval,
        version=version,
        evaluation=evaluation,
        incident=views.incident(connection, approval.incident_id) if approval.incident_id else None,
        serving=current.champion if current else None,
        figures=_compared(evaluation) if evaluation else _alone(version),
        refusal=refusal.expected if refusal else None,
    )


def _compared(evaluation: Evaluation) -> tuple[Figure, ...]:
    champion, challenger = evaluation.champion.metrics, evaluation.challenger.metrics
    others = sorted({*champion, *challenger} - {evaluation.metric})
    return tuple(Figure(name, champion.get(name), challenger.get(name)) for name in (evaluation.metric, *others))


def _alone(version: Version) -> tuple[Figure, ...]:
    return tuple(Figure(name, None, value) for name, value in sorted(version.metrics.items()))


def overview(desk: Desk) -> list[ModelCard]:
    """Every model."""
    with desk.database.read() as connection:
        return [_model_card(connection, desk, entry) for entry in registry.all_models(connection)]


def _model_card(connection: Connection, desk: Desk, entry: ModelEntry) -> ModelCard:
    return ModelCard(
        entry=entry,
        serving=registry.deployment(connection, entry.name),
        open_approvals=len(approvals.listed(connection, desk.clock(), "open", entry.name)),
        open_incidents=len(views.incidents_of(connection, entry.name, "open")),
        versions=len(registry.versions_of(connection, entry.name, 1_000)),
    )


def model_page(desk: Desk, name: str, who: Identity) -> ModelPage:
    """One model; raises NotFound."""
    now = desk.clock()
    with desk.database.read() as connection:
        entry = registry.known_model(connection, name)
        asked = approvals.listed(connection, now, model=name, limit=SHOWN)
        incidents = views.incidents_of(connection, name, limit=SHOWN)
        streams = windows.streams(connection, name)
        return ModelPage(
            entry=entry,
            deployments=registry.deployments_of(connection, name, SHOWN),
            waiting=[approval_card(connection, approval, who) for approval in asked if approval.state == "open"],
            decided=[approval for approval in asked if approval.state != "open"],
            incidents=incidents,
            runs=views.runs_of(connection, name, SHOWN),
            versions=registry.versions_of(connection, name, SHOWN),
            streams=streams,
            first_stream=_first_stream(streams, incidents),
        )


def _first_stream(streams: list[tuple[Part, str]], incidents: list[Incident]) -> str:
    """The feature that alarmed last, else the first one."""
    alarmed = [feature.name for incident in incidents for feature in incident.features]
    name = next((name for name in alarmed if ("feature", name) in streams), None)
    if name is not None:
        return f"feature:{name}"
    return ":".join(streams[0]) if streams else ""


def audit_tail(desk: Desk, who: Identity, before: int | None = None) -> AuditTail:
    """The newest entries of the audit log, for auditors."""
    if not permits(who, ("auditor",)):
        return AuditTail(None)
    with desk.database.read() as connection:
        return AuditTail(log.newest(connection, before, SHOWN))
