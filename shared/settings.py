"""What every service is told by its environment; a service adds its own in its settings module."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.kafka.address import check_address
from shared.storage import place_at

_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[\w.=-]+)*/?", re.ASCII)


class ServiceSettings(BaseSettings):
    """Read once, at start. Folders default to places below `state`.

    `tables_at` says where the feature log lies, if not below `state`: a folder, or `s3://bucket/prefix`, to which the
    variables AWS_* lead (DRIFTLINE_TABLES).

    `privacy_keys` holds the keys behind what is sensitive in the feature log, if that is not the folder of the signing
    keys: feature_logging writes there, retrain_trigger reads.

    At most `connections` are open to a port, if the limit of open files allows them; a client too many gets 503, or is
    closed by gRPC.

    With `tls_certificate` (PEM, with what chains it to its CA) and `tls_key` the HTTP port speaks TLS; with
    `tls_client_ca` as well every client needs a certificate of that CA, beside its token.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_", frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP")
    state: Path = Path(".driftline")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    connections: int = Field(default=2_048, ge=1)
    tables_at: str | None = Field(default=None, validation_alias="DRIFTLINE_TABLES")
    privacy_keys: Path | None = None
    log_level: str = "INFO"
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Half of TLS would be none, and no one would know."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self

    @field_validator("kafka_bootstrap")
    @classmethod
    def _some_broker(cls, bootstrap: str) -> str:
        check_address(bootstrap)
        return bootstrap

    @field_validator("state", mode="before")
    @classmethod
    def _some_folder(cls, state: object) -> object:
        if state == "":  # Path("") would be the current folder, and private keys would lie in it
            raise ValueError("expected a folder, it is empty")
        return state

    @field_validator("tables_at")
    @classmethod
    def _some_place(cls, place: str | None) -> str | None:
        # A store that was meant must not become a folder of that name.
        if place is not None and ":" in place.split("/")[0] and not _STORE.fullmatch(place):
            raise ValueError("expected a folder, or s3://bucket/prefix of letters, digits and . _ = -")
        return place

    @property
    def bundles(self) -> Path:
        """The bundle store: one folder per model bundle, named by its digest."""
        return self.state / "bundles"

    @property
    def tables(self) -> Path:
        """The feature log: Delta tables in `<model>/predictions` and `<model>/labels`."""
        return place_at(self.tables_at) if self.tables_at else self.state / "tables"

    @property
    def keys(self) -> Path:
        """Private signing keys, mode 0600."""
        return self.state / "keys"

    @property
    def feature_log_keys(self) -> Path:
        """The folder of the keys behind what is sensitive in the feature log."""
        return self.privacy_keys or self.keys

    @property
    def trust(self) -> Path:
        """Public keys of the services whose signatures count."""
        return self.state / "trust"
