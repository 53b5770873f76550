"""What the rows break of their definition, told in the column `flags` and never a reason to leave a row out."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.definition import ModelDefinition
from shared.feature_log.schema import FLAGS
from shared.features import UNSEEN, Rows
from shared.limits import Limits

FlagKind = Literal["below_limit", "above_limit", "unseen"]
Mask = NDArray[np.bool_]


def flags(rows: Rows, definition: ModelDefinition) -> pa.Array:
    """Of n rows which of their values the definition does not allow: n lists, or null where all are allowed.

    An entry is `feature:kind`; numeric features first, in the definition's order. A missing value is allowed, so that a
    null feature without a flag is missing, and one with `unseen` had a category that the bundle does not know.
    """
    names: list[str] = []
    places: list[NDArray[np.int64]] = []
    for name, broken in _broken(rows, definition):
        names.append(name)
        places.append(np.flatnonzero(broken))
    if not names:
        return pa.nulls(len(rows), FLAGS)
    at = np.concatenate(places)
    which = np.repeat(np.arange(len(names)), [len(place) for place in places])[np.argsort(at, kind="stable")]
    counts = np.bincount(at, minlength=len(rows))
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    said = pa.array(names, pa.string()).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array(ends), said, type=FLAGS, mask=pa.array(counts == 0))


def _broken(rows: Rows, definition: ModelDefinition) -> Iterator[tuple[str, Mask]]:
    """Each flag that some rows have, and which, bool [n]."""
    limits = Limits(definition)
    beyond: tuple[tuple[FlagKind, Mask], ...] = (
        ("below_limit", rows.numeric < limits.low),
        ("above_limit", rows.numeric > limits.high),
    )
    yield from _columns(definition.numeric, beyond)
    yield from _columns(definition.categorical, (("unseen", rows.categorical == UNSEEN),))


def _columns(names: tuple[str, ...], marked: tuple[tuple[FlagKind, Mask], ...]) -> Iterator[tuple[str, Mask]]:
    some = [(kind, mask) for kind, mask in marked if mask.any()]  # mostly none, and that is quickly asked
    for column, name in enumerate(names):
        for kind, mask in some:
            if mask[:, column].any():
                yield f"{name}:{kind}", mask[:, column]
