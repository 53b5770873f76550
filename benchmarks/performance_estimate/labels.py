"""Labels that come late, and those that come late are of another kind; and the alarm on risk."""

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.performance_estimate.models import Float64, Model, scorer, window_of
from benchmarks.performance_estimate.rows import Size, share
from benchmarks.rows import Row
from services.drift_detection.domain.performance.lags import LagCurve
from services.drift_detection.domain.performance.measure import Waiting, measure
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from services.drift_detection.domain.performance.risk import LossSums, RiskBet
from shared.features import Float32
from shared.reference.losses import losses

HOUR = 3_600_000_000
NEVER = 1_000_000
ROWS, LEARNT = 400, 150
PANES, PANE_ROWS = 720, 100


def late_labels(size: Size) -> Iterator[Row]:
    """Class 1 takes twice as long, 5 % never come: what is said after 4 hours of what will be known in the end."""
    random = np.random.default_rng(4)
    known, model = scorer(Model("binary"), random), Model("binary")
    for age in (2, 4, 8):
        covered, plain, corrected, windows = 0, 0.0, 0.0, size.references * size.windows
        curve = _learnt(known, model, random)
        for _ in range(windows):
            scores, labels = model.rows(ROWS, random)
            hours = _hours(labels, random)
            waiting = Waiting(ROWS, age * HOUR, curve, settled=False)
            told = measure(known, _arrived(known, scores, labels, hours, age), waiting).metrics[0]
            final = Waiting(ROWS, NEVER * HOUR, curve, settled=True)
            truth = measure(known, _arrived(known, scores, labels, hours, NEVER), final).metrics[0].realised
            covered += told.lower is not None and told.upper is not None and told.lower <= truth <= told.upper
            plain += (told.realised - truth) / windows
            corrected += ((told.corrected or 0.0) - truth) / windows
        value = f"covered {share(covered, windows)}; off by {corrected:+.4f}, plain mean by {plain:+.4f}"
        met = 0.93 <= covered / windows <= 0.97 and abs(corrected) < abs(plain) / 3
        yield Row(
            f"log loss in the end, told after {age} h", value, "93 to 97 %, off by a third of the plain mean", met
        )


def _hours(labels: Float64, random: np.random.Generator) -> Float64:
    hours = random.exponential(3 * (1 + labels))
    return np.where(random.random(len(labels)) < 0.05, NEVER + 1, hours)


def _arrived(known: Scorer, scores: Float32, labels: Float64, hours: Float64, age: float) -> WindowOutcomes:
    there = hours <= age
    return window_of(known, scores[there], labels[there], hours[there])


def _learnt(known: Scorer, model: Model, random: np.random.Generator) -> LagCurve:
    curve = LagCurve()
    for number in range(LEARNT):
        scores, labels = model.rows(ROWS, random)
        window = _arrived(known, scores, labels, _hours(labels, random), NEVER)
        curve.learn(number // 24, ROWS, window.labels)
    return curve


def risk(size: Size) -> Iterator[Row]:
    """Streams of 720 panes (a month of hours): the risk at its bound, as in the reference, and higher."""
    streams = size.references
    random = np.random.default_rng(5)
    known = scorer(Model("binary"), random)
    bet = RiskBet.of(known.calibration, tolerance=0.05, alpha=0.05, nominal=PANE_ROWS)
    threshold = math.log(PANES)
    at_bound = sum(_first(_bounded(bet, random), bet, threshold) < PANES for _ in range(streams))
    yield Row(
        "risk at its bound, a budget of 1 false alarm in 720 panes: streams of 720 panes with one",
        f"{at_bound} of {streams}",
        "at most half",
        at_bound <= streams / 2,
    )
    for name, model, goal in (
        ("as in the reference", Model("binary"), math.inf),
        ("what comes true has changed (log odds + 0.4)", Model("binary", drift=0.4), 72.0),
    ):
        first = [_first(_losses(known, model, random), bet, threshold) for _ in range(max(streams // 10, 10))]
        found = sum(pane < PANES for pane in first)
        value = f"{found} of {len(first)} streams alarm, the middle one after {np.median(first):.0f} panes"
        met = found == 0 if math.isinf(goal) else float(np.median(first)) <= goal
        yield Row(f"risk, {name}", value, "none" if math.isinf(goal) else f"within {goal:.0f} panes", met)


def _first(panes: Iterator[Float64], bet: RiskBet, threshold: float) -> int:
    """The first pane whose ln R reaches the threshold; 720 if none does."""
    state = bet.start()
    for number, pane in enumerate(panes):
        state = bet.step(state, LossSums(len(pane), float(pane.sum()), float(pane @ pane)))
        if state.log_r >= threshold:
            return number
    return PANES


def _bounded(bet: RiskBet, random: np.random.Generator) -> Iterator[Float64]:
    """Losses in [0, 1] whose mean is the bound."""
    for _ in range(PANES):
        yield random.beta(2 * bet.bound, 2 * (1 - bet.bound), PANE_ROWS)


def _losses(known: Scorer, model: Model, random: np.random.Generator) -> Iterator[Float64]:
    for _ in range(PANES):
        scores, labels = model.rows(PANE_ROWS, random)
        yield losses("binary", labels, scores[:, 0].astype(np.float64), known.calibration.bound)[:, 1]
