"""What inference is told by its environment."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class InferenceSettings(ServiceSettings):
    """Beside what every service is told; each as `DRIFTLINE_<NAME>`.

    Rows are gathered for `gather_ms` or until there are `gather_rows`; `queue_bytes` of messages wait in memory before
    they go to the spool; the last `recent_ids` request ids are remembered; a request of more than `inline_rows` rows is
    computed in a thread of its own. At the end, for `flush_seconds`, what is left is published.
    """

    gather_ms: float = Field(default=25, gt=0)
    gather_rows: int = Field(default=4_096, ge=1, le=100_000)
    queue_bytes: int = Field(default=32 * 2**20, ge=0)
    recent_ids: int = Field(default=200_000, ge=2)
    inline_rows: int = Field(default=256, ge=0)
    body_bytes: int = Field(default=16 * 2**20, ge=1_024)
    label_patience_seconds: float = Field(default=5, gt=0)
    flush_seconds: float = Field(default=4, ge=0)

    @property
    def kept(self) -> Path:
        """Where the deployments that were believed are kept."""
        return self.state / "inference" / "deployments"

    @property
    def spool(self) -> Path:
        """Where predictions wait on disk."""
        return self.state / "inference" / "predictions.spool"
