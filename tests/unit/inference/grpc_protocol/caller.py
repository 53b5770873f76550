"""A client of the gRPC server under test: messages, a channel, and what calls are answered with."""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from services.inference.api.app import Parts
from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.settings import InferenceSettings
from tests.unit.inference.harness import Kafka

LIMIT = 300_000

M = TypeVar("M", bound=Message)

FIELDS = {"FP32": "fp32_contents", "FP64": "fp64_contents", "INT8": "int_contents", "BYTES": "bytes_contents"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tensor(name: str, values: Sequence[Any], datatype: str = "FP32", shape: Sequence[int] = ()) -> Any:
    contents = pb.InferTensorContents(**{FIELDS[datatype]: values})
    return pb.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape or [len(values)], contents=contents
    )


def small_request(**fields: Any) -> pb.ModelInferRequest:
    """One row for the model `small`; fields take the place of what is there."""
    inputs = [tensor("temp", [50.0]), tensor("wind", [10], "INT8"), tensor("carrier", [b"AA"], "BYTES")]
    return pb.ModelInferRequest(**{"model_name": "small", "inputs": inputs, **fields})


def block_request(raw: Sequence[bytes], shape: Sequence[int] = (1, 3), **fields: Any) -> pb.ModelInferRequest:
    """Raw rows for the model `block`."""
    described = pb.ModelInferRequest.InferInputTensor(name="features", datatype="FP32", shape=shape)
    return pb.ModelInferRequest(**{"model_name": "block", "inputs": [described], "raw_input_contents": raw, **fields})


class Caller:
    """Calls with the token of `role`."""

    def __init__(self, channel: grpc.aio.Channel, state: Path) -> None:
        self._channel, self._state = channel, state

    async def bytes(
        self, name: str, body: bytes, role: str | None = "client", more: Mapping[str, str] | None = None, **options: Any
    ) -> bytes:
        """The answer's bytes; raises grpc.aio.AioRpcError."""
        metadata = [("authorization", f"Bearer {(self._state / 'tokens' / f'{role}.jwt').read_text()}")] if role else []
        metadata += (more or {}).items()
        call: Any = self._channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
        answer: bytes = await call(body, metadata=metadata, timeout=10, **options)
        return answer

    async def ask(self, name: str, request: Message, answer: type[M], **options: Any) -> M:
        return answer.FromString(await self.bytes(name, request.SerializeToString(), **options))

    async def infer(self, request: pb.ModelInferRequest, **options: Any) -> pb.ModelInferResponse:
        return await self.ask("ModelInfer", request, pb.ModelInferResponse, **options)

    async def refusal(self, request: pb.ModelInferRequest, **options: Any) -> tuple[grpc.StatusCode, str]:
        """Status and message of an inference that must fail."""
        try:
            await self.infer(request, **options)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        raise AssertionError("it was answered")


@asynccontextmanager
async def calling(port: int, state: Path) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Caller(channel, state)


class World(NamedTuple):
    caller: Caller
    parts: Parts
    kafka: Kafka
    settings: InferenceSettings
