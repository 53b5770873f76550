"""The servers under test, each on the first core; the load and the broker are on the last."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.inference.baselines import running_loop, running_plain
from benchmarks.inference.cases import SHADOWED, Model, Place, Server
from benchmarks.inference.endpoint import Endpoint
from benchmarks.inference.kinds import GRAPHS, KINDS, Graph
from benchmarks.inference.machine import pin_to_last
from benchmarks.inference.models import graph, make
from benchmarks.inference.ours import deploy, ready_endpoints, stack_plan
from benchmarks.inference.topic import Topic, open_topic
from cli.stack import running_stack
from shared.keys import make_keys


class Servers(NamedTuple):
    """All that run: `ours` by server and model, `plain` by model, the event loop; the files of the graphs, and the
    broker's process.
    """

    ours: Mapping[tuple[str, str], Endpoint]
    plain: Mapping[Model, Endpoint]
    loop: Endpoint
    graphs: Mapping[Graph, Path]
    topic: Topic
    broker: int

    def endpoint(self, server: Server, place: Place) -> Endpoint:
        """Who answers there."""
        if server == "loop":
            return self.loop
        if server == SHADOWED:
            return self.ours["fast", SHADOWED]
        return self.plain[place.model] if server == "plain" else self.ours[server, place.model]


@asynccontextmanager
async def running_servers(folder: Path) -> AsyncIterator[Servers]:
    """Everything, ready; `folder` is for what they write."""
    state = folder / "state"
    make_keys(state)
    making = asyncio.create_task(asyncio.to_thread(_make_models, folder, state))
    async with AsyncExitStack() as context:
        stack = await context.enter_async_context(running_stack(stack_plan(state), lambda _: None))
        digests, graphs = await making
        await deploy(stack.kafka, state, digests, {SHADOWED: make(state, SHADOWED, shadow=True)})
        plain = await context.enter_async_context(running_plain(graphs))
        loop = await context.enter_async_context(running_loop())
        ours = await ready_endpoints(stack, state)
        topic = await context.enter_async_context(open_topic(stack.kafka))
        pin_to_last(stack.pids["kafka"])
        yield Servers(ours, plain, loop, graphs, topic, stack.pids["kafka"])


def _make_models(folder: Path, state: Path) -> tuple[dict[str, str], dict[Graph, Path]]:
    """The bundles' digests and the graphs' files, by name."""
    graphs: dict[Graph, Path] = {kind: folder / f"{kind}.onnx" for kind in GRAPHS}
    for kind, file in graphs.items():
        file.write_bytes(graph(kind))
    return {model: make(state, model) for model in KINDS}, graphs
