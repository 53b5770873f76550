import numpy as np
import pytest

from services.drift_detection.domain.detector.changes import jump_level
from services.drift_detection.domain.detector.rates import missing_bets, range_bets, rate_bets, stuck_bets
from services.drift_detection.domain.detector.stream import MOST_RATES, Stream
from services.drift_detection.domain.detector.streams import level_stream, numeric_stream
from shared.reference import NumericProfile
from tests.unit.drift_detection.detector.worlds import budget, profile, world

RANDOM = np.random.default_rng(8)
CALM = RANDOM.normal(size=6000)
# A slow swing that many rows share, as weather's, and hours that repeat the one before.
WEATHER = np.repeat(np.round(5 * np.sin(np.arange(240) / 9) + RANDOM.normal(size=240), 1), 25)
FIVE = budget(5)


def groups(stream: Stream, fixed: int = 16) -> list[float]:
    """The weight of shift and spread, adaptive, missing, zeros, out of range, jump, stuck."""
    weights = np.exp(stream.log_weights(fixed))
    ends = np.cumsum([8, fixed - 8, 1, MOST_RATES, MOST_RATES, MOST_RATES, 1, MOST_RATES])
    assert ends[-1] == len(weights)
    return [float(part.sum()) for part in np.split(weights, ends[:-1])]


def weather() -> NumericProfile:
    return profile(WEATHER, rows_per_pane=25)


def test_weights_favour_shifts_and_missing_rows() -> None:
    stream = numeric_stream(profile(CALM), FIVE)
    assert not stream.persists
    assert groups(stream) == pytest.approx([0.42, 0.13, 0.1, 0.22, 0.05, 0.08, 0, 0])


def test_where_a_feature_persists_changes_between_panes_take_from_its_bins() -> None:
    stream = numeric_stream(weather(), FIVE)
    assert stream.persists
    assert stream.jump == pytest.approx(np.log(720 * 5 / 0.1))
    bins = 1 - 0.2 / 0.55
    assert groups(stream) == pytest.approx([0.42 * bins, 0.13 * bins, 0.1, 0.22, 0.05, 0.08, 0.1, 0.1])


def test_a_jump_by_itself_is_just_an_alarm() -> None:
    """Its weight times 1/alpha is A·F, to rounding; the alarm allows for that."""
    stream = numeric_stream(weather(), FIVE)
    assert stream.jump is not None
    evidence = float(stream.log_weights(16)[-1 - MOST_RATES] + stream.jump)
    assert evidence == pytest.approx(np.log(720 * 5), abs=1e-10)
    assert jump_level(FIVE) == pytest.approx(0.1 / (720 * 5))


def test_a_feature_with_too_few_pairs_of_panes_has_no_jump_bet() -> None:
    few = profile(WEATHER, rows_per_pane=100)
    assert not few.jumps.assessed
    stream = numeric_stream(few, FIVE)
    assert stream.persists
    assert stream.jump is None
    assert groups(stream)[6] == 0
    assert sum(groups(stream)) == pytest.approx(1)


def test_a_constant_is_bet_on_by_its_rates_alone() -> None:
    stream = numeric_stream(profile(np.full(5000, 7.0)), FIVE)
    missing, zeros, outside = 0.22 / 0.35, 0.05 / 0.35, 0.08 / 0.35
    assert groups(stream) == pytest.approx([0, 0, 0, missing, zeros, outside, 0, 0])
    assert not stream.persists


def test_a_feature_never_seen_is_bet_to_appear() -> None:
    stream = numeric_stream(profile(np.full(5000, np.nan)), FIVE)
    assert stream.missing.flipped
    assert groups(stream) == pytest.approx([0, 0, 0, 1, 0, 0, 0, 0])


def test_a_stream_of_nothing_weighs_nothing() -> None:
    none = profile([1.0, 2.0]).model_copy(update={"rows": 0, "counts": (0,), "edges": (), "coarse_edges": ()})
    assert np.isneginf(numeric_stream(none, FIVE).log_weights(16)).all()


def test_among_rates_that_are_doubled_or_new_weigh_most() -> None:
    stream = numeric_stream(profile(RANDOM.permutation(np.r_[np.full(100, np.nan), np.zeros(40), CALM])), FIVE)
    weights = np.exp(stream.log_weights(16))[17:]
    inside = {1.25: 1, 1.5: 2, 2: 3, 4: 2.5, 16: 0.5, 64: 0.25, 256: 0.25, 0.5: 1}
    share = np.array([inside[r] for r in stream.missing.factors])
    assert weights[: len(share)] == pytest.approx(0.22 * share / share.sum())
    assert 0.5 in stream.missing.factors
    assert stream.zeros is not None
    share = np.array([{1.25: 0.5, 1.5: 0.5, 2: 1, 4: 1, 16: 1.5, 64: 2, 256: 2}[r] for r in stream.zeros.factors])
    assert weights[MOST_RATES : MOST_RATES + len(share)] == pytest.approx(0.05 * share / share.sum())


def test_a_categorical_feature_is_bet_on_by_its_mix_and_its_missing_rows() -> None:
    codes = {"c": RANDOM.integers(-2, 3, 5000)}
    stream = level_stream(world({}, codes).reference.categorical[0], FIVE)
    weights = np.exp(stream.log_weights(20))
    assert weights[:20].sum() == pytest.approx(0.6 * 16 / 16)
    assert float(weights[20]) == pytest.approx(0.2)
    assert weights[21 : 21 + MOST_RATES].sum() == pytest.approx(0.2)
    assert weights[21 + MOST_RATES :].sum() == 0
    assert not stream.persists


def test_rates_are_weakened_by_dispersions_of_their_own() -> None:
    values = np.repeat(np.where(RANDOM.random(300) < 0.2, np.nan, RANDOM.normal(size=300)), 20)
    there = profile(values)
    stream = numeric_stream(there, FIVE)
    phi = FIVE.dispersion(there.missing_dispersion)
    assert phi > 4
    assert stream.missing == missing_bets(there.missing, 6000, phi, FIVE)
    by_bins = FIVE.dispersion(there.dispersion)
    assert stream.outside == range_bets(there.rows, by_bins, FIVE)
    assert stream.stuck == stuck_bets(there.flats.flat, there.flats.pairs, 1, FIVE)


@pytest.mark.parametrize(("least", "inside"), [(-3, True), (1, False)])
def test_zeros_too_seldom_to_be_assessed_come_as_the_values_do_if_they_lie_among_them(least: int, inside: bool) -> None:
    there = profile(np.repeat(RANDOM.uniform(least, 9, 300), 20))
    assert there.zero_dispersion is None
    stream = numeric_stream(there, FIVE)
    phi = FIVE.dispersion(there.dispersion) if inside else 1
    assert stream.zeros == rate_bets(0, 6000, phi, FIVE)


def test_frequent_zeros_have_a_dispersion_of_their_own() -> None:
    there = profile(np.where(RANDOM.random(6000) < 0.1, 0, np.repeat(RANDOM.normal(size=300), 20)))
    assert FIVE.dispersion(there.zero_dispersion) == 1 < FIVE.dispersion(there.dispersion)
    assert numeric_stream(there, FIVE).zeros == rate_bets(there.zeros, 6000, 1, FIVE)
