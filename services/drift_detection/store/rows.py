"""Rows of the feature log as an explanation compares them."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from services.drift_detection.domain.explain.sides import Side, Sides
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.watched import Watched
from shared.errors import InvalidInput, Unreadable
from shared.feature_log.answered import Wanted, columns_of, rows_around
from shared.feature_log.privacy import withheld
from shared.features import UNSEEN, Float32, Rows, stack_rows
from shared.reference.panes import moment

LEAST_ROWS, MOST_ROWS = 2_000, 50_000  # of one side; the search shares its process with the stream


def read_sides(tables: Path, watched: Watched, incident: Incident) -> Sides:
    """The champion's rows from the onset to the last alarm, and as many before.

    An alarm may come in the first pane, of a few rows: then those that follow count as well, until the incident ended.

    Raises:
        Unreadable: the log can't be read.
    """
    until = None if incident.closed is None else moment(incident.closed)
    wanted = Wanted(moment(incident.onset), moment(incident.last_alarm), until, LEAST_ROWS, MOST_ROWS)
    found = rows_around(tables, watched.model, watched.digest, wanted)
    return Sides(*(Side(rows_of(part, watched), scores_of(part, watched)) for part in found))


def rows_of(table: pa.Table, watched: Watched) -> Rows:
    """The features of a table's rows; a category that is null is unseen if the row's `flags` say so, else missing.

    Raises:
        Unreadable: the log lacks a feature, or holds it as another kind, or none that can be read, as it is sensitive.
    """
    if said := withheld(watched.definition, "hash", "encrypt", "leave_out"):
        raise Unreadable(f"feature log: {said}")
    names = [feature.name for feature in watched.definition.features]
    try:
        rows = stack_rows(columns_of(table, names), watched.definition, watched.reference.categories)
    except InvalidInput as error:
        raise Unreadable(f"feature log: {error}") from error
    flags = table.column("flags").combine_chunks()
    at, said = flags.value_parent_indices().to_numpy(), flags.flatten().to_numpy(zero_copy_only=False)
    for position, name in enumerate(watched.definition.categorical):
        rows.categorical[at[said == f"{name}:unseen"], position] = UNSEEN
    return rows


def scores_of(table: pa.Table, watched: Watched) -> Float32:
    """Their scores, float32 [n, k].

    Raises:
        Unreadable: a row has another number of scores than the bundle.
    """
    lists, width = table.column("scores").combine_chunks(), len(watched.reference.scores)
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    if len(flat) != len(table) * width:
        raise Unreadable(f"feature log: rows of bundle {watched.digest} have not {width} scores each")
    return np.asarray(flat.reshape(len(table), width))
