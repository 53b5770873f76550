"""Kubernetes quantities: the API's schema takes any string for them, the API server does not."""

import re
from collections.abc import Iterator, Mapping

_SUFFIXES = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3} | {
    prefix + binary: base ** (power + 1)
    for binary, base in (("", 1000.0), ("i", 1024.0))
    for power, prefix in enumerate("KMGTPE")
    if prefix + binary != "K"
}


def parse_quantity(text: object) -> float:
    """`500m` is 0.5, `1Gi` is 1073741824.

    Raises:
        ValueError: not a quantity.
    """
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+))((?:[eE][+-]?\d+)|[a-zA-Z]*)", str(text))
    if not match:
        raise ValueError(f"{text!r} is not a quantity")
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return float(number) * _SUFFIXES[suffix]
    if re.fullmatch(r"[eE][+-]?\d+", suffix):
        return float(number + suffix)
    raise ValueError(f"{text!r} is not a quantity: {suffix} is no unit")


def wrong_quantities(where: str, amounts: Mapping[str, object]) -> Iterator[str]:
    """Amounts that are no quantity, or nothing; `where` says whose they are."""
    for name, amount in amounts.items():
        try:
            if parse_quantity(amount) <= 0:
                yield f"{where} {name}: {amount} is nothing"
        except ValueError as error:
            yield f"{where} {name}: {error}"
