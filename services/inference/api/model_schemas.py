"""The part of the OpenAPI document that depends on what serves: a path of its own for the rows of each model."""

from typing import Any

import numpy as np
from fastapi import FastAPI

from services.inference.api.predict import PATH
from services.inference.api.schema import EVENT_TIME, TEXT, in_json
from services.inference.domain.encoder import TensorSpec
from services.inference.models.catalogue import Catalogue
from services.inference.models.loaded import LoadedModel
from shared.definition import Feature

_LARGEST = float(np.finfo(np.float32).max)
_JSON_TYPES = {"BYTES": "string", "BOOL": "boolean"}


def describe_models(app: FastAPI, catalogue: Catalogue) -> None:
    """From here on `app.openapi()` describes what serves at that moment."""
    common = app.openapi  # FastAPI makes it once

    def described() -> dict[str, Any]:
        document = common()
        post = document["paths"][PATH]["post"]
        models = [served.model for served in catalogue.all()]
        paths = {PATH.format(model=model.name): {"post": _operation(post, model)} for model in models}
        return {**document, "paths": {**document["paths"], **paths}}

    app.openapi = described  # type: ignore[method-assign]  # the way FastAPI documents


def _operation(post: dict[str, Any], model: LoadedModel) -> dict[str, Any]:
    """`post`, which is said of any model, as it is for this one."""
    name = model.name
    return {
        **post,
        "summary": f"Predict {model.definition.label.name} by {name}",
        "description": model.definition.description,
        "operationId": f"predict_{name}",
        "parameters": [],
        "requestBody": {"required": True, "content": in_json(_rows_schema(model))},
        "responses": {
            **post["responses"],
            "200": {"description": "One prediction for each row", "content": in_json(_answer_schema(model))},
            "400": {"description": "A value is wrong; `error.field` names it, such as `rows[3].temp`"},
        },
    }


def _rows_schema(model: LoadedModel) -> dict[str, Any]:
    definition = model.definition
    features = {feature.name: _feature(feature) for feature in definition.features}
    context: dict[str, Any] = {"event_time": EVENT_TIME, "entity": {"anyOf": [TEXT, {"type": "null"}]}}
    row = {
        "type": "object",
        "additionalProperties": False,
        "required": list(features),
        "properties": {**features, **context},
    }
    rows = {"type": "array", "minItems": 1, "maxItems": definition.serving.max_rows, "items": row}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["rows"],
        "properties": {"rows": rows, "id": TEXT, "event_time": EVENT_TIME, "entity": TEXT},
    }


def _feature(feature: Feature) -> dict[str, Any]:
    """Values outside the definition's range are answered, so that drift is seen: the schema only tells the range."""
    parts = [feature.description, f"in {feature.unit}" if feature.unit else "", "null if missing"]
    if feature.min is not None or feature.max is not None:
        parts.append(f"usually from {feature.min} to {feature.max}")
    told = {"description": "; ".join(filter(None, parts))}
    if feature.kind == "numeric":
        return {"type": ["number", "null"], "minimum": -_LARGEST, "maximum": _LARGEST, **told}
    return {"type": ["string", "null"], **told, **({"examples": [*feature.categories]} if feature.categories else {})}


def _answer_schema(model: LoadedModel) -> dict[str, Any]:
    prediction = {"type": "object", "properties": {spec.name: _output(spec) for spec in model.outputs}}
    text = {"type": "string"}
    predictions = {"type": "array", "items": prediction}
    return {
        "type": "object",
        "required": ["model", "version", "id", "predictions"],
        "properties": {"model": text, "version": text, "id": text, "predictions": predictions},
    }


def _output(spec: TensorSpec) -> dict[str, Any]:
    kind = {"type": [_JSON_TYPES.get(spec.datatype, "number"), "null"]}
    return kind if all(length == 1 for length in spec.shape[1:]) else {"type": "array"}
