"""What the service is compared with: the plain application, the event loop and ONNX Runtime alone, its own steps."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.inference.cases import MODELS, Model
from benchmarks.inference.endpoint import ALONE, Endpoint, until_ready
from benchmarks.inference.kinds import KINDS, Graph
from benchmarks.inference.requests import Bodies, PlainNamedBodies
from cli.process.ports import candidates, plan_ports

_PYTHON = (*ALONE, sys.executable, "-m")


@asynccontextmanager
async def running_plain(graphs: Mapping[Graph, Path]) -> AsyncIterator[dict[Model, Endpoint]]:
    """A plain application for each model, ready."""
    ports = plan_ports(MODELS, {}, candidates())
    started: dict[Model, asyncio.subprocess.Process] = {}
    try:
        for model in MODELS:
            started[model] = await _start(model, graphs[KINDS[model].graph], ports[model])
        for port in ports.values():
            await until_ready(f"http://127.0.0.1:{port}/openapi.json", "")
        yield {model: Endpoint(ports[model], process.pid, _bodies(model)) for model, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
            await process.wait()


@asynccontextmanager
async def running_loop() -> AsyncIterator[Endpoint]:
    """The event loop without a server, ready."""
    port = plan_ports(("loop",), {}, candidates())["loop"]
    process = await asyncio.create_subprocess_exec(*_PYTHON, "benchmarks.inference.loop", str(port))
    try:
        await until_ready(f"http://127.0.0.1:{port}/", "")
        yield Endpoint(port, process.pid, Bodies("/infer"))
    finally:
        process.terminate()
        await process.wait()


async def microseconds() -> list[tuple[int, str, list[float]]]:
    """What a request takes in each step, by turn and form, see `benchmarks.inference.steps`."""
    command = (*_PYTHON, "benchmarks.inference.steps")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return [(turn, form, each) for turn, form, each in json.loads(output)]


def _bodies(model: Model) -> Bodies:
    return (PlainNamedBodies if model == "named" else Bodies)("/infer")


async def _start(model: Model, graph: Path, port: int) -> asyncio.subprocess.Process:
    module = "benchmarks.inference.plain" + ("_named" if model == "named" else "")
    return await asyncio.create_subprocess_exec(*_PYTHON, module, str(graph), str(port))


async def calls_a_second(graph: Path, rows: tuple[int, ...], seconds: float) -> list[float]:
    """Of ONNX Runtime alone, on the servers' core, for each number of rows."""
    command = (*_PYTHON, "benchmarks.inference.limit", str(graph), str(seconds), *map(str, rows))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return [float(line) for line in output.split()]
