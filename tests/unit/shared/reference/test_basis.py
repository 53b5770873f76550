import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import eval_sh_legendre

from shared.reference.basis import directions, smoothed

EVEN = np.full(20, 0.05)
SKEWED = np.array([0.4, 0.01, 0.2, 0.09, 0.3])


def means_of_legendre(p: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """The mean over each bin of the rank's polynomial, by quadrature."""
    ends = np.concatenate([[0], np.cumsum(p)])
    parts = [quad(lambda u: eval_sh_legendre(degree, u), *ends[b : b + 2])[0] / p[b] for b in range(len(p))]
    return np.array(parts)


@pytest.mark.parametrize("p", [EVEN, SKEWED])
def test_the_directions_are_means_of_legendre_polynomials_made_orthogonal(p: NDArray[np.float64]) -> None:
    first, second = (means_of_legendre(p, degree) for degree in (1, 2))
    first -= (p * first).sum()
    first /= np.sqrt((p * first**2).sum())
    second -= (p * second).sum()
    second -= (p * first * second).sum() * first
    second /= np.sqrt((p * second**2).sum())
    assert directions(p) == pytest.approx(np.array([first, second]), abs=1e-12)


@pytest.mark.parametrize("p", [EVEN, SKEWED, np.array([0.2, 0.5, 0.3])])
def test_the_directions_have_mean_0_and_norm_1_and_do_not_overlap(p: NDArray[np.float64]) -> None:
    found = directions(p)
    assert len(found) == 2
    assert found @ p == pytest.approx(0, abs=1e-12)
    assert (found * p) @ found.T == pytest.approx(np.eye(2), abs=1e-12)


def test_two_bins_have_a_shift_only_and_one_bin_has_nothing() -> None:
    [only] = directions(np.array([0.3, 0.7]))
    assert only == pytest.approx([-np.sqrt(0.7 / 0.3), np.sqrt(0.3 / 0.7)])
    assert directions(np.ones(1)).shape == (0, 1)


def test_no_bin_has_a_share_of_nothing() -> None:
    assert smoothed(np.array([0, 3, 5])) == pytest.approx(np.array([0.5, 3.5, 5.5]) / 9.5)
    assert smoothed(np.zeros(1, np.int64)).tolist() == [1]
