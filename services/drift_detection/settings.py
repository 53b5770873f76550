"""What drift_detection is told by its environment."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every `cycle_seconds` state is stored and windows are published.

    `instance` names this worker for good (no two may share a name): Kafka gives it its partitions back at once when it
    is started again after a crash, and shuts out a process of that name that lingers. Without it they come back when
    the old session has timed out.
    """

    cycle_seconds: float = Field(default=0.25, gt=0, le=10)
    instance: str | None = Field(default=None, min_length=1, max_length=200)

    @property
    def data(self) -> Path:
        """Faust's own folder."""
        return self.state / "drift_detection"
