"""An inference request of the Open Inference Protocol v2, REST with JSON."""

from dataclasses import dataclass
from typing import Any

from services.inference.domain.body import checked_list, checked_object, checked_text, inside, read_json
from services.inference.domain.tensor import Tensor, read_tensor
from shared.errors import InvalidInput

EVENT_TIME = "event_time"
ENTITY = "entity"

_FIELDS = frozenset({"id", "parameters", "inputs", "outputs"})


@dataclass(frozen=True, slots=True)
class InferRequest:
    """`inputs` by name, `outputs` the names asked for (None: all); `event_time` and `entity` as a tensor of n rows or
    as the parameter for all rows.
    """

    id: str | None
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...] | None
    event_time: Tensor | str | None
    entity: Tensor | str | None


def read_request(body: bytes) -> InferRequest:
    """A request from its body.

    Raises:
        InvalidInput: `field` is the path of what is wrong.
    """
    fields = checked_object(read_json(body), "", {"inputs"}, _FIELDS)
    request_id = fields.get("id")
    parameters = _parameters(fields.get("parameters"), "parameters", (EVENT_TIME, ENTITY), "binary_data_output")
    inputs = _read_inputs(fields["inputs"])
    return InferRequest(
        id=None if request_id is None else checked_text(request_id, "id"),
        event_time=_once(EVENT_TIME, inputs, parameters),
        entity=_once(ENTITY, inputs, parameters),
        inputs=inputs,
        outputs=_read_outputs(fields.get("outputs")),
    )


def _parameters(value: Any, where: str, texts: tuple[str, ...], binary: str) -> dict[str, str]:
    """The parameters that are strings; `binary` may only be false."""
    if value is None:
        return {}
    fields = checked_object(value, where, frozenset(), {*texts, binary})
    if fields.get(binary):
        raise InvalidInput(inside(where, binary), "false; data comes and goes as JSON")
    return {name: checked_text(fields[name], inside(where, name)) for name in texts if fields.get(name) is not None}


def _read_inputs(value: Any) -> dict[str, Tensor]:
    inputs: dict[str, Tensor] = {}
    for position, item in enumerate(checked_list(value, "inputs")):
        tensor = read_tensor(item, f"inputs[{position}]")
        if tensor.name in inputs:
            raise InvalidInput(f"{tensor.where}.name", f"each input once; {tensor.name!r} came before")
        inputs[tensor.name] = tensor
    if not inputs:
        raise InvalidInput("inputs", "at least one input")
    return inputs


def _once(name: str, inputs: dict[str, Tensor], parameters: dict[str, str]) -> Tensor | str | None:
    tensor = inputs.pop(name, None)
    if tensor is not None and name in parameters:
        raise InvalidInput(f"parameters.{name}", "not both a parameter and an input")
    return parameters.get(name) if tensor is None else tensor


def _read_outputs(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names: list[str] = []
    for position, item in enumerate(checked_list(value, "outputs")):
        where = f"outputs[{position}]"
        fields = checked_object(item, where, {"name"}, {"name", "parameters"})
        _parameters(fields.get("parameters"), f"{where}.parameters", (), "binary_data")
        names.append(checked_text(fields["name"], f"{where}.name"))
    return tuple(names) or None
