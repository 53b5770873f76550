"""JSON bodies, read strictly: every part that is wrong is named."""

import json
import re
from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic_core import from_json

from shared.errors import InvalidInput

_SPACED_KEY = re.compile(rb'"\s+:')
# Others wait while it is read, and each takes longer than megabytes of text. Brackets in texts are counted, too.
_MOST_BRACKETS = 250_000


def read_json(body: bytes) -> Any:
    """The JSON value of a body.

    The tokens NaN and Infinity become floats here, so that whoever reads the field can refuse them by its name.

    Raises:
        InvalidInput: empty, not JSON or not UTF-8 (lone surrogates included), nested over 200 deep, too many objects
            and arrays, or an object has a key twice.
    """
    if not body:
        raise InvalidInput("body", "JSON; it is empty")
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
        raise InvalidInput("body", f"at most {_MOST_BRACKETS} objects and arrays")
    try:
        value = from_json(body)
    except ValueError as error:
        raise InvalidInput("body", f"JSON; {error}") from None
    # Each key ends in `":`, and so do some texts: only where there are more than keys were kept, one may stand twice.
    if (body.count(b'":') != _keys(value) or _SPACED_KEY.search(body)) and not _misplaced(value):
        json.loads(body.decode(), object_pairs_hook=_once_each, parse_int=str, parse_float=str)
    return value


def _keys(value: Any) -> int:
    """How many keys the objects in `value` have, but for those within `data` or arrays of arrays, where none belong."""
    if type(value) is dict:
        return len(value) + sum(_keys(part) for name, part in value.items() if name != "data")
    if type(value) is list:
        return sum(_keys(part) for part in value if type(part) is dict)
    return 0


def _misplaced(value: Any) -> bool:
    """Whether an object stands within `data` or arrays of arrays: it is refused there whatever its keys are."""
    if type(value) is dict:
        return any(_holds_object(part) if name == "data" else _misplaced(part) for name, part in value.items())
    if type(value) is list:
        return any(_misplaced(part) if type(part) is dict else _holds_object(part) for part in value)
    return False


def _holds_object(value: Any) -> bool:
    if type(value) is not list:
        return type(value) is dict
    kinds = set(map(type, value))
    return dict in kinds or (list in kinds and any(map(_holds_object, value)))


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise InvalidInput(name, "this field once; it stands twice in the same object")


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
