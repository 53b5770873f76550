"""What runs beside a champion: set and ended by operators."""

from fastapi import APIRouter
from pydantic import Field

from services.governance.api.edge import Body, Office, Operator, problems
from services.governance.domain.registry import Deployment
from services.governance.domain.rollout import Rollout
from shared.events import CanaryShare
from shared.events.base import Digest, ModelName

router = APIRouter(prefix="/v1/models", tags=["rollout"])


class RolloutRequest(Body):
    """All that is to run beside the champion: what is not named does not."""

    canary: CanaryShare | None = Field(default=None, description="a version approved for the gate canary")
    shadow: Digest | None = Field(default=None, description="nobody gets its answers, so it needs no approval")


@router.put("/{model}/rollout", responses=problems(404, 409, 413))
def set_rollout(model: ModelName, body: RolloutRequest, who: Operator, office: Office) -> Deployment:
    """Have a canary answer for a share of the entities, and a shadow compute what the champion answers."""
    return office.registrar.roll_out(model, Rollout(canary=body.canary, shadow=body.shadow), who.subject)


@router.delete("/{model}/rollout", responses=problems(404, 409))
def end_rollout(model: ModelName, who: Operator, office: Office) -> Deployment:
    """Have the champion run alone."""
    return office.registrar.roll_out(model, Rollout(), who.subject)
