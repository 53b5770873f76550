"""JSON bodies, read strictly: every part that is wrong is named."""

from collections.abc import Set as AbstractSet
from typing import Any

from pydantic_core import from_json

from shared.errors import InvalidInput


def read_json(body: bytes) -> Any:
    """The JSON value of a body.

    The tokens NaN and Infinity become floats here, so that whoever reads the field can refuse them by its name.

    Raises:
        InvalidInput: empty, not JSON or not UTF-8 (lone surrogates included), or nested over 200 deep.
    """
    if not body:
        raise InvalidInput("body", "JSON; it is empty")
    try:
        return from_json(body)
    except ValueError as error:
        raise InvalidInput("body", f"JSON; {error}") from None


def inside(where: str, name: str) -> str:
    """The path of a field: `inputs[0].shape`, or the bare name at the top."""
    return f"{where}.{name}" if where else name


def checked_object(value: Any, where: str, needed: AbstractSet[str], allowed: AbstractSet[str]) -> dict[str, Any]:
    """`value` as an object with all fields of `needed` and no others but those of `allowed`; else InvalidInput."""
    if type(value) is not dict:
        raise InvalidInput(where or "body", "a JSON object")
    if not needed <= value.keys():
        raise InvalidInput(inside(where, min(needed - value.keys())), "this field is needed")
    if not value.keys() <= allowed:
        unknown = min(value.keys() - allowed)
        raise InvalidInput(inside(where, unknown), f"no such field; there are {', '.join(sorted(allowed))}")
    return value


def checked_list(value: Any, where: str) -> list[Any]:
    """`value` as a list; else InvalidInput."""
    if type(value) is not list:
        raise InvalidInput(where, "a JSON array")
    return value


def checked_text(value: Any, where: str, longest: int = 256) -> str:
    """`value` as a string of 1 to `longest` characters; else InvalidInput."""
    if type(value) is not str or not 1 <= len(value) <= longest:
        raise InvalidInput(where, f"a string of 1 to {longest} characters")
    return value
