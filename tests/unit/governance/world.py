"""A small world for governance's tests: bundles that differ, a clock that stands, events of the other services."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.governance.settings import GovernanceSettings
from services.governance.store.desk import Desk, open_desk
from shared.bundle import BundleContents, write_bundle
from shared.cloudevents import encode
from shared.definition import parse_definition
from shared.events import (
    ChallengerEvaluated,
    DriftDetected,
    DriftedFeature,
    DriftResolved,
    Event,
    NumericDrift,
    RetrainingDecided,
    Score,
    WindowClosed,
    WindowRevised,
    stable_id,
)
from shared.kafka.admin import RETRAINING
from shared.kafka.message import OutMessage
from shared.keys import make_keys
from shared.signing import Signer, load_private_key
from shared.tokens import RoleName, issue
from tests.bundles import DATA, definition_text, small_lineage, small_reference

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)  # wall clock
START = datetime(2013, 3, 1, tzinfo=UTC)  # event time
EVALUATED = datetime(2013, 3, 22, 16, tzinfo=UTC)
INCIDENT, RUN = stable_id("incident"), stable_id("run")


@dataclass
class StandingClock:
    """The wall clock, moved by hand."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def make_version(
    state: Path, *, name: str = "small", seed: int = 0, signer: str = "operator", parent: str | None = None
) -> str:
    """A bundle whose lineage ends on 1 March 2013; its digest."""
    make_keys(state)
    text = definition_text(name)
    pin = small_lineage().snapshot.model_copy(update={"end": START})
    contents = BundleContents(
        onnx=(DATA / "small_binary_a.onnx").read_bytes(),
        definition=text,
        reference=small_reference(parse_definition(text)),
        lineage=small_lineage().model_copy(update={"seed": seed, "snapshot": pin, "parent": parent}),
        evaluation={
            "metrics": {"log_loss": 0.52 - seed / 100, "brier": 0.2},
            "holdout": {"rows": 2_000},
            "gate": {"passed": True},
            "notes": ["a feature was all missing"],
        },
    )
    return write_bundle(state / "bundles", contents, state / "keys", signer)


def make_desk(state: Path, database: Path, clock: StandingClock) -> Desk:
    """A desk with a database of its own."""
    settings = GovernanceSettings(state=state, database=f"sqlite:///{database}")
    return open_desk(settings, clock)


def token(state: Path, subject: str, role: RoleName) -> str:
    """A token as governance issues it."""
    return issue(load_private_key(state / "keys" / "governance.pem"), subject, role, 1)


def bearer(state: Path, subject: str, role: RoleName) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token(state, subject, role)}"}


def drift_of(name: str, psi: float | None, counts: Sequence[int] = (10, 20, 30)) -> NumericDrift:
    """The figures of one numeric feature with bins below 10, 10 to 20, from 20."""
    return NumericDrift(
        name=name,
        rows=sum(counts),
        missing_share=0.0,
        out_of_range_share=0.01,
        mean=15.0,
        psi=psi,
        ks=0.1,
        wasserstein=2.5,
        js=0.01,
        chi_square=3.0,
        edges=(10.0, 20.0),
        counts=tuple(counts),
        expected=(0.3, 0.4, 0.3),
    )


def window(
    hour: int, psi: float | None = 0.05, *, model: str = "small", digest: str = "a" * 64, revision: int = 0
) -> WindowClosed | WindowRevised:
    """The window of one hour since START, with the features temp and wind and one score."""
    window_id = stable_id("window", model, digest, hour)
    kind = WindowRevised if revision else WindowClosed
    return kind(
        id=stable_id(window_id, kind.__name__, revision),
        time=START + timedelta(hours=hour + 1),
        model=model,
        window_id=window_id,
        revision=revision,
        digest=digest,
        reference_digest="b" * 64,
        role="champion",
        start=START + timedelta(hours=hour),
        end=START + timedelta(hours=hour + 1),
        rows=60,
        repeats=0,
        late_rows=0,
        numeric=(drift_of("temp", psi), drift_of("wind", 0.01)),
        categorical=(),
        scores=(drift_of("score", 0.02),),
    )


def incident_opened(model: str = "small", digest: str = "a" * 64, revision: int = 0, **other: Any) -> DriftDetected:
    """temp jumped in the first hour of 15 March, and wind moved with it."""
    onset = START + timedelta(days=14)
    jump = DriftedFeature(name="temp", rule="jump", statistic=30.0, threshold=9.0, evidence=5e4, effect=-18.0)
    content: dict[str, Any] = {
        "incident_id": INCIDENT,
        "digest": digest,
        "role": "champion",
        "window_id": stable_id("alarm"),
        "start": onset,
        "end": onset + timedelta(hours=1),
        "onset": onset,
        "severity": "major",
        "features": (jump,),
        "also_moved": (jump.model_copy(update={"name": "wind", "statistic": 6.0}),),
        "budget": 0.1,
        "assumption": "natural jumps have a Pareto tail of index 4 or more",
    }
    event_id = stable_id(INCIDENT, "DriftDetected", revision)
    time = onset + timedelta(hours=1)
    return DriftDetected(id=event_id, time=time, model=model, revision=revision, **{**content, **other})


def incident_closed(model: str = "small") -> DriftResolved:
    """Another champion serves."""
    return DriftResolved(
        id=stable_id(INCIDENT, "DriftResolved"),
        time=EVALUATED + timedelta(hours=3),
        model=model,
        incident_id=INCIDENT,
        digest="a" * 64,
        reason="champion_changed",
    )


def run_decided(decision: str = "wait", model: str = "small") -> RetrainingDecided:
    """The run of the incident waits for labels, or starts."""
    return RetrainingDecided.model_validate(
        {
            "id": stable_id(RUN, decision),
            "time": START + timedelta(days=14, hours=1),
            "model": model,
            "decision": decision,
            "reason": f"{decision}: seven days after the onset must be labelled",
            "incident_id": INCIDENT,
            "run_id": RUN,
            "digest": "a" * 64,
            "features": ("temp",),
            "wait_until": START + timedelta(days=21),
        }
    )


def evaluated(
    challenger: str, champion: str = "a" * 64, *, passed: bool = True, model: str = "small"
) -> ChallengerEvaluated:
    """The run's challenger against the champion."""
    return ChallengerEvaluated(
        id=stable_id(RUN, "ChallengerEvaluated", challenger),
        time=EVALUATED,
        model=model,
        run_id=RUN,
        incident_id=INCIDENT,
        metric="log_loss",
        champion=Score(digest=champion, metrics={"log_loss": 0.523, "brier": 0.19}),
        challenger=Score(digest=challenger, metrics={"log_loss": 0.475, "brier": 0.17}),
        holdout_start=EVALUATED - timedelta(days=2),
        holdout_end=EVALUATED,
        holdout_rows=1_846,
        margin=0.0,
        passed=passed,
        reason="0.475 is below 0.523" if passed else "the margin was not reached",
    )


def said(state: Path, event: Event, signer: str = "") -> OutMessage:
    """The event as the service that says such things sends it; `signer` signs it in that one's place."""
    source = "retrain_trigger" if event.topic == RETRAINING else "drift_detection"
    return encode(event, source, Signer.load(state / "keys", signer or source))


@dataclass
class RecordingProducer:
    """In Kafka's place: keeps what is sent, in order; fails as often as `failures` says."""

    failures: list[Exception] = field(default_factory=list)
    sent: list[OutMessage] = field(default_factory=list)

    async def send(self, messages: Sequence[OutMessage]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.sent += messages


def kinds(events: Sequence[Event]) -> list[str]:
    """Their types."""
    return [event.type for event in events]
