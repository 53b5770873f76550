"""The bet on a champion's risk: a step for each pane, in order of time, once the expected delay of its labels is over.

What a step saw is final: labels and corrections that come later change the window's measured performance, not the bet.
So no alarm is ever taken back, and the bet is valid: a stake depends on earlier steps alone, and each pane makes one. A
pane of which nothing was known by then makes none.
"""

import math
from typing import NamedTuple

from services.drift_detection.domain.detector.effects import Effect
from services.drift_detection.domain.performance.bundle import Assessed
from services.drift_detection.domain.performance.lags import total
from services.drift_detection.domain.performance.moments import STEPS
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from services.drift_detection.domain.performance.risk import LossSums, RiskState
from services.drift_detection.domain.state import RiskRecord
from shared.events import DriftedFeature
from shared.reference.losses import METRICS, RISK
from shared.reference.panes import DAY, MICROSECONDS, moment

NAME = "risk"
_MOST = 700.0  # ln of what a float64 can hold


class RiskAlarm(NamedTuple):
    """The pane that begins at `start` made the bet an alarm."""

    digest: str
    start: int
    feature: DriftedFeature


def loss_sums(assessed: Assessed, outcomes: WindowOutcomes) -> LossSums:
    """Of the loss in [0, 1] that the bet looks at."""
    found = total(outcomes.labels)
    if found is None:
        return LossSums(0, 0.0, 0.0)
    kind = assessed.scorer.calibration.kind
    at = METRICS[kind].index(RISK[kind])
    step = float(assessed.scorer.scale[at]) / STEPS
    return LossSums(max(found.rows, 0), step * found.sums[at], step**2 * found.squares[at])


def start(assessed: Assessed) -> RiskRecord:
    """Before the first pane."""
    state = assessed.bet.start()
    return RiskRecord(state_rows=state.rows, excess=state.excess, squares=state.squares)


def step(assessed: Assessed, record: RiskRecord, pane: int, losses: LossSums) -> DriftedFeature | None:
    """Take in the pane that begins there; changes the record. What alarmed, if it did."""
    if not losses.rows:
        return None
    bet, before = assessed.bet, _state(record)
    after = bet.step(before, losses)
    if before.log_r <= math.log(min(1.0, losses.rows / bet.nominal)):  # the bet that begins here leads from now on
        record.since, record.rows, record.losses = pane, 0, 0.0
    record.rows += losses.rows
    record.losses += losses.total
    record.end = pane + assessed.watched.pane
    alarm = _alarm(assessed, record, after.log_r) if after.log_r >= assessed.ln_needed else None
    _keep(record, after if alarm is None else after.again(bet))
    return alarm


def is_quiet(record: RiskRecord, since: int) -> bool:
    """Whether the panes of a day and more since the last alarm are known, and the last ones are below the bound."""
    return record.end is not None and record.end - since >= DAY * MICROSECONDS and record.excess <= 0


def _state(record: RiskRecord) -> RiskState:
    log_r = -math.inf if record.log_r is None else record.log_r
    return RiskState(log_r, record.state_rows, record.excess, record.squares)


def _keep(record: RiskRecord, state: RiskState) -> None:
    record.log_r = state.log_r if state.log_r > -math.inf else None
    record.state_rows, record.excess, record.squares = state.rows, state.excess, state.squares


def _alarm(assessed: Assessed, record: RiskRecord, ln_evidence: float) -> DriftedFeature:
    risk = assessed.scorer.calibration.risk
    rows = assessed.scorer.calibration.rows
    spread = sum(count * (mean - risk.overall) ** 2 for count, mean in zip(rows, risk.mean, strict=True))
    within = sum(count * variance for count, variance in zip(rows, risk.variance, strict=True))
    deviation = math.sqrt((spread + within) / sum(rows))
    effect = record.losses / record.rows - risk.overall
    return DriftedFeature(
        name=NAME,
        rule=NAME,
        statistic=ln_evidence,
        threshold=assessed.ln_needed,
        evidence=math.exp(min(ln_evidence, _MOST)),
        onset=moment(record.since),
        **vars(Effect(effect, abs(effect) / deviation if deviation > 0 else 0.0, "d")),
    )
