import pytest

from cli.process.backoff import Backoff


def test_the_first_restart_comes_at_once_and_then_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=5)
    assert [backoff.delay(deaths) for deaths in range(1, 8)] == [0, 0.5, 1, 2, 4, 5, 5]


def test_a_service_that_dies_for_days_still_gets_a_finite_pause() -> None:
    assert Backoff().delay(100_000) == Backoff().longest


def test_deaths_count_in_a_row_and_one_that_lived_long_enough_starts_afresh() -> None:
    backoff = Backoff(steady=60)
    assert backoff.count(3, lived=59.9) == 4
    assert backoff.count(3, lived=60.0) == 1


def test_no_death_has_no_delay() -> None:
    with pytest.raises(ValueError, match="at least 1, is 0"):
        Backoff().delay(0)
