"""The alarm on risk: a bet that a model's loss, now that labels come, is above what its reference allows."""

import math
from dataclasses import dataclass, replace

from shared.reference.calibration import Calibration

LEAST_STAKE, GREATEST_STAKE = 0.05, 0.5
FIRST_EXCESS = 0.1  # a share of the bound: what is betted on before anything is known
MEMORY = 5.0  # steps of nominal size that the stake remembers


@dataclass(frozen=True)
class LossSums:
    """`rows` labelled rows of a pane, the sum of their losses, each in [0, 1], and of the losses' squares."""

    rows: int
    total: float
    squares: float


@dataclass(frozen=True)
class RiskBet:
    """Rules of the bet. `bound` in (0, 1]: the highest mean loss that is no alarm, of losses in [0, 1]; `second`: the
    mean of ((loss - bound) / bound)² in the reference; `dispersion` φ of the loss; `nominal` rows of a step.

    Podkopaev, Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts" (2021,
    arXiv 2110.06177), whose product over rows of 1 + λ(loss - bound) is bounded from below by sums: with
    x = (loss - bound) / bound >= -1 and λ in [0, 1), 1 + λx >= exp(λx - ψ(λ)x²), ψ(λ) = -ln(1 - λ) - λ (Fan, Grama, Liu
    2015). So a step needs the sums of a pane's losses and squares only, and exp of its word has a mean of at most 1
    while the risk is at most `bound`.
    """

    bound: float
    second: float
    dispersion: float
    nominal: int

    @classmethod
    def of(cls, calibration: Calibration, tolerance: float, alpha: float, nominal: int) -> "RiskBet":
        """The bet for a reference: its bound is the risk's upper bound (too low with probability alpha) and a share
        `tolerance` of it on top.
        """
        bound = min(max(calibration.risk_upper(alpha) * (1 + tolerance), 1e-6), 1.0)
        risk, rows = calibration.risk, calibration.labelled
        groups = zip(calibration.rows, risk.mean, risk.variance, strict=True)
        second = sum(count * ((mean - bound) ** 2 + variance) for count, mean, variance in groups) / rows / bound**2
        return cls(bound, max(second, 1e-6), risk.reference_dispersion, nominal)

    def start(self) -> "RiskState":
        """Before the first pane."""
        rows = float(self.nominal)
        return RiskState(-math.inf, rows, rows * FIRST_EXCESS, rows * self.second)

    def evidence(self, state: "RiskState", losses: LossSums) -> float:
        """The step's word l = ln e: the stake is known before the pane is."""
        stake = state.stake
        excess, squares = self._excess(losses)
        return (stake * excess + (math.log1p(-stake) + stake) * squares) / self.dispersion

    def step(self, state: "RiskState", losses: LossSums) -> "RiskState":
        """The state after a pane: ln R <- logaddexp(ln π, ln R) + l, π = min(1, rows / nominal)."""
        if not losses.rows:
            return state
        share = math.log(min(1.0, losses.rows / self.nominal))
        log_r = _logaddexp(share, state.log_r) + self.evidence(state, losses)
        excess, squares = self._excess(losses)
        kept = math.exp(-losses.rows / (MEMORY * self.nominal))
        return RiskState(
            log_r, state.rows * kept + losses.rows, state.excess * kept + excess, state.squares * kept + squares
        )

    def _excess(self, losses: LossSums) -> tuple[float, float]:
        """Σx and Σx²."""
        rows, bound = losses.rows, self.bound
        excess = losses.total / bound - rows
        return excess, max(losses.squares / bound**2 - 2 * losses.total / bound + rows, 0.0)


@dataclass(frozen=True)
class RiskState:
    """`log_r` is ln R; the others, of the panes so far and fading, set the next stake."""

    log_r: float
    rows: float
    excess: float
    squares: float

    @property
    def stake(self) -> float:
        """λ: mean over second moment, at which the bet grows fastest. Never 0: R would then grow with time alone."""
        if self.squares <= 0:
            return GREATEST_STAKE if self.excess > 0 else LEAST_STAKE
        return min(max(self.excess / self.squares, LEAST_STAKE), GREATEST_STAKE)

    def again(self, bet: RiskBet) -> "RiskState":
        """After an alarm: as at the start, but for what was learnt of the stake."""
        return replace(self, log_r=bet.start().log_r)


def _logaddexp(left: float, right: float) -> float:
    low, high = sorted((left, right))
    return high + math.log1p(math.exp(low - high)) if low > -math.inf else high
