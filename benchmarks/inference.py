"""One-row requests a second through the whole service: tokens checked, every answered row on the topic.

    python -m benchmarks.inference [--seconds 5] [--connections 16]

The service has one core, the load generator and the broker the other. The model is a small tree ensemble with a
categorical feature; each request carries an id, an event time and three named inputs.
"""

import argparse
import asyncio
import json
import logging
import os
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cli.stack import Plan, Service, running_stack
from shared.batch import decode_batch
from shared.kafka.admin import PREDICTIONS
from tests.bundles import deployment, make_bundle


def request(number: int, host: str, token: str) -> bytes:
    """The bytes of one POST."""
    columns = (("temp", "FP32", 50.0 + number % 40), ("wind", "FP32", 3.5), ("carrier", "BYTES", "DL"))
    inputs = [{"name": name, "datatype": kind, "shape": [1], "data": [value]} for name, kind, value in columns]
    parameters = {"event_time": "2013-03-15T16:00:00Z", "entity": f"N{number % 4_000}"}
    body = json.dumps({"id": f"request-{number}", "parameters": parameters, "inputs": inputs}).encode()
    head = (
        f"POST /v2/models/small/infer HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(address: tuple[str, int], requests: list[bytes], until: float) -> list[float]:
    """Post one after the other until the clock says `until`; latencies in seconds. Raises unless all are answered."""
    reader, writer = await asyncio.open_connection(*address)
    latencies: list[float] = []
    for content in requests:
        started = time.perf_counter()
        if started > until:
            break
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - started)
    writer.close()
    return latencies


async def logged(bootstrap: str, expected: int) -> int:
    """Rows on the topic, once there are `expected` or ten seconds have passed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(PREDICTIONS, partition) for partition in range(3)])
        rows, until = 0, time.monotonic() + 10
        while rows < expected and time.monotonic() < until:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                rows += sum(len(decode_batch(record.value or b"")) for record in records)
        return rows
    finally:
        await consumer.stop()


async def deploy(bootstrap: str, state: Path) -> None:
    """Make the small model serve."""
    message = deployment(state, make_bundle(state))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await producer.send_and_wait(message.topic, message.value, key=message.key, headers=list(message.headers))
    await producer.stop()


async def wait_for_model(url: str, token: str) -> None:
    """Returns when the model answers."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http, asyncio.timeout(20):
        while (await http.get(f"{url}/v2/models/small/ready")).status_code != 200:  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.05)


async def measure(seconds: float, connections: int) -> None:
    """Run the stack and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        async with running_stack(Plan(state, (Service("inference"),)), lambda _: None) as stack:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(stack.pids["inference"], {cores[0]})
            for pid in (0, stack.pids["kafka"]):
                os.sched_setaffinity(pid, {cores[-1]})
            token = (state / "tokens" / "client.jwt").read_text()
            await deploy(stack.kafka, state)
            await wait_for_model(stack.addresses["inference"], token)
            before = cpu_seconds(stack.pids["inference"])
            answered = await load(stack.addresses["inference"], stack.kafka, token, (seconds, connections))
            used = cpu_seconds(stack.pids["inference"]) - before
            print(f"CPU of the service: {used / answered * 1e6:,.0f} us a request, {answered / used:,.0f} a CPU second")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far: what other load on the machine does not change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(url: str, bootstrap: str, token: str, size: tuple[float, int]) -> int:
    """Post for a while on several connections, compare with what the topic holds; how many were answered."""
    seconds, connections = size
    host, port = url.removeprefix("http://").split(":")
    each = int(seconds * 12_000 / connections)
    posts = [[request(n * each + k, host, token) for k in range(each)] for n in range(connections)]
    started = time.perf_counter()
    runs = await asyncio.gather(*(client((host, int(port)), post, started + seconds) for post in posts))
    took = time.perf_counter() - started
    latencies = np.array([latency for run in runs for latency in run])
    p50, p99 = np.percentile(latencies, [50, 99]) * 1_000
    rows = await logged(bootstrap, len(latencies))
    print(f"{connections} connections: {len(latencies) / took:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(f"answered {len(latencies):,}, rows on the topic {rows:,}")
    if rows != len(latencies):
        raise SystemExit("not every answered row is on the topic exactly once")
    return len(latencies)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    uvloop.run(measure(options.seconds, options.connections))


if __name__ == "__main__":
    main()
