"""The application: all routes over the parts they need."""

from dataclasses import dataclass

from fastapi import FastAPI
from opentelemetry.trace import Tracer

from services.inference.api.bodies import DRAINED_LIMITS
from services.inference.api.core import Core
from services.inference.api.errors import add_protocol_errors
from services.inference.api.infer import add_infer_routes
from services.inference.api.labels import label_routes
from services.inference.api.metadata import metadata_routes, model_list, open_routes, ready_routes
from services.inference.api.model_schemas import describe_models
from services.inference.api.outcomes import Counted
from services.inference.api.predict import predict_routes
from services.inference.api.tracing import TRACER, Traced
from services.inference.models.catalogue import Catalogue
from services.inference.settings import InferenceSettings
from services.inference.store.labels import LabelSender
from shared.http import Health, create_app


@dataclass(frozen=True)
class Parts:
    """What the routes work with."""

    health: Health
    catalogue: Catalogue
    core: Core
    labels: LabelSender
    tracer: Tracer = TRACER


def build_app(settings: InferenceSettings, parts: Parts) -> FastAPI:
    """The FastAPI application of inference."""
    # Bodies are bounded where they are read, so that the refusal has the protocol's form; this is the second fence.
    fence = 2 * DRAINED_LIMITS * settings.body_bytes
    app = create_app(
        "inference",
        settings,
        parts.health,
        description="The Open Inference Protocol v2, rows of named features, and labels.",
        body_limit=fence,
        spans=False,  # FastAPI's would be of the normal way alone
    )
    app.add_middleware(Counted)
    app.add_middleware(Traced, tracer=parts.tracer)
    add_protocol_errors(app)
    app.include_router(open_routes(parts.health))
    app.include_router(metadata_routes(parts.catalogue))
    app.include_router(ready_routes(parts.catalogue))
    app.include_router(model_list(parts.catalogue))
    app.include_router(label_routes(parts.labels, parts.catalogue, settings.body_bytes))
    app.include_router(predict_routes(parts.core, parts.catalogue, settings.body_bytes))
    describe_models(app, parts.catalogue)
    add_infer_routes(app, parts.core, parts.catalogue, settings.body_bytes)
    return app
