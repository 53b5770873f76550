"""What runs beside the champion: a canary that answers for a share of the entities, a shadow that nobody sees."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.governance.domain.approval import Approval
from services.governance.domain.errors import Conflict
from services.governance.domain.registry import Deployment, Version
from shared.events import CanaryShare, Gate
from shared.events.base import Digest, Record, stable_id

CANARY: Gate = "canary"


class Rollout(Record):
    """All that is to run beside the champion; what is not named does not."""

    canary: CanaryShare | None = None
    shadow: Digest | None = None

    @property
    def digests(self) -> dict[str, str]:
        """The versions it names, by their place in it."""
        named = {"canary.digest": self.canary.digest if self.canary else None, "shadow": self.shadow}
        return {field: digest for field, digest in named.items() if digest is not None}


def known_champion(current: Deployment | None) -> Deployment:
    """What serves; raises Conflict if nothing does."""
    if current is None:
        raise Conflict("model", "nothing serves yet, so nothing can run beside it")
    return current


def check_approved(approvals: Iterable[Approval]) -> Approval:
    """The approval, among those of a version, by which it may be a canary; raises Conflict if there is none.

    A shadow needs none: nobody gets its answers.
    """
    for approval in approvals:
        if approval.gate == CANARY and approval.state == "approved":
            return approval
    raise Conflict("canary.digest", f"a version with an approved approval for the gate {CANARY}")


def check_versions(champion: Version, beside: Mapping[str, Version]) -> None:
    """Raises Conflict if a version, by its place in the rollout, is in another role, too, or takes other features."""
    seen = {champion.digest}
    for field, version in beside.items():
        if version.digest in seen:
            raise Conflict(field, "a version that has no other role")
        if _features(version) != _features(champion):
            raise Conflict(field, "a version that takes the champion's features, with the same names and kinds")
        seen.add(version.digest)


def _features(version: Version) -> list[tuple[str, str]]:
    return [(feature.name, feature.kind) for feature in version.definition.features]


def follow(current: Deployment, rollout: Rollout, times: Iterable[datetime], now: datetime) -> Deployment:
    """The deployment that follows `current`, or `current` if that is what it says; `times` are those of the versions.

    The salt depends on the canary alone: a larger share keeps its entities, another canary has others.
    """
    canary, shadow = rollout.canary, rollout.shadow
    if (canary, shadow) == (current.canary, current.shadow):
        return current
    changed = {
        "revision": current.revision + 1,
        "canary": canary,
        "shadow": shadow,
        "salt": stable_id("rollout", current.model, canary.digest) if canary else "",
        "time": max((current.time, *times)),
        "at": now,
    }
    return current.model_copy(update=changed)
