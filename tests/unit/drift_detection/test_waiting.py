import numpy as np
import pytest

from services.drift_detection.domain.source.parts import Partial
from services.drift_detection.domain.source.waiting import MOST_ROWS, Waiting
from shared.features import Float32, Rows
from tests.unit.drift_detection.pumps import DIGEST, batch, hours, watched

MEASURE = watched().reference.measure


def rows(first: int) -> tuple[Rows, Float32]:
    message = batch(DIGEST, *hours(first, 1))
    return message.rows, message.scores


@pytest.mark.parametrize("look", [1, 3, 100])
def test_a_part_holds_the_same_however_often_one_looks(look: int) -> None:
    one_by_one, part = watched().reference.empty_sketch(), Partial(watched().reference.empty_sketch(), -1)
    for number in range(7):
        one_by_one.add(*rows(number), MEASURE)
        part.add(*rows(number), watched())
        if number % look == 0:
            part.rest()
    assert part.packed == one_by_one.to_bytes()
    assert part.sketch.rows == one_by_one.rows


def test_what_waits_is_counted_once() -> None:
    sketch, waiting = watched().reference.empty_sketch(), Waiting()
    waiting.add(*rows(0), watched())
    waiting.count_into(sketch)
    assert not waiting
    waiting.count_into(sketch)
    assert sketch.rows == len(rows(0)[0])


def test_what_waits_is_bounded() -> None:
    known, scores = rows(0)
    many = np.arange(MOST_ROWS // 2) % len(known)
    part = (known[many], scores[many], watched())
    waiting = Waiting()
    assert [waiting.add(*part) for _ in range(2)] == [False, True]
