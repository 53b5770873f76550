"""What the OpenAPI document says of bodies that are read without FastAPI."""

from typing import Any

from pydantic import TypeAdapter

from services.inference.domain.tensor import DATATYPES
from shared.events import LabelItem

_NUMBERS_OR_STRINGS = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
_TENSOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "datatype", "shape", "data"],
    "properties": {
        "name": {"type": "string", "description": "`features`, a feature's name, `event_time` or `entity`"},
        "datatype": {"enum": list(DATATYPES)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        "data": {
            "type": "array",
            "items": {"anyOf": [{"type": "array", "items": _NUMBERS_OR_STRINGS}, *_NUMBERS_OR_STRINGS["anyOf"]]},
        },
        "parameters": {"type": "object", "additionalProperties": False},
    },
}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 256}
_REQUEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["inputs"],
    "properties": {
        "id": _TEXT,
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "event_time": {"type": "string", "format": "date-time"},
                "entity": _TEXT,
                "binary_data_output": {"const": False},
            },
        },
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": {
            "type": "array",
            "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
        },
    },
}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def infer_body(path: str) -> dict[str, Any]:
    """What FastAPI would say of the infer route at `path` if it read parameters, token and body itself."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {**_json(_REQUEST), "parameters": parameters, "security": [{"HTTPBearer": []}]}


INFER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "model_name, model_version, id and outputs", "content": {"application/json": {}}},
    400: {"description": "The request is wrong; `error` names the field", "content": {"application/json": {}}},
    404: {"description": "No such model or version serves", "content": {"application/json": {}}},
    413: {"description": "The body is too large", "content": {"application/json": {}}},
}
LABELS_BODY = _json(TypeAdapter(list[LabelItem]).json_schema())
