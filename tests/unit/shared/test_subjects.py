import numpy as np
import pyarrow as pa
import pytest

from shared.later import Later
from shared.subjects import GROUPS, group, groups

NAMES = ["N14228", None, "", "Zürich", None, "x" * 64, "y" * 65, "N14229"]
KEYS = [bytes(np.random.default_rng(number).integers(0, 256, 16, np.uint8)) for number in range(len(NAMES))]
EXPECTED = [group(key if name is None else name) for name, key in zip(NAMES, KEYS, strict=True)]


def test_rows_of_an_entity_are_in_its_group_and_those_without_in_that_of_their_request() -> None:
    assert groups(NAMES, KEYS).tolist() == EXPECTED
    assert groups([None] * len(KEYS), KEYS).tolist() == [group(key) for key in KEYS]
    assert groups([], []).tolist() == []


@pytest.mark.parametrize("first", [0, 3, 7])
def test_parts_of_columns_have_the_groups_of_their_rows(first: int) -> None:
    names, keys = pa.array(NAMES, pa.string())[first:], pa.array(KEYS, pa.binary(16))[first:]
    assert groups(Later(names), Later(keys)).tolist() == EXPECTED[first:]


def test_subjects_spread_evenly_over_the_groups() -> None:
    counts = np.bincount([group(f"aircraft-{number}") for number in range(64_000)])
    assert len(counts) == GROUPS
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 64 + 5 * np.sqrt(128)
