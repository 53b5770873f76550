"""What the rows break of their definition, told in the column `flags` and never a reason to leave a row out."""

from collections.abc import Iterator, Mapping, Sequence
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
    null feature without a flag is missing, and one with `unseen` had a category that the bundle does not know. Of a
    sensitive feature nothing is said: a flag would tell something of its value.
    """
    names: list[str] = []
    places: list[NDArray[np.int64]] = []
    hidden = definition.kept_as("hash", "encrypt", "leave_out")
    for name, kind, broken in _broken(rows, definition):
        if name not in hidden:
            names.append(f"{name}:{kind}")
            places.append(np.flatnonzero(broken))
    if not names:
        return pa.nulls(len(rows), FLAGS)
    at = np.concatenate(places)
    which = np.repeat(np.arange(len(names)), [len(place) for place in places])[np.argsort(at, kind="stable")]
    counts = np.bincount(at, minlength=len(rows))
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    said = pa.array(names, pa.string()).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array(ends), said, type=FLAGS, mask=pa.array(counts == 0))


def _broken(rows: Rows, definition: ModelDefinition) -> Iterator[tuple[str, FlagKind, Mask]]:
    """Each feature and kind of which there are some, and the rows, bool [n]."""
    limits = Limits(definition)
    beyond: dict[FlagKind, Mask] = {
        "below_limit": rows.numeric < limits.low,
        "above_limit": rows.numeric > limits.high,
    }
    yield from _columns(definition.numeric, beyond)
    unseen: dict[FlagKind, Mask] = {"unseen": rows.categorical == UNSEEN}
    yield from _columns(definition.categorical, unseen)


def _columns(names: Sequence[str], marked: Mapping[FlagKind, Mask]) -> Iterator[tuple[str, FlagKind, Mask]]:
    # Mostly there are none, and that is quickly asked.
    some: list[tuple[FlagKind, Mask]] = [(kind, mask) for kind, mask in marked.items() if mask.any()]
    for column, name in enumerate(names):
        for kind, mask in some:
            if mask[:, column].any():
                yield name, kind, mask[:, column]
