"""Small real bundles and signed deployments, for tests of whoever reads them.

The graphs in `tests/data` take `temp`, `wind` and `carrier` (or, all numeric, `pressure`); `scripts/make_test_model.py`
makes them.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from shared.bundle import BundleContents, write_bundle
from shared.cloudevents import encode
from shared.definition import ModelDefinition, parse_definition
from shared.events import DeploymentChanged, SnapshotPin, stable_id
from shared.features import Rows
from shared.kafka.message import InMessage, OutMessage
from shared.keys import make_keys
from shared.lineage import Lineage
from shared.reference import Reference, build_reference
from shared.signing import Signer

DATA = Path(__file__).parent / "data"
CARRIERS = ("AA", "DL", "UA")
START = datetime(2013, 1, 1, tzinfo=UTC)
ROWS = 600

Graph = Literal["small_binary_a", "small_binary_b", "small_regression"]

_DEFINITION = """
name = "{name}"
owner = "tests"

[[features]]
name = "temp"
kind = "numeric"
unit = "F"

[[features]]
name = "wind"
kind = "numeric"
unit = "m/s"

[[features]]
name = "{third}"
kind = "{third_kind}"

[label]
name = "outcome"
kind = "{kind}"
expected_delay_hours = 6

[serving]
max_rows = {max_rows}

[monitoring]
pane_seconds = 3600
"""


def definition_text(
    name: str = "small", *, numeric: bool = False, graph: Graph = "small_binary_a", max_rows: int = 5_000
) -> str:
    """TOML of a definition with the features temp, wind and carrier; `numeric`: pressure in the carrier's place."""
    third = ("pressure", "numeric") if numeric else ("carrier", "categorical")
    kind = "regression" if graph == "small_regression" else "binary"
    return _DEFINITION.format(name=name, third=third[0], third_kind=third[1], kind=kind, max_rows=max_rows)


def small_reference(definition: ModelDefinition) -> Reference:
    """A reference of 600 rows, one per hour from 1 January 2013."""
    random = np.random.default_rng(7)
    widths = (len(definition.numeric), len(definition.categorical))
    numeric = random.normal(50, 15, (ROWS, widths[0])).astype(np.float32)
    categorical = random.integers(0, len(CARRIERS), (ROWS, widths[1]), dtype=np.int32)
    event_time = np.datetime64("2013-01-01T00:30", "us") + np.arange(ROWS) * np.timedelta64(1, "h")
    scores = random.random((ROWS, 1)).astype(np.float32)
    categories = dict.fromkeys(definition.categorical, CARRIERS)
    return build_reference(Rows(numeric, categorical), event_time, scores, definition, categories)


def small_lineage() -> Lineage:
    """Where no real training was: a lineage that has the right form."""
    pin = SnapshotPin(start=START, end=START, as_of=START, rows=ROWS, row_hash="0" * 64)
    return Lineage(
        code_commit="unknown",
        snapshot=pin,
        training_function="tests.bundles:nothing",
        hyperparameters={},
        seed=0,
        environment="0" * 64,
    )


def make_bundle(
    state: Path, text: str | None = None, graph: Graph = "small_binary_a", *, onnx: bytes | None = None
) -> str:
    """Write a bundle, signed by `operator`, into `<state>/bundles` (keys are made if there are none); its digest.

    `onnx`: another graph, in the place of the file's.
    """
    make_keys(state)
    text = text or definition_text(graph=graph)
    contents = BundleContents(
        onnx=onnx or (DATA / f"{graph}.onnx").read_bytes(),
        definition=text,
        reference=small_reference(parse_definition(text)),
        lineage=small_lineage(),
        evaluation={},
    )
    return write_bundle(state / "bundles", contents, state / "keys", "operator")


def deployment(
    state: Path, digest: str, revision: int = 1, *, model: str = "small", signer: str = "governance", **beside: Any
) -> OutMessage:
    """The signed message that makes `digest` the champion, with what is to run `beside` it: `canary`, `shadow`, `salt`.

    A `signer` other than governance forges it.
    """
    event = DeploymentChanged(
        id=stable_id("deployment", model, revision, digest),
        model=model,
        time=START,
        revision=revision,
        champion=digest,
        previous=None,
        approval_id=stable_id("approval", model, revision),
        **beside,
    )
    return encode(event, "governance", Signer.load(state / "keys", signer))


def as_read(message: OutMessage, offset: int = 0) -> InMessage:
    """A sent message as a consumer gets it."""
    return InMessage(message.topic, 0, offset, message.key, message.value, message.headers, 1_700_000_000_000)
