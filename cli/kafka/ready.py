"""Whether a broker answers: a real request of the Kafka protocol, not an open port."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from cli.errors import UserError
from shared.kafka import address

_ASK_AGAIN = 0.1  # seconds
_PATIENCE = 5.0


async def answers(bootstrap: str) -> bool:
    """Whether a broker there names itself and a controller, within a few seconds."""
    from aiokafka.admin import AIOKafkaAdminClient  # first: it loads while the broker starts
    from aiokafka.errors import KafkaError

    if not await _is_open(bootstrap):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(_PATIENCE * 1000))
    with _quiet("aiokafka"):
        try:
            await asyncio.wait_for(admin.start(), _PATIENCE)
            cluster = await asyncio.wait_for(admin.describe_cluster(), _PATIENCE)
        except (KafkaError, OSError):
            return False
        finally:
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()
    return bool(cluster["brokers"]) and cluster["controller_id"] >= 0


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A client that cannot connect logs every try; here the caller says what it means."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


async def _is_open(bootstrap: str) -> bool:
    """Whether one of the comma-separated addresses takes a connection."""
    for one in bootstrap.split(","):
        host, _, port = one.strip().rpartition(":")
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 2.0)
            writer.close()
            return True
    return False


async def wait_until_ready(bootstrap: str, check: Callable[[str], None]) -> None:
    """Returns once the broker answers.

    Between the tries `check` is called with the reason why it is not ready; it raises to give up.
    """
    while not await answers(bootstrap):
        check("no answer")
        await asyncio.sleep(_ASK_AGAIN)


def check_address(bootstrap: str) -> None:
    """See `shared.kafka.address`; raises UserError."""
    try:
        address.check_address(bootstrap)
    except ValueError as error:
        raise UserError(f"KAFKA_BOOTSTRAP: {error}") from error
