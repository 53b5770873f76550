import numpy as np
import pytest

from services.drift_detection.domain.detector.bank import Step
from services.drift_detection.domain.detector.rates import RateBets
from services.drift_detection.domain.detector.stream import MOST_RATES, Stream
from services.drift_detection.domain.detector.streams import numeric_stream
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, World, run, world

NOMINAL = 1000
REFERENCE = np.r_[np.zeros(40), np.full(60, np.nan), np.random.default_rng(4).normal(size=9900)]


@pytest.fixture(scope="module")
def calm() -> World:
    return world({"x": np.random.default_rng(0).permutation(REFERENCE)})


class ByHand:
    """One stream's R of each bet and its M, a bet and a bin at a time."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        count = len(stream.bins.ratios)
        rates = [bets for bets in stream.rates if bets is not None]
        self.r = {("bins", j): 0.0 for j in range(count)} | {("adaptive", 0): 0.0}
        self.r |= {(f"rate{k}", j): 0.0 for k, bets in enumerate(rates) for j in range(len(bets.factors))}
        self.rates = rates
        self.recent = [0.0] * len(stream.bins.p)

    def step(self, rows: int, bins: list[int], events: list[int]) -> None:
        p, phi, present = self.stream.bins.p, self.stream.bins.phi, sum(bins)
        pi, gain = min(1.0, rows / NOMINAL), {}
        for j, ratio in enumerate(self.stream.bins.ratios):
            evidence = sum(c * np.log(q) for c, q in zip(bins, ratio, strict=True))
            gain["bins", j] = (evidence - present * self.stream.bins.margins[j]) / phi
        total = sum(self.recent)
        q = [(2 * NOMINAL * p[b] + self.recent[b]) / (2 * NOMINAL + total) for b in range(len(p))]
        chi = sum(p[b] * (q[b] / p[b] - 1) ** 2 for b in range(len(p))) ** 0.5
        learnt = sum(bins[b] * np.log(q[b] / p[b]) for b in range(len(p)))
        assert self.stream.bins.adaptive is not None
        gain["adaptive", 0] = (learnt - present * self.stream.bins.adaptive * chi) / self.stream.bins.phi_any
        for k, (bets, trials) in enumerate(zip(self.rates, (rows, present, present), strict=True)):
            for j in range(len(bets.factors)):
                gain[f"rate{k}", j] = _rate(bets, j, events[k], trials)
        if rows:
            self.r = {
                bet: (r + pi) * np.exp(gain[bet]) if present or bet[0] == "rate0" else r for bet, r in self.r.items()
            }
        self.recent = [0.8 ** (present / NOMINAL) * self.recent[b] + bins[b] for b in range(len(p))]

    def ln_m(self, fixed: int) -> float:
        weights = self.stream.log_weights(fixed)
        places = {"bins": 0, "adaptive": fixed} | {f"rate{k}": fixed + 1 + k * MOST_RATES for k in range(3)}
        terms = [weights[places[kind] + j] + np.log(r) for (kind, j), r in self.r.items() if r]
        return float(np.logaddexp.reduce(terms))


def _rate(bets: RateBets, j: int, k: int, n: int) -> float:
    return k * bets.with_event[j] + (n - k) * bets.without[j]


def check(by_hand: ByHand, step: Step, fixed: int) -> None:
    state = step.stepped.state[0]
    for (kind, j), r in by_hand.r.items():
        place = {"bins": 0, "adaptive": fixed}.get(kind)
        place = fixed + 1 + int(kind[4:]) * MOST_RATES if place is None else place
        assert np.exp(state.ln_r[0, place + j]) == pytest.approx(r, rel=1e-8), (kind, j)
    assert state.recent[0] == pytest.approx(by_hand.recent)


def test_every_bet_grows_as_by_hand_through_panes_of_any_size(calm: World) -> None:
    random, bank = np.random.default_rng(11), calm.bank(steps=1e300)
    panes = [random.normal(0.1, 1.1, rows) for rows in (300, 3, 1000, 2500, 1, 40, 700)]
    panes[2][:30], panes[3][:100], panes[4][:] = np.nan, 0, np.nan
    by_hand = ByHand(numeric_stream(calm.reference.numeric[0], bank.budget))
    group = bank.detector.groups[0]
    for step, values in zip(run(bank, [calm.sketch({"x": one}) for one in panes]), panes, strict=True):
        counts = step.pane[0]
        by_hand.step(len(values), counts.bins[0].tolist(), counts.events[0].tolist())
        check(by_hand, step, group.fixed)
        assert group.ln_evidence(step.stepped.state[0])[0] == pytest.approx(by_hand.ln_m(group.fixed))


def test_the_bet_that_learns_has_nothing_to_say_on_the_first_pane(calm: World) -> None:
    bank = calm.bank(steps=1e300)
    first, second = run(bank, [calm.sketch({"x": np.random.default_rng(2).normal(1, 1, 800)})] * 2)
    place = bank.detector.groups[0].fixed
    assert first.stepped.state[0].ln_r[0, place] == pytest.approx(np.log(0.8))  # it begins with 800 of 1,000 rows
    assert second.stepped.state[0].ln_r[0, place] > 100


def test_bets_on_values_stay_as_they_are_where_there_are_none(calm: World) -> None:
    """Nothing could speak against them: they would grow by a pane's weight each time."""
    bank = calm.bank(steps=1e300)
    first, *rest = run(bank, [calm.sketch({"x": one}) for one in (REFERENCE[-500:], *[np.full(20, np.nan)] * 3)])
    missing = slice(17, 17 + len(bank.detector.groups[0].streams[0].missing.factors))
    before, after = first.after.state[0].ln_r[0], rest[-1].after.state[0].ln_r[0]
    assert (after[missing] != before[missing]).all()
    others = np.delete(np.arange(len(before)), np.arange(17, 17 + MOST_RATES))
    assert np.array_equal(after[others], before[others])


