"""The parts of the benchmark of drift detection that measure nothing."""

import numpy as np
import pytest

from benchmarks.drift_stream.__main__ import judged, results
from benchmarks.drift_stream.data import rows
from benchmarks.drift_stream.service import Delay, Sample
from benchmarks.drift_stream.sketch import Ours, Plain, Speeds


def test_what_is_compared_computes_the_same() -> None:
    wide, _ = rows(5_000, 3)
    block = wide.numeric + np.float32(0.5)
    ours, plain = np.array(Ours().seven(block)), np.array(Plain().seven(block)).T
    names = ("psi", "ks", "js", "chi_square", "wasserstein", "missing", "out_of_range")
    found, expected = dict(zip(names, ours, strict=True)), dict(zip(names, plain, strict=True))
    np.testing.assert_allclose(found["missing"], expected["missing"], atol=1e-12)
    np.testing.assert_allclose(found["out_of_range"], expected["out_of_range"], atol=1e-12)
    np.testing.assert_allclose(found["psi"], expected["psi"], rtol=0.03)
    np.testing.assert_allclose(found["js"], expected["js"], rtol=0.03)
    assert (found["ks"] <= expected["ks"] + 1e-9).all()
    assert (found["ks"] > expected["ks"] - 1 / 60).all()
    normal = slice(20, None)  # of the skewed ones scipy's has the tails beyond the clip range as well
    np.testing.assert_allclose(found["wasserstein"][normal], expected["wasserstein"][normal], rtol=0.005)


def test_speeds_count_from_a_tenth_of_the_rows_on_memory_from_half_and_each_goal_is_judged() -> None:
    samples = [
        Sample(0, 3, 100, 0),
        Sample(1, 4, 200, 100),
        Sample(2, 5, 205, 200),
        Sample(6, 6, 210, 600),
        Sample(11, 8, 215, 1000),
    ]
    found = results(Speeds(3e6, 1e6, 1.5e6, 2e4, 75), samples, Delay(0.2, 2.5, 30))
    assert found["service_rows_per_s"] == pytest.approx(800 / 3)
    assert found["service_rows_per_s_wall"] == pytest.approx(800 / 9)
    assert found["memory_growth_mb"] == 5
    assert [row.met for row in judged(found, 1000)] == [True, True, False, True, False]
