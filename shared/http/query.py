"""Query parameters that a route does not know: refused, as unknown fields of a body are."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from shared.errors import InvalidInput


def refuse_unknown(request: Request) -> None:
    """Raises InvalidInput that names the first query parameter the request's route does not take."""
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    known = set(_names(route.dependant))
    for name in request.query_params:
        if name not in known:
            raise InvalidInput(f"query.{name}", "Extra inputs are not permitted")  # as pydantic says it


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield field.alias
    for needed in dependant.dependencies:
        yield from _names(needed)
