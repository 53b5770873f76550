"""Clients of others speak with inference as with any server of the protocol.

Each script in `clients/` runs in `.envs/conformance`, for its client pins packages that ours are too new for; each of
its checks is a test here.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.process.ports import candidates, plan_ports
from scripts.trial.environment import Environment, output_of
from scripts.trial.errors import TrialFailed
from services.inference.models.loaded import LoadedModel, load
from shared.bundle import open_bundle
from tests.bundles import definition_text, deployment, make_bundle
from tests.integration.inference_service import Inference, running_broker, running_inference, send

CLIENTS = Path(__file__).with_name("clients")
SCRIPTS = ("triton_http", "triton_grpc", "kserve_rest", "kserve_grpc")
SMALL: list[list[float]] = [[50, 10, 0], [70.5, 3, 2], [20, 4, 1]]  # as the graph takes them: the carriers are codes
BLOCK: list[list[float]] = [[70, 3, 1], [20, 4, 0.5]]

Report = dict[str, str]

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="kserve has no release for this Python")


def checks(script: str) -> list[str]:
    """The names of a script's checks; it can't be imported here."""
    text = (CLIENTS / f"{script}.py").read_text()
    return re.findall(r"^@check\n(?:async )?def (\w+)", text, flags=re.MULTILINE)


def probabilities(model: LoadedModel, rows: list[list[float]]) -> Any:
    return model.run(np.array(rows, dtype=np.float32))["probabilities"].tolist()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """What each client found, by check."""
    return asyncio.run(_reports(tmp_path_factory.mktemp("conformance")))


async def _reports(state: Path) -> dict[str, Report]:
    environment = Environment("conformance")
    async with running_broker(state) as kafka:
        await environment.sync("conformance")
        port = plan_ports(("grpc",), {}, candidates())["grpc"]
        async with running_inference(state, kafka.address, DRIFTLINE_GRPC_PORT=str(port)) as service:
            case = await _case(state, kafka.address, service, f"127.0.0.1:{port}")
            (state / "case.json").write_text(json.dumps(case))
            found = {script: await _run(environment, script, state) for script in SCRIPTS}
            assert await service.end() == 0, service.said()  # SIGTERM ends both servers
            return found


async def _case(state: Path, kafka: str, service: Inference, grpc: str) -> dict[str, Any]:
    """Deploys `small`, which has a category, and `block`, all numeric; what `clients/checks.py` calls a Case."""
    digests = {
        "small": make_bundle(state),
        "block": make_bundle(state, definition_text("block", numeric=True), "small_binary_b"),
    }
    for model, digest in digests.items():
        await send(kafka, deployment(state, digest, model=model))
        await service.until_it_serves(model, digest)
    models = {name: load(open_bundle(state / "bundles", digest, state / "trust")) for name, digest in digests.items()}
    return {
        "http": service.url.removeprefix("http://"),
        "grpc": grpc,
        "token": (state / "tokens" / "client.jwt").read_text(),
        "digests": digests,
        "probabilities": {
            "small": probabilities(models["small"], SMALL),
            "block": probabilities(models["block"], BLOCK),
        },
        "binary": "binary_tensor_data" in (await service.client.get("/v2")).json()["extensions"],
    }


async def _run(environment: Environment, script: str, state: Path) -> Report:
    report = state / f"{script}.json"
    try:
        await output_of(environment.python, CLIENTS / f"{script}.py", state / "case.json", report)
    except TrialFailed as failed:
        return dict.fromkeys(checks(script), f"{failed.reason}: {failed.said}")
    found: Report = json.loads(report.read_text())
    return found


@pytest.mark.parametrize(("script", "name"), [(script, name) for script in SCRIPTS for name in checks(script)])
def test_client(reports: dict[str, Report], script: str, name: str) -> None:
    found = reports[script][name]
    if found.startswith("skipped: "):
        pytest.skip(found.removeprefix("skipped: "))
    assert found == "passed", found


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_check_of_a_client_is_a_test(reports: dict[str, Report], script: str) -> None:
    assert list(reports[script]) == checks(script)
