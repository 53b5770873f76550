"""What every service is told by its environment; a service adds its own in its settings module."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read once, at start. Folders default to places below `state`."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_", frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP")
    state: Path = Path(".driftline")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    log_level: str = "INFO"

    @field_validator("state", mode="before")
    @classmethod
    def _some_folder(cls, state: object) -> object:
        if state == "":  # Path("") would be the current folder, and private keys would lie in it
            raise ValueError("expected a folder, it is empty")
        return state

    @property
    def bundles(self) -> Path:
        """The bundle store: one folder per model bundle, named by its digest."""
        return self.state / "bundles"

    @property
    def tables(self) -> Path:
        """The feature log: Delta tables in `<model>/predictions` and `<model>/labels`."""
        return self.state / "tables"

    @property
    def keys(self) -> Path:
        """Private signing keys, mode 0600."""
        return self.state / "keys"

    @property
    def trust(self) -> Path:
        """Public keys of the services whose signatures count."""
        return self.state / "trust"
