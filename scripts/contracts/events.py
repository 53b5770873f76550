"""The events' JSON Schemas."""

from typing import Any

from shared.events import EVENT_TYPES, Event

DIALECT = "http://json-schema.org/draft-07/schema#"


def event_schema(kind: type[Event]) -> dict[str, Any]:
    """What its readers want of a message's value."""
    schema = kind.model_json_schema()
    return {"$schema": DIALECT, **schema, "required": ["type", *schema["required"]]}  # `decode` wants it, too


def event_schemas() -> dict[str, dict[str, Any]]:
    """Event type → schema."""
    return {name: event_schema(kind) for name, kind in EVENT_TYPES.items()}


def summary(kind: type[Event]) -> str:
    """The first sentence of what the event says of itself."""
    told = " ".join((kind.__doc__ or "").split())
    return told.split(". ")[0].rstrip(".") + "."


def description(kind: type[Event]) -> str:
    """All that it says."""
    return " ".join((kind.__doc__ or "").split())
