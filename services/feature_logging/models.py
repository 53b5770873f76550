"""What is known of a model by the digest of its bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from services.feature_logging.domain.predictions import Message, check_batch, prediction_rows
from services.feature_logging.domain.privacy import Secrets, needs_secrets, protect
from shared.batch import PredictionBatch
from shared.bundle import open_bundle
from shared.definition import ModelDefinition
from shared.errors import InvalidInput, Unreadable
from shared.feature_log.lookup import newest_bundle
from shared.feature_log.schema import PREDICTIONS, with_features
from shared.settings import ServiceSettings


def as_they_are(_: str, rows: pa.Table) -> pa.Table:
    """Rows of a model of which nothing is to be forgotten."""
    return rows


@dataclass(frozen=True)
class Known:
    """A verified bundle's definition, the category lists that its rows' codes point into, and how many scores it gives
    a row; the keys of what is sensitive, and who conceals what is to be forgotten of a model's rows.
    """

    definition: ModelDefinition
    categories: Mapping[str, tuple[str, ...]]
    secrets: Secrets | None = None
    conceal: Callable[[str, pa.Table], pa.Table] = as_they_are
    scores: int = 1

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the rows."""
        return with_features(PREDICTIONS, self.definition)

    def check(self, batch: PredictionBatch) -> None:
        """See `check_batch`; Unreadable as well where something is sensitive and there are no keys."""
        if self.secrets is None and needs_secrets(self.definition):
            raise Unreadable("prediction batch: its definition has sensitive features, and there are no keys for them")
        check_batch(batch, self.definition, self.categories, self.scores)

    def rows(self, messages: Sequence[Message]) -> pa.Table:
        """See `prediction_rows` and `protect`; in between, what is to be forgotten is concealed."""
        rows = self.conceal(self.definition.name, prediction_rows(messages, self.definition, self.categories))
        return protect(rows, self.definition, self.secrets)


@dataclass(frozen=True)
class Bundles:
    """The store of bundles, and the folder of those who may sign them; the keys of what is sensitive, and who conceals
    what is to be forgotten of a model's rows.
    """

    store: Path
    trust: Path
    secrets: Secrets | None = None
    conceal: Callable[[str, pa.Table], pa.Table] = as_they_are

    def get(self, digest: str) -> Known:
        """What a verified bundle says.

        Raises:
            Unreadable: there is none, or it does not verify.
        """
        try:
            bundle = open_bundle(self.store, digest, self.trust)
        except InvalidInput as error:
            raise Unreadable(f"bundle {digest}: {error}") from error
        scores = len(bundle.reference.scores)
        return Known(bundle.definition, bundle.reference.categories, self.secrets, self.conceal, scores)


def newest_definition(settings: ServiceSettings, model: str) -> ModelDefinition | None:
    """The definition by which the model's champion answered last; None if nothing tells it here."""
    digest = newest_bundle(settings.tables, model)
    try:
        return None if digest is None else Bundles(settings.bundles, settings.trust).get(digest).definition
    except Unreadable:
        return None
