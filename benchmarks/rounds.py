"""Interleaved rounds: what is measured and its baseline take turns, so that a noisy machine hits both."""

import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, as the mean of `repeats`."""
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - began) / repeats


def compare(ours: Callable[[], object], baseline: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Median over five interleaved rounds: seconds of ours, seconds of the baseline, and baseline / ours."""
    pairs = [(seconds(ours, repeats), seconds(baseline, repeats)) for _ in range(5)]
    ratio = statistics.median(theirs / own for own, theirs in pairs)
    return statistics.median(own for own, _ in pairs), statistics.median(theirs for _, theirs in pairs), ratio
