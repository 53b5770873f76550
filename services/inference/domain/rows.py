"""A request as rows of named features, for people: `{"rows": [{"temp": 1.5, "carrier": "DL"}]}`."""

from typing import Any

from services.inference.domain.binary import BYTES
from services.inference.domain.body import checked_list, checked_object, checked_text, read_json
from services.inference.domain.context import microseconds
from services.inference.domain.parameters import ENTITY, EVENT_TIME
from services.inference.domain.request import InferRequest
from services.inference.domain.tensor import Tensor
from shared.definition import ModelDefinition
from shared.errors import InvalidInput

ROWS = "rows"

_FIELDS = frozenset({ROWS, "id", EVENT_TIME, ENTITY})


def read_rows(body: bytes, definition: ModelDefinition) -> InferRequest:
    """A request from its body. Values are not checked yet; whoever does names them `rows[3].temp`.

    Raises:
        InvalidInput: no JSON of this form, a feature's name is missing or unknown, more rows than the definition
            allows, or `event_time` or `entity` stands beside the rows and in one, too.
    """
    fields = checked_object(read_json(body), "", {ROWS}, _FIELDS)
    rows = _checked_rows(fields[ROWS], definition)
    for_all = {name: checked_text(fields[name], name) for name in (EVENT_TIME, ENTITY) if fields.get(name) is not None}
    if EVENT_TIME in for_all:
        microseconds(for_all[EVENT_TIME], EVENT_TIME)
    request_id = fields.get("id")
    datatypes = {feature.name: "FP32" if feature.kind == "numeric" else BYTES for feature in definition.features}
    return InferRequest(
        id=None if request_id is None else checked_text(request_id, "id"),
        inputs={name: _column(name, rows, datatype) for name, datatype in datatypes.items()},
        outputs=None,
        event_time=_context(EVENT_TIME, rows, for_all),
        entity=_context(ENTITY, rows, for_all),
    )


def _checked_rows(value: Any, definition: ModelDefinition) -> list[dict[str, Any]]:
    rows = checked_list(value, ROWS)
    if not 1 <= len(rows) <= definition.serving.max_rows:
        raise InvalidInput(ROWS, f"1 to {definition.serving.max_rows} rows")
    needed = frozenset(feature.name for feature in definition.features)
    allowed = needed | {EVENT_TIME, ENTITY}
    return [checked_object(row, f"{ROWS}[{position}]", needed, allowed) for position, row in enumerate(rows)]


def _column(name: str, rows: list[dict[str, Any]], datatype: str) -> Tensor:
    return Tensor(ROWS, name, datatype, (len(rows),), [row.get(name) for row in rows], by_row=True)


def _context(name: str, rows: list[dict[str, Any]], for_all: dict[str, str]) -> Tensor | str | None:
    """What is said beside the rows, or a column of what they say."""
    told = next((position for position, row in enumerate(rows) if name in row), None)
    if told is None:
        return for_all.get(name)
    if name in for_all:
        raise InvalidInput(f"{ROWS}[{told}].{name}", "not both in a row and beside the rows")
    return _column(name, rows, BYTES)
