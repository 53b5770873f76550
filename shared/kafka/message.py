"""A Kafka record, as read and as to be sent."""

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class InMessage:
    """A record as read. `timestamp_ms` is the broker's LogAppendTime."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> str | None:
        """The last header of this name as text; None if there is none or it is not UTF-8."""
        found = [value for key, value in self.headers if key == name]
        try:
            return found[-1].decode() if found else None
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True)
class OutMessage:
    """A record to be sent; without a key or a partition it is spread over the partitions."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None
