"""Topic to topic: `driftline.requests` in, `driftline.scores` out, each request answered once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

import orjson
from aiokafka.errors import KafkaError
from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span
from prometheus_client import Counter
from structlog import get_logger

from services.inference.api.app import Parts
from services.inference.api.core import Core
from services.inference.api.failures import MOST, failure
from services.inference.api.large import Overloaded
from services.inference.api.tracing import TRACER, brought, mark, passed_on, spanning
from services.inference.domain.answer import Answer
from services.inference.domain.binary import LENGTH_HEADER, read_length
from services.inference.domain.binary import Parts as Binary
from services.inference.domain.body import checked_text, read_json
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import InferRequest, read_fields
from services.inference.models.catalogue import Catalogue, NotReady, NotServed
from services.inference.models.loaded import ModelFailed
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import NotLogged
from shared.batch import request_key
from shared.errors import InvalidInput
from shared.kafka.admin import MOST_BYTES, REQUESTS, SCORES
from shared.kafka.consumer import ConsumeLoop, ConsumerConfig, Hooks
from shared.kafka.dead_letters import dead_letter
from shared.kafka.follow import tail
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer

log = get_logger()

ASKED = Counter("driftline_topic_requests_total", "Requests on the topic, by what became of them", ["outcome"])

MODEL, STATUS, ID, ORIGIN = "driftline-model", "driftline-status", "driftline-id", "driftline-request"
_SERVICE = "inference"
_GROUP = "inference"
_PAUSE = 1.0  # seconds
_ROOM = 16_384  # bytes of a message for its headers and what Kafka adds
_ABOUT: dict[str, str | int] = {
    "messaging.system": "kafka",
    "messaging.destination.name": REQUESTS,
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
}

# The last answers on the topic.
Recall = Callable[[], Awaitable[Sequence[InMessage]]]


class _Read(NamedTuple):
    model: str
    id: str
    request: InferRequest

    @property
    def key(self) -> bytes:
        return request_key(self.model, self.id)


class TopicRequests:
    """What a consume loop asks: `take` a message, `flush` the answers, `recall` those of whoever had the partitions.

    A message that was answered is known by its place, and a request that was answered with 200 by its model and id:
    neither is answered again. `memory` is how many are remembered. Requests are computed side by side until the next
    flush, so that in mode durable they wait for Kafka together.
    """

    def __init__(self, core: Core, catalogue: Catalogue, recall: Recall, memory: int, tracer: Tracer = TRACER) -> None:
        self._core = core
        self._tracer = tracer
        self._catalogue = catalogue
        self._recall = recall
        self._known = RecentIds(2 * memory)
        self._in_hand: dict[bytes, asyncio.Task[list[OutMessage]]] = {}
        self._ready: list[OutMessage] = []

    async def recall(self) -> None:
        """Know what is on the topic of answers."""
        for answer in await self._recall():
            self._know(answer.header(ORIGIN), answer.header(STATUS), answer.header(MODEL), answer.header(ID))

    async def take(self, message: InMessage) -> Sequence[OutMessage]:
        """Begin with a request; what comes of it is for `flush`."""
        if self._known.contains(_origin(message).encode()):
            ASKED.labels("repeat").inc()
            return ()
        try:
            read = _read(message)
        except InvalidInput as error:
            with self._span(message):
                self._ready += _unreadable(message, _told_id(message), error)
            return ()
        if read.key in self._in_hand:
            self._ready += await self._settle()
        if self._known.contains(read.key):
            ASKED.labels("repeat").inc()
        else:
            self._in_hand[read.key] = asyncio.create_task(self._answer(message, read))
        return ()

    async def flush(self) -> Sequence[OutMessage]:
        """The answers to all that was taken."""
        answers = [*self._ready, *await self._settle()]
        self._ready = []
        return answers

    async def _settle(self) -> list[OutMessage]:
        tasks, self._in_hand = list(self._in_hand.values()), {}
        found = [message for messages in await asyncio.gather(*tasks) for message in messages]
        for message in found:
            told = {name: value.decode() for name, value in message.headers} if message.topic == SCORES else {}
            self._know(*(told.get(name) for name in (ORIGIN, STATUS, MODEL, ID)))
        return found

    def _know(self, origin: str | None, status: str | None, model: str | None, told_id: str | None) -> None:
        if origin is not None:
            self._known.seen(origin.encode(), 1)
        if status == "200" and model is not None and told_id is not None:
            self._known.seen(request_key(model, told_id), 1)

    def _span(self, message: InMessage) -> AbstractContextManager[Span]:
        about = {**_ABOUT, "messaging.destination.partition.id": str(message.partition)}
        about["messaging.kafka.offset"] = message.offset
        return spanning(self._tracer, brought(message.headers), f"process {REQUESTS}", about, SpanKind.CONSUMER)

    async def _answer(self, message: InMessage, read: _Read) -> list[OutMessage]:
        with self._span(message):
            return await self._answered(message, read)

    async def _answered(self, message: InMessage, read: _Read) -> list[OutMessage]:
        while True:
            try:
                served = self._catalogue.get(read.model)
                answer = await self._core.answer(served, read.request, time.perf_counter())
                return [_reply(message, read.id, 200, answer, read.model)]
            except (NotLogged, Overloaded) as error:  # nobody waits at a connection: the topic does
                log.warning("a request on the topic waits", why=str(error))
                await asyncio.sleep(_PAUSE)
            except InvalidInput as error:
                return _unreadable(message, read.id, error)
            except (NotServed, NotReady, ModelFailed) as error:
                told = failure(error)
                return [_error(message, read.id, told.status, told.text, read.model)]


def _origin(message: InMessage) -> str:
    """Which message this is, also if the topic is made anew."""
    return f"{message.partition}/{message.offset}/{message.timestamp_ms}"


def _read(message: InMessage) -> _Read:
    """A request without an id has that of its place, which stays the same when it is read again."""
    body = message.value or b""
    length = read_length(message.header(LENGTH_HEADER))
    binary = Binary(body, length)
    value = read_json(body if length is None else body[:length])
    request = read_fields(value, binary)
    model = checked_text(message.header(MODEL) or value.get("model_name"), f"model_name, or the header {MODEL}")
    told = request.id or f"{REQUESTS}/{_origin(message)}"
    return _Read(model, told, replace(request, id=told))


def _told_id(message: InMessage) -> str | None:
    """The id of a request that is wrong, if it can be found."""
    try:
        found = orjson.loads(message.value or b"")["id"]
        return checked_text(found, "id")
    except (ValueError, LookupError, TypeError, InvalidInput):
        return None


def _unreadable(message: InMessage, told_id: str | None, error: InvalidInput) -> list[OutMessage]:
    return [_error(message, told_id, 400, str(error)), dead_letter(message, str(error), _SERVICE)]


def _error(message: InMessage, told_id: str | None, status: int, text: str, model: str | None = None) -> OutMessage:
    text = text[:MOST].encode(errors="replace").decode()
    told = {"error": text} if told_id is None else {"id": told_id, "error": text}
    return _reply(message, told_id, status, Answer(orjson.dumps(told), None), model)


def _reply(message: InMessage, told_id: str | None, status: int, answer: Answer, model: str | None) -> OutMessage:
    key = message.key if len(message.key or b"") < MOST_BYTES // 2 else None
    if len(answer.body) + len(key or b"") > MOST_BYTES - _ROOM:
        return _error(message, told_id, 413, f"an answer of {len(answer.body)} bytes is too large: fewer rows", model)
    ASKED.labels(str(status)).inc()
    mark(get_current_span(), status)
    length = None if answer.json_length is None else str(answer.json_length)
    told = {STATUS: str(status), ORIGIN: _origin(message), ID: told_id, MODEL: model, LENGTH_HEADER: length}
    given = {name: text for name, text in told.items() if text is not None} | passed_on()
    headers = tuple((name, text.encode(errors="replace")) for name, text in given.items())
    return OutMessage(SCORES, answer.body, key, headers)


async def answer_requests(settings: InferenceSettings, parts: Parts, producer: Producer) -> None:
    """Answer what comes, for ever, once the models serve."""
    while parts.health.reason is not None:  # noqa: ASYNC110  # whoever is told so has no event for it
        await asyncio.sleep(0.1)

    async def last_answers() -> Sequence[InMessage]:
        while True:
            try:
                return await tail(settings.kafka_bootstrap, SCORES, settings.topic_answers, _SERVICE)
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("the last answers can't be read, trying again", error=str(error))
                await asyncio.sleep(_PAUSE)

    # Three partitions, and each answer is known by two keys
    memory = 2 * 3 * settings.topic_answers
    requests = TopicRequests(parts.core, parts.catalogue, last_answers, memory, parts.tracer)
    config = ConsumerConfig(settings.kafka_bootstrap, _GROUP, (REQUESTS,), _SERVICE, instance=settings.instance)
    hooks = Hooks(flush=requests.flush, on_assigned=requests.recall)
    await ConsumeLoop(config, producer, requests.take, hooks).run()
