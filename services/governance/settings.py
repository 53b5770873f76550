"""What governance is told by its environment."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class GovernanceSettings(ServiceSettings):
    """`database` is an SQLAlchemy URL; without one it is an SQLite file below `state`. `group`: its Kafka group."""

    database: str | None = Field(default=None, validation_alias="DRIFTLINE_GOVERNANCE_DB")
    group: str = Field(default="governance", min_length=1, validation_alias="DRIFTLINE_GOVERNANCE_GROUP")

    @property
    def database_url(self) -> str:
        """Where the registry, the approvals and the audit log are."""
        return self.database or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The SQLite file used when no URL is given."""
        return self.state.absolute() / "governance" / "governance.db"
