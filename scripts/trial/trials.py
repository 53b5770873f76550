"""What a service must do: become ready and end cleanly; say what it misses when there is no Kafka."""

import asyncio

from scripts.trial.errors import TrialFailed
from scripts.trial.image import Image, Running, running

READY_SECONDS = 90.0  # on a busy machine; it takes a few
WITHOUT_KAFKA_SECONDS = 6.0
_TRACEBACK = "Traceback (most recent call last)"


async def becomes_ready(image: Image, seconds: float = READY_SECONDS) -> str:
    """`/live` and `/ready` answer 200, SIGTERM ends it with 0; returns how long it took, as a sentence's part.

    Raises:
        TrialFailed: it did not.
    """
    async with running(image) as service:
        took = await service.answers("/ready", seconds)
        if await service.status("/live") != 200:
            raise TrialFailed("/ready answers 200 but /live does not", service.log())
        await service.end()
    return f"ready in {took:.1f} s"


async def bears_no_kafka(image: Image, watched: float = WITHOUT_KAFKA_SECONDS) -> str:
    """With nothing at the broker's address it either lives for `watched` seconds, is not ready and ends cleanly, or
    ends with a clear word.

    Raises:
        TrialFailed: it claims to be ready, falls silent, or fills its log with tracebacks.
    """
    async with running(image) as service:
        said = await _lives_unready(service, watched)
        if service.log().count(_TRACEBACK) > 1:
            raise TrialFailed("without Kafka: a traceback again and again", service.log())
    return said


async def _lives_unready(service: Running, watched: float) -> str:
    try:
        await service.answers("/live", READY_SECONDS)
    except TrialFailed:
        if service.code and "kafka" in service.log().lower():
            return "says so and ends without Kafka"
        raise
    await asyncio.sleep(watched)
    if service.code is not None:
        raise TrialFailed(f"without Kafka: live first, then it ended with {service.code}", service.log())
    if await service.status("/ready") != 503:
        raise TrialFailed("without Kafka: expected /ready to answer 503", service.log())
    await service.end()
    return "live but not ready without Kafka"
