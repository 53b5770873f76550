"""What inference is told by its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import ServiceSettings


class InferenceSettings(ServiceSettings):
    """Beside what every service is told; each as `DRIFTLINE_<NAME>`.

    In `mode` durable an answer waits until Kafka has acknowledged its rows (or the disk has them, while Kafka is away),
    for at most `durable_seconds`; in mode fast a kill -9 can lose what was gathered. Rows are gathered for `gather_ms`
    (in mode durable 2 ms) or until there are `gather_rows`; `queue_bytes` of messages wait in memory before they go to
    the spool, which is full at `spool_bytes`; the last `recent_ids` request ids are remembered; a request of more than
    `inline_rows` rows is computed in a thread of its own; at most `shadow_rows` wait for a shadow, the others are
    dropped. At the end, for `flush_seconds`, what is left is published. gRPC is served on `grpc_port` of the same host;
    0: it is not. After `grpc_connection_seconds`, give or take a tenth, a client is asked to connect anew, so that new
    replicas get their share.

    With `topic_requests` what stands on `driftline.requests` is answered on `driftline.scores`: whoever may write there
    needs no token. Then `instance` names this replica for good (no two may share a name), and the last `topic_answers`
    answers of each partition are known after a start.

    A model's first run, in a process of its own, has `load_seconds` and `load_bytes` of memory; sessions of
    `models_bytes` in all stay open, and what they compute takes `arena_bytes` in all.
    """

    grpc_port: int = Field(default=0, ge=0, le=65_535)
    grpc_connection_seconds: float = Field(default=300, gt=0, le=86_400)
    topic_requests: bool = False
    topic_answers: int = Field(default=20_000, ge=1_000)
    instance: str | None = Field(default=None, min_length=1, max_length=200)
    mode: Literal["fast", "durable"] = "fast"
    durable_seconds: float = Field(default=10, gt=0)
    gather_ms: float = Field(default=25, gt=0)
    gather_rows: int = Field(default=4_096, ge=1, le=100_000)
    queue_bytes: int = Field(default=32 * 2**20, ge=0)
    spool_bytes: int = Field(default=4 * 2**30, ge=2**20)
    recent_ids: int = Field(default=200_000, ge=2)
    inline_rows: int = Field(default=256, ge=0)
    shadow_rows: int = Field(default=20_000, ge=0)
    body_bytes: int = Field(default=16 * 2**20, ge=1_024)
    label_patience_seconds: float = Field(default=5, gt=0)
    load_seconds: float = Field(default=4, gt=0)
    load_bytes: int = Field(default=2**30, ge=512 * 2**20)
    models_bytes: int = Field(default=512 * 2**20, gt=0)
    arena_bytes: int = Field(default=512 * 2**20, ge=2**20)
    flush_seconds: float = Field(default=4, ge=0)

    @property
    def gather_seconds(self) -> float:
        """How long rows are gathered."""
        return (min(self.gather_ms, 2) if self.mode == "durable" else self.gather_ms) / 1000

    @property
    def patience(self) -> float | None:
        """How long an answer waits for its rows to be safe; None: not at all."""
        return self.durable_seconds if self.mode == "durable" else None

    @property
    def kept(self) -> Path:
        """Where the deployments that were believed are kept."""
        return self.state / "inference" / "deployments"

    @property
    def batches(self) -> Path:
        """Where the tables lie that are scored on a schedule, and their scores."""
        return self.state / "batches"

    @property
    def spool(self) -> Path:
        """Where predictions wait on disk."""
        return self.state / "inference" / "predictions.spool"
