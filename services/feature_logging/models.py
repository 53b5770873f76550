"""What is known of a model by the digest of its bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from services.feature_logging.domain.forgetting import conceal_ordered
from services.feature_logging.domain.predictions import Message, check_batch, prediction_rows
from services.feature_logging.domain.privacy import Secrets, needs_secrets, protect
from shared.batch import PredictionBatch
from shared.bundle import open_bundle
from shared.definition import ModelDefinition
from shared.errors import InvalidInput, Unreadable
from shared.feature_log.forgotten import Order
from shared.feature_log.lookup import newest_bundle
from shared.feature_log.schema import PREDICTIONS, with_features
from shared.feature_log.sealing import entity_hash
from shared.settings import ServiceSettings


@dataclass(frozen=True)
class Known:
    """A verified bundle's definition, and the category lists that its rows' codes point into; the keys of what is
    sensitive, and whom to forget.
    """

    definition: ModelDefinition
    categories: Mapping[str, tuple[str, ...]]
    secrets: Secrets | None = None
    orders: Callable[[], Sequence[Order]] = tuple

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the rows."""
        return with_features(PREDICTIONS, self.definition)

    def check(self, batch: PredictionBatch) -> None:
        """See `check_batch`; Unreadable as well where something is sensitive and there are no keys."""
        if self.secrets is None and needs_secrets(self.definition):
            raise Unreadable("prediction batch: its definition has sensitive features, and there are no keys for them")
        check_batch(batch, self.definition, self.categories)

    def rows(self, messages: Sequence[Message]) -> pa.Table:
        """See `prediction_rows`, `conceal_ordered` and `protect`."""
        rows = prediction_rows(messages, self.definition, self.categories)
        if (orders := self._orders()) and self.secrets is not None:
            rows = conceal_ordered(rows, orders, self.secrets.secret)
        return protect(rows, self.definition, self.secrets)

    def to_match(self, message: Message) -> PredictionBatch:
        """A message's batch for its labels; rows that are to be forgotten count as repeats, which meet none."""
        batch, orders = message.batch, [one for one in self._orders() if message.origin.log_time <= one.time]
        if not orders or self.secrets is None:
            return batch
        secret, entities = self.secrets.secret, {order.entity for order in orders}
        forgotten = [each is not None and entity_hash(secret, each) in entities for each in batch.entity]
        return replace(batch, repeat=batch.repeat | np.array(forgotten, np.bool_))

    def _orders(self) -> list[Order]:
        return [order for order in self.orders() if order.model in (None, self.definition.name)]


@dataclass(frozen=True)
class Bundles:
    """The store of bundles, and the folder of those who may sign them; the keys of what is sensitive, and whom to
    forget.
    """

    store: Path
    trust: Path
    secrets: Secrets | None = None
    orders: Callable[[], Sequence[Order]] = tuple

    def get(self, digest: str) -> Known:
        """What a verified bundle says.

        Raises:
            Unreadable: there is none, or it does not verify.
        """
        try:
            bundle = open_bundle(self.store, digest, self.trust)
        except InvalidInput as error:
            raise Unreadable(f"bundle {digest}: {error}") from error
        return Known(bundle.definition, bundle.reference.categories, self.secrets, self.orders)


def newest_definition(settings: ServiceSettings, model: str) -> ModelDefinition | None:
    """The definition by which the model's champion answered last; None if nothing tells it here."""
    digest = newest_bundle(settings.tables, model)
    try:
        return None if digest is None else Bundles(settings.bundles, settings.trust).get(digest).definition
    except Unreadable:
        return None
