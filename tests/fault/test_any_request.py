"""Requests that schemathesis makes from the OpenAPI document of a running inference: no answer is a server error."""

import asyncio
import re
import sys
from pathlib import Path

from tests.bundles import definition_text, deployment, make_bundle
from tests.fault.steady import FULL
from tests.integration.inference_service import bearer, running_broker, running_inference, send

SETTINGS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
ASKED = 10_000 if FULL else 120


async def test_no_request_that_the_document_allows_or_forbids_is_answered_with_a_server_error(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    small = make_bundle(tmp_path)
    block = make_bundle(tmp_path, definition_text("block", numeric=True))
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, small), deployment(tmp_path, block, model="block"))
        async with running_inference(tmp_path, broker.address) as service:
            await service.until_it_serves("small", small)
            await service.until_it_serves("block", block)
            document = (await service.client.get("/openapi.json")).json()
            takes = sum("requestBody" in each for methods in document["paths"].values() for each in methods.values())
            code, said = await schemathesis(tmp_path, service.url, ASKED // takes + 1)
            cases = int((re.search(r"([\d,]+) generated", said) or ["", "0"])[1].replace(",", ""))
            print(f"schemathesis: {takes} operations with a body, {cases} requests, exit code {code}")
            assert code == 0, said[-20_000:]
            assert cases >= ASKED
            assert "Traceback" not in service.said()


async def schemathesis(state: Path, url: str, examples: int) -> tuple[int, str]:
    """Exit code and output of a run with so many requests for each operation, or more."""
    command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(state / "schemathesis.toml"), "run")
    options = ("--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", "1", "--no-shrink")
    phases = (
        "--phases",
        "examples,coverage,fuzzing" if FULL else "fuzzing",
        "--suppress-health-check",
        "all",
        "--warnings",
        "off",
    )
    header = ("--header", f"Authorization: {bearer(state, 'client')['Authorization']}")
    process = await asyncio.create_subprocess_exec(
        *command, *options, *phases, *header, "--continue-on-failure", f"{url}/openapi.json", cwd=state,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
