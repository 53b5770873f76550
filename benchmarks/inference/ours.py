"""The service as it is, in both modes, and without one of its parts: one process each, on one broker."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from aiokafka import AIOKafkaProducer

from benchmarks.inference.cases import WITHOUT
from benchmarks.inference.endpoint import ALONE, Endpoint, until_ready
from benchmarks.inference.kinds import KINDS
from benchmarks.inference.requests import Bodies, NamedBodies
from cli.stack import Plan, Service, Stack
from tests.bundles import deployment

_PYTHON = (sys.executable, "-m")
_BESIDE = "beside"


def stack_plan(state: Path) -> Plan:
    """Mode fast is the service `inference`; each of the others has a state of its own, with the same keys."""
    services = [
        Service("inference", (*ALONE, *_PYTHON, "services.inference")),
        Service("durable", _beside(state, "durable", "DRIFTLINE_MODE=durable", *_PYTHON, "services.inference")),
    ]
    for name, part in WITHOUT.items():
        services.append(Service(name, _beside(state, name, *_PYTHON, "benchmarks.inference.without", part)))
    return Plan(state, tuple(services), timeout=120)


def _beside(state: Path, name: str, *command: str) -> tuple[str, ...]:
    own = state / _BESIDE / name
    (own / "bundles").mkdir(parents=True)
    for shared in ("keys", "trust"):
        (own / shared).symlink_to((state / shared).resolve())
    return (*ALONE, f"DRIFTLINE_STATE={own.resolve()}", *command)


async def deploy(kafka: str, state: Path, digests: Mapping[str, str], shadows: Mapping[str, str]) -> None:
    """Say which bundle serves each model, and which shadow runs beside it.

    Of what is beside mode fast only the GBM is asked, so that they get no other bundle: each takes a second to load.
    """
    for own in (state / _BESIDE).iterdir():
        shutil.copytree(state / "bundles" / digests["gbm"], own / "bundles" / digests["gbm"])
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for model, digest in digests.items():
        message = deployment(state, digest, model=model, shadow=shadows.get(model))
        await producer.send_and_wait(message.topic, message.value, key=message.key, headers=list(message.headers))
    await producer.stop()


async def ready_endpoints(stack: Stack, state: Path) -> dict[tuple[str, str], Endpoint]:
    """By server and model, once all of them serve."""
    token = (state / "tokens" / "client.jwt").read_text()
    found: dict[tuple[str, str], Endpoint] = {}
    for service, address in stack.addresses.items():
        server = "fast" if service == "inference" else service
        for model in KINDS if server == "fast" else ("gbm",):
            await until_ready(f"{address}/v2/models/{model}/ready", token)
            kind = NamedBodies if model == "named" else Bodies
            bodies = kind(f"/v2/models/{model}/infer", "" if server == "tokenless" else token)
            found[server, model] = Endpoint(int(address.rsplit(":", 1)[1]), stack.pids[service], bodies)
    return found
