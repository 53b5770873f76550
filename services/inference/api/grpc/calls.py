"""The calls of `inference.GRPCInferenceService`: bytes of a message in, bytes of a message out."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message
from opentelemetry.trace import Tracer

from services.inference.api.app import Parts
from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.api.grpc.messages import in_grpc_words, is_raw, read_infer, write_infer
from services.inference.api.grpc.status import authorise, explained, http_like
from services.inference.api.metadata import model_description, server_description
from services.inference.api.outcomes import OUTCOMES
from services.inference.api.tracing import brought, mark, spanning
from services.inference.models.catalogue import NotReady, NotServed
from shared.errors import InvalidInput
from shared.tokens import RoleName, TokenVerifier

SERVICE = "inference.GRPCInferenceService"

_Context = grpc.aio.ServicerContext[bytes, bytes]
Metadata = Sequence[tuple[str, str | bytes]]


class _Call(NamedTuple):
    """`roles` may call it, or everyone if there are none; `answer` takes a `request`."""

    name: str
    request: type[Message]
    roles: tuple[RoleName, ...]
    answer: Callable[[Any], Awaitable[Message]]


class _Way(NamedTuple):
    verifier: TokenVerifier
    tracer: Tracer


def handlers(parts: Parts, verifier: TokenVerifier) -> grpc.GenericRpcHandler:
    """The service over the parts that REST works with."""
    way = _Way(verifier, parts.tracer)
    handled = {call.name: partial(_handle, call, way) for call in _calls(_Answers(parts))}
    return grpc.method_handlers_generic_handler(
        SERVICE, {name: grpc.unary_unary_rpc_method_handler(handle) for name, handle in handled.items()}
    )


async def _handle(call: _Call, way: _Way, body: bytes, context: _Context) -> bytes:
    metadata = list(context.invocation_metadata() or ())
    about = {"rpc.system.name": "grpc", "rpc.method": f"{SERVICE}/{call.name}"}
    with spanning(way.tracer, brought(metadata), about["rpc.method"], about) as span:
        answer, status, text = await _answered(call, way.verifier, body, metadata)
        span.set_attribute("rpc.response.status_code", status.name)
        mark(span, http_like(status))
    OUTCOMES.add("grpc", http_like(status))
    return answer if status is grpc.StatusCode.OK else await context.abort(status, text)


async def _answered(
    call: _Call, verifier: TokenVerifier, body: bytes, metadata: Metadata
) -> tuple[bytes, grpc.StatusCode, str]:
    """gRPC itself reads no message: one that is broken would be an error of the server to it."""
    try:
        authorise(metadata, call.roles, verifier)
        return (await call.answer(_parsed(call.request, body))).SerializeToString(), grpc.StatusCode.OK, ""
    except Exception as error:  # noqa: BLE001  # the edge: whatever a call meets, others go on
        return b"", *explained(error)


def _parsed(kind: type[Message], body: bytes) -> Message:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidInput("body", f"a message {kind.DESCRIPTOR.name}") from None


def _calls(answers: "_Answers") -> Sequence[_Call]:
    readers: tuple[RoleName, ...] = ("viewer", "client")
    return (
        _Call("ServerLive", pb.ServerLiveRequest, (), answers.server_live),
        _Call("ServerReady", pb.ServerReadyRequest, (), answers.server_ready),
        _Call("ServerMetadata", pb.ServerMetadataRequest, readers, answers.server_metadata),
        _Call("ModelReady", pb.ModelReadyRequest, readers, answers.model_ready),
        _Call("ModelMetadata", pb.ModelMetadataRequest, readers, answers.model_metadata),
        _Call("ModelInfer", pb.ModelInferRequest, ("client",), answers.model_infer),
    )


class _Answers:
    """What each call answers; see the protocol, and `services.inference.api.metadata`."""

    def __init__(self, parts: Parts) -> None:
        self._health, self._catalogue, self._core = parts.health, parts.catalogue, parts.core

    async def server_live(self, _: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._health.reason is None)

    async def server_metadata(self, _: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(**server_description())

    async def model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        try:
            self._catalogue.get(request.name, request.version or None)
        except (NotServed, NotReady):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        return pb.ModelMetadataResponse(**model_description(self._catalogue.get(request.name, request.version or None)))

    async def model_infer(self, message: pb.ModelInferRequest) -> pb.ModelInferResponse:
        received, raw = time.perf_counter(), is_raw(message)
        served = self._catalogue.get(message.model_name, message.model_version or None)
        try:
            request = read_infer(message)
            found = await self._core.predict(served, request, received)
        except InvalidInput as error:
            raise InvalidInput(in_grpc_words(error.field, raw), error.expected) from None
        return write_infer(found.model, request, found.id, found.outputs, raw=raw)
