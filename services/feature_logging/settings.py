"""What feature_logging is told by its environment."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """A Delta commit is made every `commit_seconds` or `commit_rows`, whichever comes first; after `compact_commits`
    of them a table's small files are merged. Every `upkeep_seconds` the files go that are of no version which is pinned
    or was the newest in the last `keep_hours`: so long may a reader take.
    Of each model `recent_labels` are remembered, so that those that wait meet their prediction when it comes, and when
    `recent_ids` were predicted that do not tell it themselves. `instance` names this worker for good (no two may share
    a name): Kafka then gives it its partitions back at once after a crash.
    """

    commit_seconds: float = Field(default=5, gt=0, le=60)
    commit_rows: int = Field(default=100_000, ge=1, le=1_000_000)
    compact_commits: int = Field(default=50, ge=2, le=1_000)
    # In a folder each commit lists the entries of the table's log, so many hours cost time. At least thrice what a
    # writer may be behind: store.table.FRESH.
    keep_hours: float = Field(default=6, ge=0.05)
    keep_days: int | None = Field(default=None, ge=3, le=36_500)  # labels and training runs still need the last days
    upkeep_seconds: float = Field(default=3600, gt=0)
    prove_seconds: float = Field(default=300, gt=0, le=3_600)
    recent_labels: int = Field(default=100_000, ge=1, le=10_000_000)
    recent_ids: int = Field(default=200_000, ge=1, le=10_000_000)
    instance: str | None = Field(default=None, min_length=1, max_length=200)
