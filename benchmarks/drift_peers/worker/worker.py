"""`python worker.py IN.npz OUT.json [IN.npz OUT.json ...]`: which features each peer flags in each window.

IN holds `reference` float32 [R, F], `reference_codes` int32 [R, C], `rows` float32 [N, F], `row_codes` int32 [N, C],
`bounds` int64 [W + 1], where each window begins, maybe `reference_days` and `row_days` datetime64[D], and `job`, JSON:
`peers`, how many windows of a run each peer sees; `runs`, how many runs of equal length the windows make, each begun
afresh; `features`, how many there are in all; `watch`, a feature whose first flag ends a run, or null.

OUT holds for each peer `version`, `seconds` of the processor per window, and `flags`, lists of features by run and
window; or `error` where it can't be imported.
"""

import importlib
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

# Their documented switches against telemetry, before any is imported.
os.environ |= {
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

import itertools

import numpy as np
from block import Block

PEERS = {
    "NannyML": ("nannyml_peer", "Univariate"),
    "Evidently": ("evidently_peer", "Columns"),
    "whylogs": ("whylogs_peer", "Profiles"),
    "alibi-detect": ("alibi_peer", "Tabular"),
    "river ADWIN": ("river_peer", "Adwin"),
    "river Page-Hinkley": ("river_peer", "Page"),
}


def windows(arrays: dict[str, np.ndarray]) -> list[Block]:
    """The windows of all runs."""
    bounds = arrays["bounds"].tolist()
    pairs = itertools.pairwise(bounds)
    columns = (arrays["rows"], arrays["row_codes"], arrays.get("row_days"))
    return [Block(*(None if column is None else column[first:last] for column in columns)) for first, last in pairs]


def until(flags: Iterator[list[int]], watch: int | None) -> Iterator[list[int]]:
    """Flags up to the first of the watched feature."""
    for found in flags:
        yield found
        if watch in found:
            return


def ask(name: str, arrays: dict[str, np.ndarray], job: dict) -> dict:
    """What one peer says."""
    module, attribute = PEERS[name]
    try:
        made = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        return {"error": str(error)}
    reference = Block(arrays["reference"], arrays["reference_codes"], arrays.get("reference_days"))
    every = windows(arrays)
    peer = made(reference, every[0], job["features"])
    length = len(every) // job["runs"]
    runs = [every[first : first + job["peers"][name]] for first in range(0, length * job["runs"], length)]
    began = time.process_time()
    flags = [list(until(peer.watch(run), job["watch"])) for run in runs]
    seconds = (time.process_time() - began) / sum(map(len, flags))
    return {"version": peer.version, "seconds": getattr(peer, "seconds", seconds), "flags": flags}


def answer(source: str, target: str) -> None:
    """One job."""
    with np.load(source) as file:
        arrays = dict(file)
    job = json.loads(str(arrays["job"]))
    said = {name: ask(name, arrays, job) for name in job["peers"]}
    Path(target).write_text(json.dumps(said))


def main(arguments: list[str]) -> None:
    """All jobs."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for source, target in zip(arguments[::2], arguments[1::2], strict=True):
        answer(source, target)


if __name__ == "__main__":
    main(sys.argv[1:])
