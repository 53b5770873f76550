"""Labels on their way to Kafka: posts that come at the same time share one flush, and each knows when Kafka has it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from aiokafka.errors import KafkaError
from prometheus_client import Counter
from structlog import get_logger

from services.inference.domain.labels import events
from shared.cloudevents import encode
from shared.errors import DriftlineError
from shared.events import LabelItem
from shared.kafka.message import OutMessage

log = get_logger()

LABELS = Counter("driftline_labels_total", "Labels posted, by outcome", ["model", "outcome"])


class LabelsNotTaken(DriftlineError):
    """Kafka did not confirm the labels in time; the client should send them again."""


_NO_TRACE: Mapping[str, str] = MappingProxyType({})


class _Post:
    def __init__(self, model: str, labels: Sequence[LabelItem], trace: Mapping[str, str]) -> None:
        self.model = model
        self.labels = labels
        self.trace = trace
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class LabelSender:
    """`send` returns when all messages are acknowledged. `patience` in seconds, `bound` labels may wait."""

    def __init__(
        self, send: Callable[[Sequence[OutMessage]], Awaitable[None]], patience: float = 5, bound: int = 100_000
    ) -> None:
        self._send = send
        self._patience = patience
        self._bound = bound
        self._waiting: dict[int, _Post] = {}
        self._size = 0
        self._arrived = asyncio.Event()

    async def post(self, model: str, labels: Sequence[LabelItem], trace: Mapping[str, str] = _NO_TRACE) -> None:
        """Returns when Kafka has the labels, whose events carry `trace`.

        Raises:
            LabelsNotTaken: it has not confirmed them in time, or too many wait already. They may arrive all the same;
                a label that comes twice is recognised.
        """
        if self._size + len(labels) > self._bound and self._waiting:
            LABELS.labels(model, "refused").inc(len(labels))
            raise LabelsNotTaken("too many labels wait for Kafka")
        post = _Post(model, labels, trace)
        self._waiting[id(post)] = post
        self._size += len(labels)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._patience):
                await post.done
        except (TimeoutError, KafkaError) as error:
            LABELS.labels(model, "refused").inc(len(labels))
            raise LabelsNotTaken("Kafka has not confirmed the labels") from error
        finally:
            self._forget(post)
        LABELS.labels(model, "taken").inc(len(labels))

    def _forget(self, post: _Post) -> None:
        if self._waiting.pop(id(post), None) is not None:
            self._size -= len(post.labels)

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            posts = list(self._waiting.values())
            for post in posts:
                self._forget(post)
            await self._flush(posts)

    async def _flush(self, posts: Sequence[_Post]) -> None:
        messages = _messages(posts)
        try:
            await self._send(messages)
        except KafkaError as error:
            log.warning("labels not taken", posts=len(posts), error=str(error))
            _answer(posts, error)
        else:
            _answer(posts, None)


def _messages(posts: Sequence[_Post]) -> list[OutMessage]:
    """An event is of one trace, so posts of several share none."""
    alike: dict[tuple[str, frozenset[tuple[str, str]]], list[LabelItem]] = {}
    for post in posts:
        alike.setdefault((post.model, frozenset(post.trace.items())), []).extend(post.labels)
    return [
        encode(event, "inference", extensions=dict(trace))
        for (model, trace), labels in alike.items()
        for event in events(model, labels)
    ]


def _answer(posts: Sequence[_Post], error: KafkaError | None) -> None:
    for post in posts:
        if post.done.done():
            continue
        if error is None:
            post.done.set_result(None)
        else:
            post.done.set_exception(error)
