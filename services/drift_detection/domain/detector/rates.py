"""Bets on rates: missing rows, exact zeros, values out of range, panes that stand still."""

from dataclasses import dataclass

import numpy as np

from services.drift_detection.domain.detector.budget import MARGIN, Budget

RISES = (1.25, 1.5, 2.0, 4.0, 16.0, 64.0, 256.0)  # the last two for what all but never occurred
FALL = 0.5
_LEAST_FOR_A_FALL = 50
_MOST = 0.9  # of r·p0


@dataclass(frozen=True)
class RateBets:
    """Bets of one rate: per bet by which factor it has grown, what a row with the event adds to ln R, and one without,
    both divided by φ.

    `flipped`: the event is the opposite, which is the rarer of the two.
    """

    factors: tuple[float, ...]
    with_event: tuple[float, ...]
    without: tuple[float, ...]
    flipped: bool = False


def _bets(rates: list[tuple[float, float]], phi: float, *, flipped: bool = False) -> RateBets:
    """From pairs (r, p0); an r that makes the rate all but certain is dropped."""
    usable = [(r, p0) for r, p0 in rates if 0 < p0 < 1 and r * p0 <= _MOST]
    return RateBets(
        tuple(r for r, _ in usable),
        tuple(float(np.log(r) / phi) for r, _ in usable),
        tuple(float((np.log1p(-r * p0) - np.log1p(-p0)) / phi) for r, p0 in usable),
        flipped,
    )


def rate_bets(times: int, rows: int, phi: float, budget: Budget) -> RateBets:
    """Of an event that occurred `times` in `rows` of the reference, growing more frequent."""
    k, flipped = (rows - times, True) if times > rows / 2 else (times, False)
    return _bets(_rises(k, rows, phi, budget), phi, flipped=flipped)


def missing_bets(times: int, rows: int, phi: float, budget: Budget) -> RateBets:
    """The same, and of growing half as frequent, if that was frequent enough."""
    k, flipped = (rows - times, True) if times > rows / 2 else (times, False)
    rates = _rises(k, rows, phi, budget)
    if k >= _LEAST_FOR_A_FALL:
        share = _share(k, rows)
        rates.append((FALL, share - MARGIN * phi**0.5 * (share - budget.lower_rate(k, rows))))
    return _bets(rates, phi, flipped=flipped)


def stuck_bets(flat: int, pairs: int, phi: float, budget: Budget) -> RateBets:
    """Of panes that stand still, so many of the reference's pairs."""
    return _bets(_rises(flat, pairs, phi, budget), phi)


def _share(times: int, rows: int) -> float:
    return (times + 0.5) / (rows + 1)


def _rises(times: int, rows: int, phi: float, budget: Budget) -> list[tuple[float, float]]:
    share = _share(times, rows)
    p0 = share + MARGIN * phi**0.5 * (budget.upper_rate(times, rows) - share)
    return [(r, p0) for r in RISES]


def range_bets(rows: int, phi: float, budget: Budget) -> RateBets:
    """Of values beyond the least and the greatest of so many rows of the reference."""
    p0 = (2 + MARGIN * phi**0.5 * (budget.beyond_range - 2)) / max(rows, 1)
    return _bets([(r, p0) for r in RISES], phi)
