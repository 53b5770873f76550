"""The HTTP API: the retraining runs and how far they are."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI

from services.retrain_trigger.domain.runs import STEPS, Run, State, Step
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from shared.events.base import Digest, EventId, Finite, ModelName, Record, UtcTime
from shared.http import Health, create_app, require
from shared.tokens import Identity

Viewer = Annotated[Identity, Depends(require("viewer", "operator", "approver", "auditor"))]


class Metrics(Record):
    """Both models on the same holdout."""

    champion: dict[str, Finite]
    challenger: dict[str, Finite]


class RunView(Record):
    """One run. `step` is the one under way, or in which it failed; labels must have come up to `labelled_at`."""

    run_id: EventId
    incident_id: EventId
    model: ModelName
    state: State
    step: Step | None
    features: tuple[str, ...]
    wait_until: UtcTime | None
    labelled_at: UtcTime | None
    challenger: Digest | None
    reason: str
    metrics: Metrics | None


def view(run: Run, results: dict[Step, Any]) -> RunView:
    """A run and the results of its finished steps, as the API shows them."""
    found = results.get("evaluate")
    begun = run.state in ("running", "failed")
    return RunView(
        run_id=run.run_id,
        incident_id=run.incident_id,
        model=run.model,
        state=run.state,
        step=next((step for step in STEPS if step not in results), None) if begun else None,
        features=run.features,
        wait_until=run.wait_until,
        labelled_at=run.labelled_at,
        challenger=results.get("bundle", {}).get("digest"),
        reason=run.reason,
        metrics=Metrics(champion=found["champion"], challenger=found["challenger"]) if found else None,
    )


def build_app(settings: Settings, journal: Journal, health: Health) -> FastAPI:
    """The service's app."""
    app = create_app("retrain trigger", settings, health, description="From a drift incident to a challenger, once.")

    @app.get("/v1/runs")
    async def runs(_: Viewer) -> list[RunView]:
        """All runs, oldest first; also those that were decided against, with the reason."""
        return [view(run, dict(journal.results(run.run_id))) for run in journal.runs()]

    return app
