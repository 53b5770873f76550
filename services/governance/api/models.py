"""Models, their versions, what serves."""

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from services.governance.api.edge import Body, Office, Operator, Reader, problems
from services.governance.domain.approval import Approval
from services.governance.domain.registry import Deployment, ModelEntry, Version
from services.governance.store import approvals, registry
from shared.events.base import Digest, ModelName

router = APIRouter(prefix="/v1", tags=["models"])
MANY = 1_000


class Registration(Body):
    """Which bundle of the bundle store to enter."""

    digest: Digest


class VersionSummary(Body):
    """A version in a list; `metrics` are the evaluation's numbers."""

    digest: Digest
    parent: Digest | None
    registered_by: str
    signer: str
    metrics: dict[str, float]


class ModelSummary(ModelEntry):
    """A model and what serves; `serving` is null before the first promotion."""

    serving: Deployment | None


class ModelDetail(ModelSummary):
    """A model with its versions and approvals, each newest first."""

    versions: list[VersionSummary]
    approvals: list[Approval]


class VersionDetail(Version):
    """A version with its parent and the approvals asked for it, newest first."""

    parent_digest: Digest | None
    approvals: list[Approval]


class Deployments(Body):
    """What serves now, and every deployment before it, newest first."""

    model: ModelName
    current: Deployment | None
    history: list[Deployment]


@router.post("/models", responses={201: {"model": Version, "description": "Entered"}, **problems(413)})
def register(body: Registration, who: Operator, office: Office, response: Response) -> Version:
    """Verify a bundle of the bundle store (files, digest, signature) and enter it; 201, or 200 if it is there."""
    version, new = office.register(body.digest, who.subject)
    response.status_code = 201 if new else 200
    return version


@router.get("/models", responses=problems())
def list_models(_: Reader, office: Office) -> list[ModelSummary]:
    """Every model, by name."""
    with office.database.read() as connection:
        return [_summary(connection, entry) for entry in registry.all_models(connection)]


@router.get("/models/{model}", responses=problems(404))
def show_model(model: ModelName, _: Reader, office: Office) -> ModelDetail:
    """One model."""
    with office.database.read() as connection:
        summary = _summary(connection, registry.known_model(connection, model))
        return ModelDetail(
            **summary.model_dump(),
            versions=[_brief(version) for version in registry.versions_of(connection, model, MANY)],
            approvals=approvals.listed(connection, office.clock(), model=model),
        )


@router.get("/models/{model}/versions/{digest}", responses=problems(404))
def show_version(model: ModelName, digest: Digest, _: Reader, office: Office) -> VersionDetail:
    """One version: lineage, evaluation, who signed it, its parent."""
    with office.database.read() as connection:
        version = registry.known_version(connection, model, digest)
        asked = approvals.of_version(connection, digest, office.clock())
    return VersionDetail(**dict(version), parent_digest=version.parent, approvals=asked)


@router.get("/deployments/{model}", responses=problems(404))
def show_deployments(model: ModelName, _: Reader, office: Office) -> Deployments:
    """What serves, and what served before."""
    with office.database.read() as connection:
        registry.known_model(connection, model)
        history = registry.deployments_of(connection, model, MANY)
    return Deployments(model=model, current=history[0] if history else None, history=history)


def _summary(connection: Connection, entry: ModelEntry) -> ModelSummary:
    return ModelSummary(**entry.model_dump(), serving=registry.deployment(connection, entry.name))


def _brief(version: Version) -> VersionSummary:
    return VersionSummary(
        digest=version.digest,
        parent=version.parent,
        registered_by=version.registered_by,
        signer=version.signer,
        metrics=version.metrics,
    )
