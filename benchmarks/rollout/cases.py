"""The rows of the answer: what was measured, what is wanted of it, and whether it is met."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.rollout.others import widths
from benchmarks.rollout.streams import Kind
from benchmarks.rollout.watching import Seen, watch
from benchmarks.rows import Row
from services.drift_detection.domain.rollout.band import ALPHA

_SUBJECTS = Kind(subjects=400, alike=0.1, noise=0.1, share=0.5, later=0.5)
_PAIRED = Kind(paired=True, level=0.0)
_EVEN = Kind(share=0.5, later=0.5)

EQUAL = {
    "canary of 10 %, independent rows": Kind(),
    "1 % of rows are errors": Kind(rare=0.01),
    "daily cycle, share raised from 5 % to 50 %": Kind(cycle=0.3, noise=0.1, share=0.05, later=0.5),
    "3 rows in a pane": Kind(rows=3, share=0.5, later=0.5),
    "canary away half of the time": Kind(share=0.3, later=0.3, silent=True),
    "requests of 20 rows alike": replace(_EVEN, run=20),
    "400 subjects, some with most rows": _SUBJECTS,
    "400 subjects, canary raised from 10 % to 50 %": replace(_SUBJECTS, share=0.1),
    "shadow, independent rows": replace(_PAIRED, noise=0.1),
    "shadow, 400 subjects": replace(_PAIRED, subjects=400, alike=0.1, noise=0.05),
}
HARM = {
    "score +.05 (.25 deviations), half of the rows": (replace(_EVEN, harm=0.05), 900),
    "score +.05, canary of 10 %": (Kind(harm=0.05), 600),
    "errors 1 % -> 6 %, canary of 10 %": (Kind(rare=0.01, harm=0.05), 900),
    # As far as is known a row's difference is up to 1 either way, so no rate may be as large as is best for these: that
    # takes 1,350 rows.
    "loss +.02 (.2 deviations), shadow": (replace(_PAIRED, noise=0.1, harm=0.02), 1_600),
}


@dataclass(frozen=True)
class Size:
    """How much is simulated: streams of a case, panes of a stream."""

    streams: int
    panes: int


def _all(kind: Kind, size: Size) -> list[Seen]:
    return [watch(kind, size.panes, seed) for seed in range(size.streams)]


def _share(values: list[bool]) -> float:
    return float(np.mean(values))


def rows(size: Size) -> Iterator[Row]:
    """All of them, each as soon as it is known."""
    for name, kind in EQUAL.items():
        yield from _equal(name, kind, size)
    for name, (kind, most) in HARM.items():
        found: NDArray[np.float64] = np.concatenate([one.found for one in _all(kind, size)])
        middle = float(np.median(np.where(np.isnan(found), np.inf, found)))
        case = f"rows of the version until harm is sure, median: {name}"
        yield Row(
            case, f"{middle:.0f}, {np.isfinite(found).mean():.1%} found", f"<= {most}, all found", _met(found, most)
        )
    yield from _choices(size)


def _met(found: NDArray[np.float64], most: int) -> bool:
    return bool(np.isfinite(found).all() and np.median(found) <= most)


def _equal(name: str, kind: Kind, size: Size) -> Iterator[Row]:
    """A case without harm."""
    seen = _all(kind, size)
    left, peeked = _share([one.left for one in seen]), _share([one.peeked for one in seen])
    told = f"{left:.3f} of {size.streams} streams, judged in {_share([one.judged for one in seen]):.2f}"
    beside = f"a plain test at the same level, looked at as often: {peeked:.3f}"
    dispersion = float(np.median([one.dispersion for one in seen]))
    case = f"truth ever outside of its band: {name}"
    yield Row(case, f"{told}; dispersion {dispersion:.1f}; {beside}", f"<= {ALPHA}", left <= ALPHA)


def _choices(size: Size) -> Iterator[Row]:
    """Why this sequence and no other: widths on the same streams, as multiples of one fixed look's."""
    for name, kind in {"half of the rows": _EVEN, "canary of 10 %": Kind(), "1 % errors": Kind(rare=0.01)}.items():
        found = [widths(kind, size.panes, seed) for seed in range(max(3, size.streams // 10))]
        middle = {each: float(np.median([one[each] for one in found])) for each in found[0]}
        told = ", ".join(f"{each} {value:.2f}" for each, value in middle.items())
        best = min(value for each, value in middle.items() if each not in ("this", "asymptotic"))
        yield Row(
            f"width at the end, as a multiple of one look's: {name}",
            told,
            "least of those guaranteed",
            middle["this"] <= best,
        )
