"""The registry: models, their versions, what serves."""

import json

from sqlalchemy import Connection, func, insert, select

from services.governance.domain.errors import NotFound
from services.governance.domain.registry import Deployment, ModelEntry, Version
from services.governance.store.tables import deployments, models, rollouts, versions
from shared.definition import Feature

_VERSION = [column for column in versions.c if column.name != "position"]
_BESIDE = {"canary", "shadow", "salt"}


def model(connection: Connection, name: str) -> ModelEntry | None:
    """A model by its name."""
    row = connection.execute(select(models).where(models.c.name == name)).mappings().first()
    return None if row is None else ModelEntry.model_validate(dict(row))


def all_models(connection: Connection) -> list[ModelEntry]:
    """Every model, by name."""
    rows = connection.execute(select(models).order_by(models.c.name)).mappings()
    return [ModelEntry.model_validate(dict(row)) for row in rows]


def version(connection: Connection, digest: str) -> Version | None:
    """A version by its digest."""
    row = connection.execute(select(*_VERSION).where(versions.c.digest == digest)).mappings().first()
    return None if row is None else Version.model_validate(dict(row))


def versions_of(connection: Connection, name: str, limit: int) -> list[Version]:
    """The newest versions of a model, newest first."""
    query = select(*_VERSION).where(versions.c.model == name).order_by(versions.c.position.desc()).limit(limit)
    return [Version.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def features_of(connection: Connection, name: str) -> list[Feature]:
    """Every feature that a version of a model has or had, in each form that differs."""
    found = connection.execute(select(versions.c.definition).where(versions.c.model == name)).scalars()
    told = {json.dumps(feature, sort_keys=True) for definition in found for feature in definition["features"]}
    return [Feature.model_validate_json(text) for text in sorted(told)]


def add_version(connection: Connection, new: Version) -> None:
    """Enter a version; the model's description is that of its newest version."""
    words = new.definition.model_dump(include={"owner", "description", "intended_use"})
    if model(connection, new.model) is None:
        connection.execute(insert(models).values(name=new.model, **words))
    else:
        connection.execute(models.update().where(models.c.name == new.model).values(**words))
    position = connection.execute(select(func.count()).select_from(versions)).scalar_one()
    content = json.loads(new.model_dump_json(exclude={"time"}))  # as JSON, where a bound that is infinite is null
    connection.execute(insert(versions).values(**content, time=new.time, position=position))


def deployment(connection: Connection, name: str) -> Deployment | None:
    """What serves now."""
    found = deployments_of(connection, name, 1)
    return found[0] if found else None


def deployments_of(connection: Connection, name: str, limit: int) -> list[Deployment]:
    """The newest deployments of a model, newest first."""
    same = (rollouts.c.model == deployments.c.model) & (rollouts.c.revision == deployments.c.revision)
    beside = (rollouts.c.canary, rollouts.c.shadow, func.coalesce(rollouts.c.salt, "").label("salt"))
    query = select(deployments, *beside).select_from(deployments.outerjoin(rollouts, same))
    newest = query.where(deployments.c.model == name).order_by(deployments.c.revision.desc()).limit(limit)
    return [Deployment.model_validate(dict(row)) for row in connection.execute(newest).mappings()]


def add_deployment(connection: Connection, new: Deployment) -> None:
    """Enter the next revision; a revision can only be entered once."""
    connection.execute(insert(deployments).values(**new.model_dump(exclude=_BESIDE)))
    if new.canary is not None or new.shadow is not None:
        beside = new.model_dump(include={"model", "revision", *_BESIDE})
        connection.execute(insert(rollouts).values(**beside))


def known_model(connection: Connection, name: str) -> ModelEntry:
    """A model by its name; raises NotFound."""
    found = model(connection, name)
    if found is None:
        raise NotFound("model", f"no model {name} is registered")
    return found


def known_version(connection: Connection, name: str, digest: str) -> Version:
    """A version of a model by its digest; raises NotFound."""
    known_model(connection, name)
    found = version(connection, digest)
    if found is None or found.model != name:
        raise NotFound("digest", f"no version {digest} of {name} is registered")
    return found
