import pytest

from services.drift_detection.stream.following import BELIEVED_AFTER, PATIENCE_SECONDS, Following


class Reader:
    """Where it was sent."""

    def __init__(self) -> None:
        self.sent_to: list[tuple[int, int]] = []

    async def seek(self, partition: int, offset: int) -> None:
        self.sent_to.append((partition, offset))


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def following(reader: Reader) -> Following:
    return Following(reader.seek)


async def test_the_next_message_and_earlier_ones_are_admitted(following: Following, reader: Reader) -> None:
    assert await following.admits(0, 5, 5)
    assert await following.admits(0, 3, 5)
    assert reader.sent_to == []


async def test_a_skipped_message_sends_the_reader_back_once(following: Following, reader: Reader) -> None:
    assert not await following.admits(0, 8, 5)
    assert not await following.admits(0, 9, 5)
    assert not await following.admits(0, 10, 5)
    assert reader.sent_to == [(0, 5)]
    for offset in (5, 6, 7, 8, 9):
        assert await following.admits(0, offset, offset)


async def test_the_way_back_may_be_skipped_into_as_well(following: Following, reader: Reader) -> None:
    assert not await following.admits(0, 8, 5)
    assert not await following.admits(0, 6, 5)
    assert not await following.admits(0, 8, 5)
    assert reader.sent_to == [(0, 5), (0, 5)]


async def test_what_the_broker_has_deleted_is_believed_at_last(following: Following) -> None:
    answers = [await following.admits(0, 8, 5) for _ in range(BELIEVED_AFTER)]
    assert answers == [False] * (BELIEVED_AFTER - 1) + [True]


async def test_partitions_are_watched_apart(following: Following, reader: Reader) -> None:
    assert not await following.admits(0, 8, 5)
    assert await following.admits(1, 8, 8)
    assert reader.sent_to == [(0, 5)]


async def test_after_a_restart_the_reader_is_sent_to_where_the_state_ends(following: Following, reader: Reader) -> None:
    for second in range(3):
        await following.nudge({0: 5, 1: 7}, {0: 9, 1: None}, float(second))
    assert reader.sent_to == [(0, 5), (1, 7)]


async def test_a_reader_that_brings_nothing_is_sent_again(following: Following, reader: Reader) -> None:
    for second in range(int(2 * PATIENCE_SECONDS) + 2):
        await following.nudge({0: 5}, {0: 9}, float(second))
    assert reader.sent_to == [(0, 5)] * 3


async def test_a_reader_at_the_end_or_on_its_way_is_left_alone(following: Following, reader: Reader) -> None:
    await following.nudge({0: 5}, {0: 5}, 0)
    for second in range(1, 20):
        await following.nudge({0: 5 + second}, {0: 100}, float(second))
        await following.nudge({0: 5 + second}, {0: 100}, second + 0.5)
    for second in range(20, 40):
        await following.nudge({0: 100}, {0: 100}, float(second))
    assert reader.sent_to == []
