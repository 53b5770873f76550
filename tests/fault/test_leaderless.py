"""A partition has no leader for longer than a request may take: its producer is made anew, and the others go on."""

import asyncio
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from cli.kafka.config import DATA, KafkaPorts, parse, render, server_properties
from cli.kafka.jars import ensure_jars
from cli.kafka.java import BROKER, BROKER_OPTIONS, TOOL, TOOL_OPTIONS, java_argv, java_env, run_tool
from cli.kafka.lockfile import read_lock
from cli.process.child import Child, Command
from shared.kafka.admin import PREDICTIONS
from tests.bundles import deployment, make_bundle
from tests.fault.steady import FULL, Steady
from tests.integration.inference_service import read_predictions, running_broker, running_inference, send
from tests.integration.kafka_helpers import free_port
from tests.integration.test_inference_outage import QUEUED, assert_each_once, assert_order

REBUILT = 'driftline_publisher_rebuilt_total{topic="driftline.predictions"}'
SECOND = 2  # its node id; it may take partitions, and is no controller
PARTITIONS = 4


class SecondBroker:
    """Another broker of the cluster whose first lies in `state`."""

    def __init__(self, state: Path) -> None:
        self._first, self._home = state / "kafka", state / "second"

    async def prepare(self) -> None:
        """Format its storage."""
        self._jars = await asyncio.to_thread(ensure_jars, read_lock(), say=print)
        first = parse((self._first / "server.properties").read_text())
        ports = KafkaPorts(free_port(), int(first["controller.quorum.bootstrap.servers"].rpartition(":")[2]))
        listener = f"CLIENT://{ports.bootstrap}"
        own = {"process.roles": "broker", "node.id": str(SECOND), "listeners": listener}
        properties = server_properties(ports) | own | {"advertised.listeners": listener}
        cluster = parse((self._first / DATA / "meta.properties").read_text())["cluster.id"]
        (self._home / "tmp").mkdir(parents=True)
        (self._home / "server.properties").write_text(render(properties))
        form = ("format", "--cluster-id", cluster, "--config", "server.properties")
        await run_tool(self._java(TOOL_OPTIONS, TOOL, *form), self._home)

    def _java(self, options: tuple[str, ...], main: str, *arguments: str) -> tuple[str, ...]:
        return java_argv(self._jars, options, self._home / "tmp", main, *arguments)

    async def start(self) -> None:
        """Without waiting for it."""
        argv = self._java(BROKER_OPTIONS, BROKER, "server.properties")
        command = Command("second", argv, self._home / "kafka.log", java_env(), self._home, 15)
        self._child = await Child.start(command)

    async def stop(self) -> None:
        """In good order."""
        await self._child.stop()


async def add_partition(kafka: str) -> None:
    """The predictions get one more, which the second broker alone holds."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(60):
            while len((await admin.describe_cluster())["brokers"]) < SECOND:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.1)
        await admin.create_partitions({PREDICTIONS: NewPartitions(PARTITIONS, [[SECOND]])})
    finally:
        await admin.close()


async def test_a_partition_without_a_leader_holds_up_only_itself_and_its_producer_is_rebuilt(tmp_path: Path) -> None:
    seconds = 30 if FULL else 12  # a request may take 8
    second = SecondBroker(tmp_path)
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        await second.prepare()
        await second.start()
        try:
            await add_partition(broker.address)
            async with running_inference(tmp_path, broker.address) as service:
                load = Steady(service, 500 if FULL else 200)
                async with load.asking():
                    await asyncio.sleep(2)
                    await second.stop()
                    before = await service.metric(QUEUED % "acknowledged")
                    await asyncio.sleep(seconds)
                    went_on = await service.metric(QUEUED % "acknowledged") - before
                    async with asyncio.timeout(60):
                        while not (rebuilt := await service.metric(REBUILT)):  # noqa: ASYNC110  # nobody tells
                            await asyncio.sleep(0.1)
                    await second.start()
                    await asyncio.sleep(3)
                print(f"\nno leader for {seconds} s: {load.told()}; rebuilt {rebuilt:.0f} times", end="")
                print(f", {went_on:.0f} rows went by the other partitions meanwhile")
                assert load.failed == []
                assert rebuilt >= 1
                assert went_on > 20 * seconds
                batches = await read_predictions(broker.address, len(load.answered), partitions=PARTITIONS)
                assert batches[PARTITIONS - 1]
                assert_each_once(batches, list(load.answered))
                assert_order(batches)
                assert await service.metric(QUEUED % "dropped") == 0
        finally:
            await second.stop()
