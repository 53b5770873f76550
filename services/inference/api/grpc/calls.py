"""The calls of `inference.GRPCInferenceService`: bytes of a message in, bytes of a message out."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message

from services.inference.api.app import Parts
from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.api.grpc.messages import in_grpc_words, is_raw, read_infer, write_infer
from services.inference.api.grpc.status import authorise, explained, http_like
from services.inference.api.metadata import model_description, server_description
from services.inference.api.outcomes import OUTCOMES
from services.inference.models.catalogue import NotReady, NotServed
from shared.errors import InvalidInput
from shared.tokens import RoleName, TokenVerifier

SERVICE = "inference.GRPCInferenceService"

_Context = grpc.aio.ServicerContext[bytes, bytes]


class _Call(NamedTuple):
    """`roles` may call it, or everyone if there are none; `answer` takes a `request`."""

    request: type[Message]
    roles: tuple[RoleName, ...]
    answer: Callable[[Any], Awaitable[Message]]


def handlers(parts: Parts, verifier: TokenVerifier) -> grpc.GenericRpcHandler:
    """The service over the parts that REST works with."""
    calls = _calls(_Answers(parts))
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {name: grpc.unary_unary_rpc_method_handler(partial(_handle, call, verifier)) for name, call in calls.items()},
    )


async def _handle(call: _Call, verifier: TokenVerifier, body: bytes, context: _Context) -> bytes:
    """gRPC itself reads no message: one that is broken would be an error of the server to it."""
    try:
        authorise(context.invocation_metadata() or (), call.roles, verifier)
        answer = (await call.answer(_parsed(call.request, body))).SerializeToString()
    except Exception as error:  # noqa: BLE001  # the edge: whatever a call meets, others go on
        status, text = explained(error)
        OUTCOMES.add("grpc", http_like(status))
    else:
        OUTCOMES.add("grpc", 200)
        return answer
    return await context.abort(status, text)


def _parsed(kind: type[Message], body: bytes) -> Message:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidInput("body", f"a message {kind.DESCRIPTOR.name}") from None


def _calls(answers: "_Answers") -> Mapping[str, _Call]:
    readers: tuple[RoleName, ...] = ("viewer", "client")
    return {
        "ServerLive": _Call(pb.ServerLiveRequest, (), answers.server_live),
        "ServerReady": _Call(pb.ServerReadyRequest, (), answers.server_ready),
        "ServerMetadata": _Call(pb.ServerMetadataRequest, readers, answers.server_metadata),
        "ModelReady": _Call(pb.ModelReadyRequest, readers, answers.model_ready),
        "ModelMetadata": _Call(pb.ModelMetadataRequest, readers, answers.model_metadata),
        "ModelInfer": _Call(pb.ModelInferRequest, ("client",), answers.model_infer),
    }


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
