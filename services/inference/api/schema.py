"""What the OpenAPI document says of bodies that are read without FastAPI."""

from typing import Any

from pydantic import TypeAdapter

from services.inference.domain.binary import LENGTH_HEADER
from services.inference.domain.tensor import DATATYPES
from shared.events import LabelItem

TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 256}
EVENT_TIME: dict[str, Any] = {"type": "string", "format": "date-time", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"}

_VALUE = [{"type": "number"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"}]
_SIZE = {"type": "integer", "minimum": 0, "description": "bytes of this tensor behind the JSON, in place of `data`"}
_OTHERS = "those of other servers are ignored, and told in the answer"
_TENSOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {**TEXT, "description": "`features`, a feature's name, `event_time` or `entity`"},
        "datatype": {"enum": list(DATATYPES)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        "data": {
            "type": "array",
            "items": {"anyOf": [{"type": "array", "items": {"anyOf": _VALUE}}, *_VALUE]},
        },
        "parameters": {"type": "object", "properties": {"binary_data_size": _SIZE}},
    },
}
_OUTPUT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
    },
}
_REQUEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["inputs"],
    "properties": {
        "id": TEXT,
        "model_name": {"description": "some clients repeat it; the path decides"},
        "model_version": {"description": "likewise"},
        "parameters": {
            "type": "object",
            "maxProperties": 64,
            "description": _OTHERS,
            "properties": {"event_time": EVENT_TIME, "entity": TEXT, "binary_data_output": {"type": "boolean"}},
        },
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": {"type": "array", "items": _OUTPUT},
    },
}
_BINARY = {"type": "string", "format": "binary", "description": "that JSON, and the binary tensors in their order"}


def in_json(schema: dict[str, Any]) -> dict[str, Any]:
    """A body's content that is JSON."""
    return {"application/json": {"schema": schema}}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


def infer_body(path: str) -> dict[str, Any]:
    """What FastAPI would say of the infer route at `path` if it read parameters, token and body itself."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    length = {
        "name": LENGTH_HEADER,
        "in": "header",
        "description": "Bytes of the JSON, if binary tensors follow it",
        "schema": {"type": "integer", "minimum": 0},
    }
    content = {**in_json(_REQUEST), "application/octet-stream": {"schema": _BINARY}}
    return {**_body(content), "parameters": [*parameters, length], "security": [{"HTTPBearer": []}]}


def _refusals(reasons: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": why, "content": {"application/json": {}}} for status, why in reasons.items()}


READ_REFUSALS = _refusals(
    {
        401: "No good token",
        403: "A token of another role",
        404: "No such model or version serves",
        503: "It is deployed, but does not serve yet; or predictions can't be logged now. See Retry-After",
    }
)
_REFUSALS = {
    **READ_REFUSALS,
    **_refusals(
        {
            400: "The request is wrong; `error` names the field",
            413: "The body is too large",
            415: "The body is compressed",
        }
    ),
}
INFER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "model_name, model_version, id and outputs; those asked for in binary behind the JSON",
        "headers": {LENGTH_HEADER: {"schema": {"type": "integer"}, "description": "Bytes of the JSON before them"}},
        "content": {"application/json": {}, "application/octet-stream": {"schema": _BINARY}},
    },
    **_REFUSALS,
}
_ROWS = {"type": "array", "minItems": 1, "items": {"type": "object", "description": "see the path of each model"}}
ROWS_BODY = _body(
    in_json(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["rows"],
            "properties": {"rows": _ROWS, "id": TEXT, "event_time": EVENT_TIME, "entity": TEXT},
        }
    )
)
ROWS_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "model, version, id and predictions, one for each row", "content": {"application/json": {}}},
    **_REFUSALS,
}
LABELS_BODY = _body(in_json(TypeAdapter(list[LabelItem]).json_schema()))
