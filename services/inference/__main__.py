"""`python -m services.inference`: puts the parts together and serves; `score` and `schedule` score tables."""

import asyncio
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvloop
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from structlog import get_logger

from services.inference.api.app import Parts, build_app
from services.inference.api.core import Core
from services.inference.api.express import Lane, express
from services.inference.api.shadows import Shadows
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue
from services.inference.models.deployments import Deployments
from services.inference.models.loaded import LoadedModel, load
from services.inference.models.resident import Residency
from services.inference.models.session import bound_arena
from services.inference.models.trial import Limits
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import Accounting
from services.inference.store.deployments import KeptDeployments
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog, warm
from shared import garbage
from shared.bundle import Bundle, open_bundle
from shared.deployments import DeploymentFeed
from shared.errors import first_problem
from shared.events import DeploymentChanged
from shared.http import Health, serve
from shared.kafka.admin import PREDICTIONS
from shared.kafka.message import InMessage
from shared.kafka.producer import Producer
from shared.kafka.publisher import Publisher
from shared.logging import configure
from shared.signing import Trust

log = get_logger()

SERVICE = "inference"


async def run(settings: InferenceSettings) -> None:
    """Serve until SIGTERM; then finish the requests, publish what was answered, and leave the rest in the spool."""
    publisher = Publisher(
        settings.kafka_bootstrap, PREDICTIONS, settings.spool, settings.queue_bytes, spool_bound=settings.spool_bytes
    )
    producer = Producer(settings.kafka_bootstrap, SERVICE)
    health, catalogue = Health("waiting for deployments"), Catalogue()
    policy = GatherPolicy(settings.gather_seconds, settings.gather_rows)
    predictions = PredictionLog(publisher.enqueue, str(uuid.uuid4()), policy)
    labels = LabelSender(producer.send, settings.label_patience_seconds)
    accounting = Accounting(predictions, lambda: publisher.full, settings.patience)
    shadows = Shadows(accounting, settings.shadow_rows)
    core = Core(accounting, RecentIds(settings.recent_ids), settings.inline_rows, shadows)
    deployments = Deployments(catalogue, _loader(settings), health)
    feed = _feed(settings, deployments, producer)
    parts = Parts(health, catalogue, core, labels)
    app = build_app(settings, parts)
    lane = Lane(core, catalogue, app.state.tokens, settings.body_bytes, tracer=parts.tracer)
    calls = _calls(settings, parts)
    await _open(publisher)
    try:
        tasks = (feed.run(settings.kafka_bootstrap), deployments.run(feed.caught_up), labels.run(), publisher.watch())
        topic = _topic(settings, parts, producer)
        await serve(app, settings, *tasks, shadows.run(), lane.tidy(), *calls, *topic, protocol=express(lane))
    finally:
        predictions.flush()
        await asyncio.gather(publisher.stop(settings.flush_seconds), _stop(producer, settings.flush_seconds))


def _feed(settings: InferenceSettings, deployments: Deployments, producer: Producer) -> DeploymentFeed:
    trust, kept = Trust(settings.trust), KeptDeployments(settings.kept)
    for event in kept.read(trust):
        deployments.take(event)

    async def deployed(event: DeploymentChanged, message: InMessage) -> None:
        if deployments.take(event):
            await asyncio.to_thread(kept.keep, message)

    return DeploymentFeed(trust, SERVICE, deployed, producer.send)


def _calls(settings: InferenceSettings, parts: Parts) -> tuple[Coroutine[Any, Any, None], ...]:
    """What serves gRPC, if it is to be served: where it is not, a tenth of a second of imports is saved."""
    if not settings.grpc_port:
        return ()
    from services.inference.api.grpc.server import open_server, run_server

    return (run_server(open_server(settings, parts)),)


def _topic(settings: InferenceSettings, parts: Parts, producer: Producer) -> tuple[Coroutine[Any, Any, None], ...]:
    if not settings.topic_requests:
        return ()
    from services.inference.api.topic import answer_requests

    return (answer_requests(settings, parts, producer),)


async def _open(publisher: Publisher) -> None:
    try:
        await publisher.start()
    except OSError as error:  # another inference has the same state folder, or it can't be written
        log.error("the spool can't be opened", why=str(error))  # noqa: TRY400  # the user can put it right
        raise SystemExit(1) from error


async def _stop(producer: Producer, seconds: float) -> None:
    """Nobody waits for its acknowledgements any more: what it still holds was not promised to anyone."""
    try:
        async with asyncio.timeout(seconds):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.warning("producer did not stop cleanly", error=repr(error))


def _loader(settings: InferenceSettings) -> Callable[[str], LoadedModel]:
    bound_arena(settings.arena_bytes)
    limits = Limits(settings.load_seconds, settings.load_bytes, settings.arena_bytes)

    def opened(digest: str) -> Bundle:
        return open_bundle(settings.bundles, digest, settings.trust)

    residency = Residency(settings.models_bytes, lambda digest: opened(digest).onnx)

    def loaded(digest: str) -> LoadedModel:
        warm()  # here, for this runs in a thread, before anything serves
        model = load(opened(digest), limits, residency)
        garbage.settle()
        return model

    return loaded


def main(arguments: Sequence[str] = ()) -> int:
    """Run the service, or a command; the exit code: 0, or 1 with one line on stderr for a setting that is wrong."""
    if arguments:
        from services.inference.batch.command import main as command

        return command(arguments)
    try:
        settings = InferenceSettings()
    except ValidationError as error:
        reason = ": ".join(first_problem(error, "environment"))
        print(f"{SERVICE}: setting {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
        return 1
    configure(SERVICE, settings.log_level)
    uvloop.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
