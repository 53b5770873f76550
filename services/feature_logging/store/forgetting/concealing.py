"""What is about to be written is concealed first, as far as it is to be forgotten by now: read again at each call.

Whoever writes it does so before the table's mark changes, or makes it anew: see `LogTable.fence`.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from services.feature_logging.domain.forgetting import Came, conceal, keys_of, ordered
from services.feature_logging.domain.pairs import Meeting
from services.feature_logging.store.forgetting.forgotten_ids import ForgottenIds
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from shared.feature_log.forgotten import Orders


class Concealer:
    """Used by the thread that writes, alone. Raises as Forgetting does."""

    def __init__(self, tables: Path, keys: KeyStore) -> None:
        self._orders = Orders(tables)
        self._ids = ForgottenIds(tables, keys)
        self._forgetting = Forgetting(tables, keys)
        self._keys = keys

    def predictions(self, model: str, rows: pa.Table) -> pa.Table:
        """Rows of a model with plain entities, those concealed that were logged before it was ordered to forget them;
        what the tables hold of them already, such as labels that were quicker, is concealed when this returns.
        """
        first = pc.call_function("min", [rows.column("log_time")]).as_py()
        for order in self._orders():
            if order.concerns(model) and first <= order.time:
                found = ordered(rows, order, self._keys.secret)
                if found is not None:
                    self._forgetting.came_late(order, model, keys_of(rows.filter(found)))
                    rows = conceal("predictions", rows, found)
        return rows

    def labels(self, came: Sequence[Came]) -> pa.Table:
        """See Conceals."""
        model, rows = came[0].model, pa.concat_tables([each.rows for each in came])
        found = self._ids.has(model, keys_of(rows))
        return conceal("labels", rows, pa.array(found)) if found.any() else rows

    def meetings(self, model: str, found: Sequence[Meeting]) -> Sequence[Meeting]:
        """See Conceals."""
        forgotten = self._ids.has(model, [meeting.label.key for meeting in found])
        return [meeting for meeting, gone in zip(found, forgotten.tolist(), strict=True) if not gone]
