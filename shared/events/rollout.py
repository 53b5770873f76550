"""What drift_detection says of a canary or a shadow beside the champion."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.events.base import Digest, Event, EventId, Finite, Record, UtcTime
from shared.events.drift import DRIFT
from shared.rollout import Metric

Verdict = Literal["better", "worse", "not_yet"]


class MetricCompared(Record):
    """One metric of both versions; `difference` is version - champion, `lower` and `upper` its band.

    `score` and `loss` have their own units, `slow` and `error` are shares of rows; of `latency` the two are geometric
    means in microseconds and the difference is in doublings. The loss is the Brier score of a probability, else the
    absolute error up to a bound, of panes whose labels are settled. `rows` that the metric is known of, on each side.
    `champion` and `version` are averaged as the difference is; they and it are None where nothing is known, the band is
    None as well where too few subjects or windows were seen to give one. `dispersion` says how many times more a mean
    varies than that of independent rows: as a row's subject counts its entity, or its request if it has none, and of
    the loss always the request, since outcomes tell no entity; so that of the loss is never less than that of the
    score. `margin` as the definition states it, None if the verdict does not ask.
    """

    name: Metric
    rows: int = Field(ge=0)
    champion_rows: int = Field(ge=0)
    champion: Finite | None
    version: Finite | None
    difference: Finite | None
    lower: Finite | None
    upper: Finite | None
    dispersion: Finite | None
    margin: Finite | None


class RolloutCompared(Event, frozen=True):
    """A canary (other rows of the same panes) or a shadow (the same rows) against the champion, from `start` to `end`.

    All bands hold together, at every time they are looked at, with a chance of 1 - `alpha`: for certain where rows are
    independent, in large samples where they are not. `comparison_id` is the hash of both digests, role and start.
    `why` says in words what the verdict rests on.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["RolloutCompared"] = "RolloutCompared"
    comparison_id: EventId
    revision: int = Field(ge=0)
    role: Literal["canary", "shadow"]
    digest: Digest
    champion_digest: Digest
    start: UtcTime
    end: UtcTime
    rows: int = Field(ge=0)
    champion_rows: int = Field(ge=0)
    alpha: Finite
    metrics: tuple[MetricCompared, ...] = Field(min_length=1)
    verdict: Verdict
    why: str
