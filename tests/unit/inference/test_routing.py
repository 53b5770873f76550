"""Who is answered by the canary: the same everywhere, as many as the share says, and more when it is raised."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from benchmarks.routing import entities, split
from services.inference.domain.routing import goes_to_canary

MANY = entities(20_000)
_OTHER_PROCESS = """
import json, sys
from services.inference.domain.routing import goes_to_canary
told = json.load(sys.stdin)
json.dump([entity for entity in reversed(told) if goes_to_canary("salt", entity, 0.3)], sys.stdout)
"""


def chosen(salt: str, share: float) -> set[str]:
    return {entity for entity in MANY if goes_to_canary(salt, entity, share)}


def test_another_process_and_another_order_give_the_same_answers() -> None:
    shuffled = sorted(MANY, key=lambda name: name[::-1])
    ran = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS], input=json.dumps(shuffled), capture_output=True, text=True, check=True
    )
    assert set(json.loads(ran.stdout)) == chosen("salt", 0.3)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
def test_the_split_is_the_share(share: float) -> None:
    assert split("flights", entities(100_000), share) == pytest.approx(share, abs=0.004)


def test_raising_the_share_only_adds_entities() -> None:
    steps = [chosen("salt", share) for share in (0.01, 0.1, 0.3, 0.9)]
    assert all(less < more for less, more in pairwise(steps))


def test_another_salt_chooses_others() -> None:
    first, second = chosen("a", 0.3), chosen("b", 0.3)
    assert len(first & second) / len(MANY) == pytest.approx(0.09, abs=0.02)


def test_a_request_without_an_entity_goes_by_its_key() -> None:
    keys = [number.to_bytes(16, "big") for number in range(20_000)]
    assert sum(goes_to_canary("salt", key, 0.3) for key in keys) / len(keys) == pytest.approx(0.3, abs=0.02)


def test_the_choice_is_the_same_in_every_version_of_this_code() -> None:
    names = ["N100", "N101", "N102", "N103", "N104", "N105", "N106", "N107"]
    assert [name for name in names if goes_to_canary("salt", name, 0.5)] == ["N100", "N101", "N107"]