def test_small_panes_begin_with_a_small_part_of_a_bet(calm: World) -> None:
    bank = calm.bank()
    missing_row = slice(17, 19)
    for rows in (3, 1000, 5000):
        [step] = run(bank, [calm.sketch({"x": np.zeros(rows)})])
        without = bank.detector.groups[0].streams[0].missing.without[:2]
        expected = np.log(min(1, rows / 1000)) + rows * np.array(without)
        assert step.stepped.state[0].ln_r[0, missing_row] == pytest.approx(expected)


def test_a_reset_forgets_all_of_the_streams_named_and_nothing_of_others() -> None:
    random = np.random.default_rng(1)
    two = world({"x": random.normal(size=5000), "y": random.normal(size=5000)})
    bank = two.bank()
    group = bank.detector.groups[0]
    state = run(bank, [two.sketch({"x": random.normal(size=700), "y": random.normal(size=700)})] * 2)[-1].after.state[0]
    reset, fresh = group.reset(state, np.array([True, False])), group.start()
    for name, array in vars(reset).items():
        assert np.array_equal(array[0], getattr(fresh, name)[0])
        assert np.array_equal(array[1], getattr(state, name)[1])
        assert not np.array_equal(array[0], getattr(state, name)[0])


def test_after_a_reset_one_pane_can_alarm_again(calm: World) -> None:
    bank = calm.bank()
    steps = run(bank, [calm.sketch({"x": np.full(1000, 3.0)})] * 4)
    assert [step.alarm is not None for step in steps] == [True] * 4
    evidence = [bank.detector.groups[0].ln_evidence(step.stepped.state[0])[0] for step in steps]
    assert evidence == [pytest.approx(evidence[0])] * 4


def test_each_bet_knows_since_when_it_has_grown(calm: World) -> None:
    """The step from which on its gains add up to most."""
    bank = calm.bank(steps=1e300)
    panes = [np.random.default_rng(seed).normal(0.5 * (seed >= 6), 1, 400) for seed in range(10)]
    steps = run(bank, [calm.sketch({"x": one}) for one in panes])
    stream, fixed = bank.detector.groups[0].streams[0], 16
    gains = np.array(
        [step.pane[0].bins[0] @ np.log(stream.bins.ratios).T - 400 * stream.bins.margins for step in steps]
    )
    last = steps[-1].stepped.state[0]
    for j in range(fixed):
        sums = [float(gains[begin:, j].sum()) for begin in range(10)]
        assert last.run[0, j] == pytest.approx(max(sums), abs=1e-9)
        assert last.since[0, j] == FIRST + int(np.argmax(sums)) * HOUR
    assert last.since[0, 4] == FIRST + 6 * HOUR
