"""`python -m services.drift_detection`: puts the parts together and serves."""

import asyncio
import logging
import sys

from pydantic import ValidationError

from services.drift_detection.api import build_app
from services.drift_detection.models import Bundles
from services.drift_detection.settings import Settings
from services.drift_detection.stream.app import run
from services.drift_detection.stream.incidents import IncidentFeed
from services.drift_detection.stream.intake import SERVICE
from services.drift_detection.stream.worker import Worker
from shared.deployments import DeploymentFeed
from shared.errors import first_problem
from shared.events import DeploymentChanged
from shared.http import Health, serve
from shared.kafka.message import InMessage
from shared.kafka.producer import Producer
from shared.logging import configure
from shared.signing import Signer, Trust


async def watch(settings: Settings, signer: Signer) -> None:
    """Serve until SIGTERM."""
    health, producer = Health("restoring state"), Producer(settings.kafka_bootstrap, SERVICE)
    bundles = Bundles(settings.bundles, settings.trust)
    worker = Worker(bundles, producer, signer, health)

    async def deployed(event: DeploymentChanged, _message: InMessage) -> None:
        await worker.deployed(event)

    deployments = DeploymentFeed(Trust(settings.trust), SERVICE, deployed, producer.send)
    incidents = IncidentFeed(producer.send)
    app = build_app(settings, health, worker, incidents, bundles)
    bootstrap = settings.kafka_bootstrap
    try:
        await serve(app, settings, run(worker, settings), deployments.run(bootstrap), incidents.run(bootstrap))
    finally:
        await producer.stop()


def main() -> int:
    """The exit code: 0, or 1 with one line on stderr for a setting that is wrong or a key that can't be read."""
    try:
        settings = Settings()
        signer = Signer.load(settings.keys, SERVICE)
    except ValidationError as error:
        return _refuse("setting " + ": ".join(first_problem(error, "environment")))
    except (OSError, ValueError) as error:
        return _refuse(f"signing key: {error}")
    configure(SERVICE, settings.log_level)
    for library in ("faust", "mode"):  # at INFO they draw tables of offsets and tell of each timer that is late
        logging.getLogger(library).setLevel(logging.WARNING)
    asyncio.run(watch(settings, signer))
    return 0


def _refuse(reason: str) -> int:
    print(f"{SERVICE}: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 1


if __name__ == "__main__":
    sys.exit(main())
