"""An inference request of the Open Inference Protocol v2, REST: JSON, perhaps with binary tensors behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.inference.domain.binary import Parts
from services.inference.domain.body import checked_list, checked_object, checked_text, read_json
from services.inference.domain.parameters import (
    BINARY_OUTPUT,
    ENTITY,
    EVENT_TIME,
    check_spelling,
    checked_flag,
    read_parameters,
)
from services.inference.domain.tensor import Tensor, read_tensor
from shared.errors import InvalidInput

# Some clients repeat in the body what the path says; the path decides.
_FIELDS = frozenset({"id", "parameters", "inputs", "outputs", "model_name", "model_version"})
_BINARY = "binary_data"


@dataclass(frozen=True, slots=True)
class InferRequest:
    """`inputs` by name, `outputs` the names asked for (None: all); `event_time` and `entity` as a tensor of n rows or
    as the parameter for all rows. An output comes in binary if `binary` says so of it, or else `binary_output` of all.
    `ignored` names the parameters that mean nothing here.
    """

    id: str | None
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...] | None
    event_time: Tensor | str | None
    entity: Tensor | str | None
    binary: Mapping[str, bool] = field(default_factory=dict)
    binary_output: bool = False
    ignored: tuple[str, ...] = ()

    def in_binary(self, output: str) -> bool:
        """Whether this output is answered in binary."""
        return self.binary.get(output, self.binary_output)

    @property
    def is_special(self) -> bool:
        """Whether the answer is more than the outputs in JSON."""
        return bool(self.binary_output or self.ignored or any(self.binary.values()))


def read_request(body: bytes, json_length: int | None = None) -> InferRequest:
    """A request from its body; `json_length` as the header `Inference-Header-Content-Length` says, None without one.

    Raises:
        InvalidInput: `field` is the path of what is wrong.
    """
    parts = Parts(body, json_length)
    return read_fields(read_json(body if json_length is None else body[:json_length]), parts)


def read_fields(value: Any, parts: Parts) -> InferRequest:
    """A request from its JSON value, whose binary tensors are in `parts`; raises as `read_request` does."""
    fields = checked_object(value, "", {"inputs"}, _FIELDS)
    request_id = fields.get("id")
    given, ignored = read_parameters(fields.get("parameters"), "parameters", (EVENT_TIME, ENTITY, BINARY_OUTPUT))
    check_spelling(ignored, "parameters")
    texts = {name: checked_text(given[name], f"parameters.{name}") for name in (EVENT_TIME, ENTITY) if name in given}
    inputs = _read_inputs(fields["inputs"], parts)
    binary = _read_outputs(fields.get("outputs"))
    return InferRequest(
        id=None if request_id is None else checked_text(request_id, "id"),
        event_time=_once(EVENT_TIME, inputs, texts),
        entity=_once(ENTITY, inputs, texts),
        inputs=inputs,
        outputs=tuple(binary) or None,
        binary={name: flag for name, flag in binary.items() if flag is not None},
        binary_output=checked_flag(given.get(BINARY_OUTPUT, False), f"parameters.{BINARY_OUTPUT}"),
        ignored=ignored,
    )


def _read_inputs(value: Any, parts: Parts) -> dict[str, Tensor]:
    inputs: dict[str, Tensor] = {}
    for position, item in enumerate(checked_list(value, "inputs")):
        tensor = read_tensor(item, f"inputs[{position}]", parts)
        if tensor.name in inputs:
            raise InvalidInput(f"{tensor.where}.name", f"each input once; {tensor.name!r} came before")
        inputs[tensor.name] = tensor
    if not inputs:
        raise InvalidInput("inputs", "at least one input")
    parts.check_end()
    return inputs


def _once(name: str, inputs: dict[str, Tensor], parameters: dict[str, str]) -> Tensor | str | None:
    tensor = inputs.pop(name, None)
    if tensor is not None and name in parameters:
        raise InvalidInput(f"parameters.{name}", "not both a parameter and an input")
    return parameters.get(name) if tensor is None else tensor


def _read_outputs(value: Any) -> dict[str, bool | None]:
    """The outputs asked for, with what is said of their form."""
    asked: dict[str, bool | None] = {}
    for position, item in enumerate([] if value is None else checked_list(value, "outputs")):
        where = f"outputs[{position}]"
        fields = checked_object(item, where, {"name"}, {"name", "parameters"})
        name = checked_text(fields["name"], f"{where}.name")
        if name in asked:
            raise InvalidInput(f"{where}.name", f"each output once; {name!r} came before")
        known, _ = read_parameters(fields.get("parameters"), f"{where}.parameters", (_BINARY,))
        flag = known.get(_BINARY)
        asked[name] = None if flag is None else checked_flag(flag, f"{where}.parameters.{_BINARY}")
    return asked
