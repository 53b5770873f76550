"""No feature may take a name that the log's tables use themselves."""

from pathlib import Path

import pytest

from shared.definition import parse_definition
from shared.errors import InvalidInput
from shared.feature_log.columns import RESERVED
from shared.feature_log.schema import HISTORY, LABELS, PREDICTIONS, features_of
from shared.feature_log.snapshot import Bounds, pin_snapshot
from tests.unit.shared.feature_log.small_log import MODEL, START, hours

DEFINITION = """
name = "m"
owner = "o"
features = [{{ name = "{name}", kind = "numeric" }}]
label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
"""


def test_every_own_column_is_reserved(tmp_path: Path) -> None:
    snapshot = pin_snapshot(tmp_path, MODEL, Bounds(START, hours(1), hours(2), "binary"))
    for schema in (PREDICTIONS, LABELS, HISTORY, snapshot.table.schema):
        assert features_of(schema) == []


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_feature_named_like_an_own_column_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        parse_definition(DEFINITION.format(name=name))


def test_any_other_name_is_fine() -> None:
    assert parse_definition(DEFINITION.format(name="wind")).numeric == ("wind",)
