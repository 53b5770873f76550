"""Topics read from the beginning of what is kept to where they end now, without a group."""

from collections.abc import AsyncIterator, Mapping

from aiokafka.errors import KafkaError

from shared.errors import Unreadable
from shared.kafka.admin import count_partitions
from shared.kafka.follow import begin_offsets, scan
from shared.kafka.message import InMessage

_CLIENT = "driftline.replay"


class Topic:
    """One topic at a broker. Raises Unreadable if there is none, or if the broker can't be reached."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._bootstrap = bootstrap
        self._name = name
        self.begins: Mapping[int, int] = {}

    async def partitions(self) -> int:
        """How many it has."""
        try:
            count = await count_partitions(self._bootstrap, self._name)
        except KafkaError as error:
            raise Unreadable(f"Kafka at {self._bootstrap}: {error}") from error
        if not count:
            raise Unreadable(f"Kafka at {self._bootstrap}: there is no topic {self._name}")
        return count

    async def messages(self) -> AsyncIterator[InMessage]:
        """All that is kept, of each partition in its order. From the first message on `begins` holds the first
        offsets.
        """
        await self.partitions()  # what is not there would be waited for
        try:
            self.begins = await begin_offsets(self._bootstrap, self._name, _CLIENT)
            async for message in scan(self._bootstrap, self._name, _CLIENT):
                yield message
        except KafkaError as error:
            raise Unreadable(f"Kafka at {self._bootstrap}: {error}") from error
