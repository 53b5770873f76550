"""What a request asks to be answered with."""

from collections.abc import Iterable

from shared.errors import InvalidInput


def chosen(outputs: Iterable[str], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names of the outputs to answer with; raises InvalidInput for one that the model does not have."""
    known = tuple(outputs)
    for position, name in enumerate(asked or ()):
        if name not in known:
            raise InvalidInput(f"outputs[{position}].name", f"one of {', '.join(known)}")
    return asked or known
