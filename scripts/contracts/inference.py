"""Requests and answers of the topic to topic pattern."""

from typing import Any

_TEXT = {"type": "string"}
_LENGTH = {
    "Inference-Header-Content-Length": {
        **_TEXT,
        "description": "Bytes of JSON, if binary tensors follow it, as over HTTP.",
    }
}
_TRACE = {
    "traceparent": {**_TEXT, "description": "W3C trace context, if the request is part of a trace."},
    "tracestate": {**_TEXT, "description": "What goes with it."},
}
_KEY = {**_TEXT, "format": "binary", "description": "The client's; an answer has that of its request."}
_TENSORS = {"type": "array", "items": {"type": "object", "required": ["name", "shape", "datatype"]}}


def messages() -> dict[str, Any]:
    """Both, by name."""
    return {"InferenceRequest": _request(), "InferenceAnswer": _answer()}


def _request() -> dict[str, Any]:
    return _message(
        "InferenceRequest",
        "A request of the Open Inference Protocol v2, as it is posted over HTTP.",
        "The header driftline-model, or model_name in the value, says which model. A request is answered once by its "
        "id; without an id it has that of its place on the topic.",
        {"properties": {"driftline-model": {**_TEXT, "description": "The model's name."}, **_LENGTH, **_TRACE}},
        {
            "type": "object",
            "required": ["inputs"],
            "properties": {"id": _TEXT, "model_name": _TEXT, "inputs": _TENSORS},
        },
    )


def _answer() -> dict[str, Any]:
    told = {
        "driftline-status": {**_TEXT, "description": "As over HTTP: 200, or why there is no prediction."},
        "driftline-request": {**_TEXT, "description": "partition/offset/timestamp of the request."},
        "driftline-id": {**_TEXT, "description": "The request's id, if it could be read."},
        "driftline-model": {**_TEXT, "description": "The model's name, if it could be read."},
        **_LENGTH,
        **_TRACE,
    }
    return _message(
        "InferenceAnswer",
        "The answer of the Open Inference Protocol v2, or its error.",
        "Of a request that could not be read there is an error here, and the request on the dead-letters.",
        {"properties": told, "required": ["driftline-status", "driftline-request"]},
        {
            "type": "object",
            "properties": {"id": _TEXT, "model_name": _TEXT, "outputs": _TENSORS, "error": _TEXT},
        },
    )


def _message(
    name: str, summary: str, description: str, headers: dict[str, Any], payload: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "description": description,
        "contentType": "application/json",
        "headers": {"type": "object", **headers},
        "payload": payload,
        "bindings": {"kafka": {"key": _KEY, "bindingVersion": "0.5.0"}},
    }
