import asyncio

import pytest

from services.drift_detection.stream.transport import begin


async def test_what_need_not_wait_is_done_at_once() -> None:
    done: list[int] = []

    async def hand_on() -> None:
        done.append(1)

    assert begin(hand_on()) is None
    assert done == [1]


async def test_what_waits_goes_on_with_what_it_waited_for() -> None:
    room: asyncio.Queue[int] = asyncio.Queue(1)
    room.put_nowait(1)

    async def hand_on() -> str:
        for number in (2, 3):
            await room.put(number)
        return "handed on"

    rest = begin(hand_on())
    assert rest is not None
    task = asyncio.ensure_future(rest)
    assert [await room.get() for _ in range(3)] == [1, 2, 3]
    assert await task == "handed on"


async def test_what_waits_can_be_ended_and_fails_as_itself() -> None:
    ends: list[str] = []

    async def hand_on(room: asyncio.Future[None]) -> None:
        try:
            await room
        finally:
            ends.append("let go")

    never = asyncio.get_running_loop().create_future()
    ended = asyncio.ensure_future(begin(hand_on(never)) or never)
    await asyncio.sleep(0)
    ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended
    broken = asyncio.get_running_loop().create_future()
    rest = begin(hand_on(broken))
    assert rest is not None
    broken.set_exception(ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        await rest
    assert ends == ["let go", "let go"]
