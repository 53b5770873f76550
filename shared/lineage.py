"""Where a model bundle comes from: `lineage.json`. It holds no clock's time, host, path or run id, so that the same
inputs give the same bundle.
"""

from typing import Annotated

from pydantic import Field, ValidationError

from shared.errors import InvalidInput, first_problem
from shared.events.base import Digest, Record
from shared.events.retraining import SnapshotPin

Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{7,64}(-dirty)?|unknown)$")]


class Lineage(Record):
    """All that went into a model: code, rows, settings, environment, and the champion it was made to follow.

    `environment` is the sha256 of the lock file or of the installed distributions; `parent` the champion's bundle
    digest, None for a first model; `training_function` is `module:function`.
    """

    code_commit: Commit
    snapshot: SnapshotPin
    training_function: str
    hyperparameters: dict[str, int | float | str | bool]
    seed: int
    environment: Digest
    parent: Digest | None = None

    def to_json(self) -> bytes:
        """UTF-8 JSON; equal lineages give equal bytes."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> "Lineage":
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: not JSON, or a field is missing, unknown or of another type; `field` is its path.
        """
        try:
            return cls.model_validate_json(content, strict=True)
        except ValidationError as error:
            path, expected = first_problem(error, "")
            raise InvalidInput(f"lineage.{path}".rstrip("."), expected) from error
