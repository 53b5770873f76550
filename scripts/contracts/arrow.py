"""The Arrow batches as words and columns, read off batches that the code has encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shared.batch import FORMAT, Meta, PredictionBatch, encode_batch
from shared.features import MISSING, UNSEEN, Rows
from shared.outcomes import OutcomeBatch, encode_outcomes

CONTENT_TYPE = "application/vnd.apache.arrow.stream"

_COLUMNS = {
    "request_id": "The request's id: the bytes of a UUID, else the first 16 of sha256(model, 0x00, id).",
    "row": "Which row of the request, from 0.",
    "entity": "Whom or what the row is about, if the client said so.",
    "event_time": "When it happened, as the client said; else when the request came.",
    "repeat": "The same request id was seen before: logged, not counted.",
    "numeric": "The numeric features in the definition's order; NaN is missing, infinities are refused.",
    "categorical": f"Codes into the bundle's category lists; {UNSEEN} unseen, {MISSING} missing.",
    "scores": "What the model answered.",
    "latency_us": "From the request's arrival to its answer, in microseconds.",
    "champion_scores": "A shadow's rows only: what the champion answered to the same row.",
    "traceparent": "W3C trace context of the request's span; only there if a row of the message has one.",
}
_METADATA = {
    "format": f"Version of this format: {FORMAT}.",
    "model": "The model's name.",
    "digest": "Digest of the bundle that answered.",
    "definition_digest": "Digest of the model definition, which tells the features.",
    "role": "champion, canary or shadow: one for all rows of a message.",
    "producer": "The process that sent it.",
    "sequence": "Number of this message among the producer's.",
    "rows_so_far": "Rows that the producer has sent with this message: what completeness is checked against.",
    "failed": "JSON: rows of the model, of any version, that got no answer since the producer's last message of it; "
    "by digest and role, with the latest event time and by group of subjects. Not there: the producer does not tell.",
}
_OUTCOMES = {
    "request_id": _COLUMNS["request_id"],
    "row": _COLUMNS["row"],
    "event_time": "When the prediction happened; its window is that of this time.",
    "label": "What came true.",
    "label_time": "When it came true, as the client said; less event_time it is the label's lag.",
    "business": "A business outcome, not the label that the model predicts.",
    "replaced": "The label of the same row and kind that this one takes back; null for the first.",
    "scores": _COLUMNS["scores"],
    "source_partition": "The partition of driftline.predictions in which the prediction stands.",
    "source_offset": "Its message's offset there: who reads both topics knows by it whether the row was read.",
    "champion_scores": _COLUMNS["champion_scores"],
}
_OUTCOME_METADATA = {
    "producer": "The source partition whose message brought them, such as driftline.labels/2.",
    "sequence": "Offset of that message times 1,000, and which part of what it brought this is, from 0; of one "
    "producer, digest and role it grows, what does not is a repeat.",
    "rows_so_far": "Rows of this producer, digest and role with this message.",
}


def example_batch() -> PredictionBatch:
    """Two rows of a shadow, with every column there is."""
    block = np.array([[0.5], [0.25]], np.float32)
    return PredictionBatch(
        meta=Meta("flight_delays", "a" * 64, "b" * 64, "shadow", "inference-1", 1, 2, ()),
        request_id=[bytes(16), bytes([1] * 16)],
        row=np.zeros(2, np.int32),
        entity=["N14228", None],
        event_time=np.array(["2013-03-15T16:00:00", "2013-03-15T16:00:01"], "datetime64[us]"),
        repeat=np.array([False, True]),
        rows=Rows(block, np.array([[0], [MISSING]], np.int32)),
        scores=block,
        latency_us=np.array([150, 160], np.int32),
        champion_scores=block,
        traceparent=["00-" + "1" * 32 + "-" + "2" * 16 + "-01", None],
    )


def example_outcomes() -> OutcomeBatch:
    """The label of one row, and the correction of another's."""
    return OutcomeBatch(
        meta=Meta("flight_delays", "a" * 64, "b" * 64, "shadow", "driftline.labels/0", 1, 2),
        request_id=[bytes(16), bytes([1] * 16)],
        row=np.zeros(2, np.int32),
        event_time=np.array(["2013-03-15T16:00:00", "2013-03-15T16:00:01"], "datetime64[us]"),
        label=np.array([0.0, 1.0]),
        label_time=np.array(["2013-03-15T20:10:00", "2013-03-15T21:55:00"], "datetime64[us]"),
        business=np.array([False, False]),
        replaced=np.array([np.nan, 0.0]),
        scores=np.array([[0.5], [0.25]], np.float32),
        source_partition=np.array([0, 2], np.int32),
        source_offset=np.array([17, 4]),
        champion_scores=np.array([[0.5], [0.75]], np.float32),
    )


@dataclass(frozen=True)
class Format:
    """One kind of batch: an encoded example, what its columns and metadata mean, which columns may hold nulls."""

    example: bytes
    told: Mapping[str, str]
    told_metadata: Mapping[str, str]
    nulls: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The example's."""
        return pa.ipc.open_stream(self.example).schema

    def columns(self) -> list[dict[str, Any]]:
        """Name, Arrow type, whether nulls are allowed, and meaning of every column, in order."""
        return [
            {
                "name": field.name,
                "type": _type(field.type),
                "nulls": field.name in self.nulls,
                "description": self.told[field.name],
            }
            for field in self.schema
        ]

    def metadata(self) -> dict[str, str]:
        """Meaning of every entry of the schema's metadata, in order."""
        return {key.decode(): self.told_metadata[key.decode()] for key in self.schema.metadata}


def predictions() -> Format:
    """Of driftline.predictions."""
    return Format(encode_batch(example_batch()), _COLUMNS, _METADATA, ("entity", "traceparent"))


def outcomes() -> Format:
    """Of driftline.outcomes."""
    return Format(encode_outcomes(example_outcomes()), _OUTCOMES, _METADATA | _OUTCOME_METADATA, ("replaced",))


def _type(kind: pa.DataType) -> str:
    """Arrow's name; lists are as wide as the model has features or scores."""
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{kind.value_type}>[width]"
    return str(kind)
