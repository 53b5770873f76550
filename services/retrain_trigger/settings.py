"""What retrain_trigger is told by its environment."""

from pathlib import Path

from pydantic import Field

from shared.lineage import Commit
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """While a run waits, the labels are looked at every `poll_seconds`; a run's steps together may take `run_seconds`.
    A step that can't read the feature log is tried `read_tries` times, ever later, at most ten minutes after the last.

    `retrain_group` is the consumer group; `code_commit` is what lineage says of the code where there is no git
    checkout, as in an image.
    """

    retrain_group: str = "retrain_trigger"
    poll_seconds: float = Field(default=1, gt=0, le=3_600)
    run_seconds: float = Field(default=3_600, gt=0)
    read_tries: int = Field(default=150, ge=1)  # about a day
    code_commit: Commit = "unknown"

    @property
    def journal(self) -> Path:
        """The journal of runs."""
        return self.state / "retrain_trigger" / "journal.db"

    @property
    def work(self) -> Path:
        """One folder per run, for what its steps leave to the next ones."""
        return self.state / "retrain_trigger" / "runs"
