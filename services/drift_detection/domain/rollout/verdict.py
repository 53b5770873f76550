"""What a comparison comes to: better, worse, or not yet."""

from collections.abc import Iterator, Sequence

import numpy as np

from services.drift_detection.domain.rollout.band import bands
from services.drift_detection.domain.rollout.comparison import Sofar
from services.drift_detection.domain.rollout.dispersion import dispersion
from services.drift_detection.domain.rollout.evidence import Design, Evidence, Float64
from services.drift_detection.domain.rollout.rows import Ranges
from shared.events.rollout import MetricCompared, Verdict
from shared.rollout import METRICS, Metric, Rollout


def measured(sofar: Sofar, design: Design, ranges: Ranges, rollout: Rollout) -> tuple[MetricCompared, ...]:
    """Every metric, in its unit."""
    evidence = sofar.evidence
    spread = dispersion(evidence)
    band = bands(evidence, spread.factor, design)
    level, found = _level(evidence) * design.spread, list[MetricCompared]()
    for place, metric in enumerate(METRICS):
        low, high = ranges.of(metric)
        known, sure = bool(evidence.weight[place] > 0), bool(spread.assessed[place])
        champion, difference = low + (high - low) * float(level[place]), (high - low) * float(band.difference[place])
        shown = _shown(metric, champion, difference)
        rows, others = evidence.seen[:, place].astype(int).tolist()
        found.append(
            MetricCompared(
                name=metric,
                rows=rows,
                champion_rows=rows if design.alone[place] else others,
                champion=shown[0] if known else None,
                version=shown[1] if known else None,
                difference=difference if known else None,
                lower=(high - low) * float(band.lower[place]) if sure else None,
                upper=(high - low) * float(band.upper[place]) if sure else None,
                dispersion=float(spread.factor[place]) if sure else None,
                margin=rollout.margins.get(metric),
            )
        )
    return tuple(found)


def _level(evidence: Evidence) -> Float64:
    """The champion's mean [M], NaN where nothing is known."""
    level: Float64 = np.full(len(METRICS), np.nan)
    np.divide(evidence.level, evidence.weight, out=level, where=evidence.weight > 0)
    return level


def _shown(metric: Metric, champion: float, difference: float) -> tuple[float, float]:
    """Both sides; of latency in microseconds."""
    version = champion + difference
    return (2**champion, 2**version) if metric == "latency" else (champion, version)


def judge(metrics: Sequence[MetricCompared], rows: tuple[int, int], rollout: Rollout) -> tuple[Verdict, str]:
    """The verdict and why; `rows` on each side.

    Worse as soon as a stated metric is surely beyond its margin. Better when there are rows enough, all stated metrics
    are surely within theirs and that of `better_in` is surely less. What is not known speaks for neither.
    """
    stated = [metric for metric in metrics if metric.margin is not None]
    harms = [told for metric in stated if (told := _harm(metric))]
    if harms:
        return "worse", "; ".join(harms)
    missing = list(_missing(stated, rows, rollout))
    if missing:
        return "not_yet", "; ".join(missing)
    gain = f", and {rollout.better_in} is surely less than the champion's" if rollout.better_in else ""
    return "better", f"surely within the margins of {', '.join(metric.name for metric in stated)}{gain}"


def _harm(metric: MetricCompared) -> str:
    if metric.margin is None or metric.lower is None or metric.upper is None:
        return ""
    if metric.lower > metric.margin:
        return f"{metric.name} is surely over its margin of {metric.margin:g}: by {metric.lower:.4g} or more"
    if metric.name == "score" and metric.upper < -metric.margin:
        return f"score is surely over its margin of {metric.margin:g}: by {metric.upper:.4g} or less"
    return ""


def _missing(stated: Sequence[MetricCompared], rows: tuple[int, int], rollout: Rollout) -> Iterator[str]:
    if min(rows) < rollout.min_rows:
        yield f"{min(rows)} rows of {rollout.min_rows}"
    for metric in stated:
        if metric.margin is None:
            continue
        if metric.lower is None or metric.upper is None:
            yield f"{metric.name} is not known yet"
            continue
        if metric.upper > metric.margin:
            yield f"{metric.name} may still be {metric.upper:.4g} more, with a margin of {metric.margin:g}"
        if metric.name == "score" and metric.lower < -metric.margin:
            yield f"score may still be {-metric.lower:.4g} less, with a margin of {metric.margin:g}"
        if metric.name == rollout.better_in and metric.upper >= 0:
            yield f"{metric.name} is not surely less than the champion's"
