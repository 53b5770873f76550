"""How a feature is kept is a part of its type."""

from pathlib import Path

import pyarrow as pa
import pytest

from services.feature_logging.domain.evolution import changed_type
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from shared.definition import parse_definition
from shared.feature_log.schema import PREDICTIONS, table_path, with_features
from tests.unit.feature_logging.samples import MODEL
from tests.unit.feature_logging.test_schema_evolution import WIND

FORMS = {
    "categorical plain": "string",
    "categorical hash": "hashed",
    "categorical encrypt": "encrypted string",
    "numeric encrypt": "encrypted float",
}


@pytest.mark.parametrize("before", FORMS)
@pytest.mark.parametrize("after", FORMS)
def test_a_feature_that_becomes_hashed_or_encrypted_is_refused_as_one_of_another_type_is(
    tmp_path: Path, before: str, after: str
) -> None:
    place = Place(table_path(tmp_path, MODEL, "predictions"), schema_of(before))
    refused = changed_type(LogTable(place).schema, schema_of(after))  # as the table has it on disk
    said = f"is {FORMS[before]} in the log and can't become {FORMS[after]}; give the feature a new name"
    assert refused == (None if before == after else ("origin", said))


def schema_of(form: str) -> pa.Schema:
    kind, sensitive = form.split()
    kept = "" if sensitive == "plain" else f', sensitive = "{sensitive}"'
    origin = f'{{ name = "origin", kind = "{kind}"{kept} }}'
    text = f'name = "{MODEL}"\nowner = "ops"\nfeatures = [{WIND}, {origin}]\n'
    known = parse_definition(text + 'label = { name = "late", kind = "binary", expected_delay_hours = 1 }')
    return with_features(PREDICTIONS, known)
