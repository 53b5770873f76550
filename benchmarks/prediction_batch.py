"""The prediction batch against one JSON document per row, written and read.

python -m benchmarks.prediction_batch
"""

import json
from functools import partial

import numpy as np

from benchmarks.rounds import compare
from shared.batch import Meta, PredictionBatch, decode_batch, encode_batch
from shared.features import Rows

FEATURES = 20


def make_batch(rows: int) -> PredictionBatch:
    """`rows` rows of 20 numeric features from a fixed seed."""
    random = np.random.default_rng(7)
    return PredictionBatch(
        meta=Meta("model", "0" * 64, "1" * 64, "champion", "producer", 1, rows),
        request_id=[random.bytes(16) for _ in range(rows)],
        row=np.zeros(rows, np.int32),
        entity=[None] * rows,
        event_time=np.full(rows, np.datetime64("2013-03-01T12:00:00", "us")),
        repeat=np.zeros(rows, np.bool_),
        rows=Rows(random.normal(size=(rows, FEATURES)).astype(np.float32), np.zeros((rows, 0), np.int32)),
        scores=random.random((rows, 1), np.float32),
        latency_us=np.full(rows, 300, np.int32),
    )


def json_documents(batch: PredictionBatch) -> list[bytes]:
    """The same rows as a good JSON logger would write them."""
    return [
        json.dumps(
            {
                "request_id": batch.request_id[row].hex(),
                "row": int(batch.row[row]),
                "event_time": str(batch.event_time[row]),
                "features": batch.rows.numeric[row].tolist(),
                "scores": batch.scores[row].tolist(),
                "latency_us": int(batch.latency_us[row]),
            }
        ).encode()
        for row in range(len(batch))
    ]


def main() -> None:
    """Print the table."""
    print("rows per message | write us | read us | write: JSON/Arrow | read: JSON/Arrow | bytes: JSON/Arrow")
    for rows in (1, 25, 2_000):
        batch = make_batch(rows)
        value, documents = encode_batch(batch), json_documents(batch)
        repeats = max(3, 2_000 // rows)
        write, _, write_ratio = compare(partial(encode_batch, batch), partial(json_documents, batch), repeats)
        read, _, read_ratio = compare(partial(decode_batch, value), partial(_read_all, documents), repeats)
        size = sum(map(len, documents)) / len(value)
        times = f"{rows:16} | {write * 1e6:8.0f} | {read * 1e6:7.0f}"
        print(f"{times} | {write_ratio:17.2f} | {read_ratio:16.2f} | {size:.2f}")


def _read_all(documents: list[bytes]) -> list[object]:
    return [json.loads(text) for text in documents]


if __name__ == "__main__":
    main()
