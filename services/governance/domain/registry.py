"""A version of a model: a verified bundle, who made it, who entered it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from services.governance.domain.errors import Conflict
from shared.bundle import Bundle
from shared.definition import Feature, ModelDefinition
from shared.errors import InvalidInput
from shared.events import CanaryShare, ChallengerEvaluated
from shared.events.base import Digest, EventId, ModelName, Record, UtcTime
from shared.feature_log.schema import form_of, kept_field
from shared.lineage import Lineage

RETRAINER = "service:retrain_trigger"


class ModelEntry(Record):
    """What the newest version's definition says of the model."""

    name: ModelName
    owner: str
    description: str
    intended_use: str


class Version(Record):
    """What the registry knows of one bundle.

    `time` is event time: that of the evaluation for a challenger, else the end of the snapshot it was trained on.
    `signer` is whose key the bundle's signature was verified with.
    """

    digest: Digest
    model: ModelName
    definition: ModelDefinition
    lineage: Lineage
    evaluation: dict[str, Any]
    signer: str
    registered_by: str
    time: UtcTime
    incident_id: EventId | None = None
    run_id: EventId | None = None

    @property
    def parent(self) -> str | None:
        """The digest of the champion it was made to follow."""
        return self.lineage.parent

    @property
    def facts(self) -> dict[str, Any]:
        """The evaluation's values by their path, such as `holdout.rows`."""
        return dict(_leaves(self.evaluation, ""))

    @property
    def metrics(self) -> dict[str, float]:
        """How good it was: the numbers of the evaluation's table `metrics`, of all of it if there is no such table."""
        told = self.evaluation.get("metrics")
        leaves = _leaves(told if isinstance(told, Mapping) else self.evaluation, "")
        return {path: float(value) for path, value in leaves if type(value) in (int, float)}


def _leaves(found: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def registered(bundle: Bundle, by: str) -> Version:
    """The version of a bundle that a person registers.

    Raises:
        InvalidInput: the evaluation is not a table of finite numbers and text.
    """
    return _version(bundle, by, bundle.lineage.snapshot.end)


def challenger(bundle: Bundle, event: ChallengerEvaluated) -> Version:
    """The version of the bundle that a retraining run made.

    Raises:
        InvalidInput: it is another model's, or retrain_trigger has not signed it.
    """
    if bundle.definition.name != event.model:
        raise InvalidInput("model", f"the challenger is a bundle of {bundle.definition.name}, not of {event.model}")
    if f"service:{bundle.signer}" != RETRAINER:
        raise InvalidInput("challenger.digest", f"signed by {bundle.signer}, not by retrain_trigger")
    version = _version(bundle, RETRAINER, event.time)
    return version.model_copy(update={"incident_id": event.incident_id, "run_id": event.run_id})


def _version(bundle: Bundle, by: str, time: datetime) -> Version:
    try:
        evaluation = json.loads(json.dumps(dict(bundle.evaluation), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidInput("evaluation.json", "must be a table of finite numbers and text") from error
    return Version(
        digest=bundle.digest,
        model=bundle.definition.name,
        definition=bundle.definition,
        lineage=bundle.lineage,
        evaluation=evaluation,
        signer=bundle.signer,
        registered_by=by,
        time=time,
    )


class Deployment(Record):
    """What serves since `revision`; `time` is event time, `at` wall clock. `salt` chooses the canary's entities."""

    model: ModelName
    revision: int
    champion: Digest
    previous: Digest | None
    approval_id: EventId
    approvers: tuple[str, ...]
    time: UtcTime
    at: UtcTime
    canary: CanaryShare | None = None
    shadow: Digest | None = None
    salt: str = ""


def refuse_retyped(new: ModelDefinition, earlier: Iterable[Feature]) -> None:
    """Raises InvalidInput if a feature needs a column of another type than the feature log made for an earlier
    version, or one that is hashed or encrypted where that is not: it would refuse every row of this one.
    """
    known = {feature.name: feature for feature in earlier if feature.sensitive != "leave_out"}
    for position, feature in enumerate(new.features):
        before = known.get(feature.name, feature)
        logged, needed = form_of(kept_field(before)), form_of(kept_field(feature))
        if logged != needed and feature.sensitive != "leave_out":
            said = f"{feature.name} is {logged} in the feature log and can't become {needed}: give it a new name"
            part = "sensitive" if before.kind == feature.kind else "kind"
            raise InvalidInput(f"features.{position}.{part}", said)


def refuse_if_serving(version: Version, current: Deployment | None) -> None:
    """Raises Conflict if `version` is the champion already."""
    if current and current.champion == version.digest:
        raise Conflict("digest", f"{version.digest} serves already, as revision {current.revision}")
