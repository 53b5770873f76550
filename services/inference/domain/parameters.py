"""The parameters of a request, an input or an output.

The protocol lets every server define its own, so clients send those of others: they are taken and ignored. What would
change the answer, or is ours in another place or misspelt, is refused: it would be lost without a word.
"""

from difflib import get_close_matches
from typing import Any

from services.inference.domain.body import inside
from shared.errors import InvalidInput

EVENT_TIME = "event_time"
ENTITY = "entity"
BINARY_OUTPUT = "binary_data_output"

_OURS = {
    EVENT_TIME: "a parameter of the request",
    ENTITY: "a parameter of the request",
    BINARY_OUTPUT: "a parameter of the request",
    "binary_data": "a parameter of an output",
    "binary_data_size": "a parameter of an input",
}
_NOT_HERE = frozenset({"shared_memory_region", "shared_memory_byte_size", "shared_memory_offset", "classification"})
MOST_PARAMETERS = 64
_LONGEST = 256
_ALIKE = 0.8  # event_tme is 0.94 like event_time, timestamp 0.44


def read_parameters(value: Any, where: str, known: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Those of `known` that are given and not null, and the names of the others.

    Raises:
        InvalidInput: no JSON object, more than 64, a name of more than 256 characters, or one that may not be ignored.
    """
    if value is None:
        return {}, ()
    if type(value) is not dict or len(value) > MOST_PARAMETERS:
        raise InvalidInput(where, f"a JSON object of at most {MOST_PARAMETERS} parameters")
    others = tuple(name for name in value if name not in known)
    for name in others:
        _check_other(name, where)
    return {name: value[name] for name in known if value.get(name) is not None}, others


def _check_other(name: str, where: str) -> None:
    if len(name) > _LONGEST:
        raise InvalidInput(where, f"names of at most {_LONGEST} characters")
    if name in _NOT_HERE:
        raise InvalidInput(inside(where, name), "no such parameter; data come and go in the body, as they are")
    if name in _OURS:
        raise InvalidInput(inside(where, name), f"not here; it is {_OURS[name]}")


def check_spelling(names: tuple[str, ...], where: str) -> None:
    """Raises InvalidInput for a name that looks like a misspelt parameter of ours."""
    plain = {_plain(name): name for name in _OURS}
    for name in names:
        for close in get_close_matches(_plain(name), plain, 1, _ALIKE):
            raise InvalidInput(inside(where, name), f"no such parameter; is {plain[close]} meant?")


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def checked_flag(value: Any, where: str) -> bool:
    """`value` as a JSON boolean; else InvalidInput."""
    if type(value) is not bool:
        raise InvalidInput(where, "true or false")
    return value
