"""The lineage of one prediction, checked from end to end: row, model, training data, signatures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.demo.flights import Flight
from shared.batch import request_key
from shared.bundle import open_bundle
from shared.errors import DriftlineError
from shared.feature_log.lookup import find_prediction
from shared.feature_log.snapshot import read_snapshot


@dataclass(frozen=True)
class Traced:
    """One prediction traced back. `faults` is empty when all of it holds."""

    request_id: str
    facts: Mapping[str, Any]
    faults: tuple[str, ...]


def trace(state: Path, model: str, flight: Flight, answered_by: str) -> Traced:
    """Look a prediction up in the Delta table and follow it to its model and that model's training data.

    Checked: the logged row equals what was sent; the bundle that answered has its digest and a trusted signature; the
    snapshot it was trained on recomputes to its hash.
    """
    try:
        row = find_prediction(state / "tables", model, request_key(model, flight.request_id), 0)
        bundle = open_bundle(state / "bundles", answered_by, state / "trust")
        pin = bundle.lineage.snapshot
        read_snapshot(state / "tables", model, pin)
    except DriftlineError as error:
        return Traced(flight.request_id, {}, (str(error),))
    faults = [f"{name}: sent {sent!r}, logged {row[name]!r}" for name, sent in _differences(flight, row)]
    if row["bundle_digest"] != answered_by:
        faults.append(f"bundle: answered by {answered_by}, logged {row['bundle_digest']}")
    facts = {
        "score": row["scores"][0],
        "bundle": answered_by,
        "signed by": bundle.signer,
        "parent": bundle.lineage.parent,
        "code": bundle.lineage.code_commit,
        "trained on": f"{pin.rows} rows until {pin.end:%d %B %H:%M} UTC",
        "row hash": pin.row_hash,
    }
    return Traced(flight.request_id, facts, tuple(faults))


def _differences(flight: Flight, row: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Sent values that the log does not hold; numbers are logged as float32."""
    return [(name, sent) for name, sent in flight.features.items() if not _same(sent, row[name])]


def _same(sent: float | str | None, logged: object) -> bool:
    if isinstance(sent, int | float) and isinstance(logged, int | float):
        return math.isclose(sent, logged, rel_tol=1e-6, abs_tol=1e-6)
    return sent == logged
